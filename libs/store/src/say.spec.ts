import { Defect } from '@lastcall/kernel';
import fc from 'fast-check';
import { outgoingEvent, range } from './contract-tools.js';
import { INBOX_SIZE } from './port.js';
import { formatSource, parseSource, remember, say } from './say.js';

describe('what a write says', () => {
  it('numbers events one after the other, over any sequence of writes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(1_000))), (writes) => {
        let document = { version: 0, saidAt: 0 };
        const said = writes.flatMap(([count, now]) => {
          const next = say(
            'session/gates/a',
            document,
            range(1, count).map(() => outgoingEvent()),
            now,
            {},
          );
          expect(next.version).toBe(document.version + Math.max(1, count));
          document = next;
          return next.events;
        });
        expect(new Set(said.map(({ id }) => id)).size).toBe(said.length);
        expect(said).toEqual(said.toSorted((a, b) => a.sequence - b.sequence));
        expect(said).toEqual(said.toSorted((a, b) => a.time - b.time));
      }),
    );
  });

  it('knows the document of an event again, whatever its id holds', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (id) => {
        expect(parseSource('session', formatSource('session', 'gates', id))).toEqual({ collection: 'gates', id });
      }),
    );
    expect(() => parseSource('session', 'catalog/gates/a')).toThrow(Defect);
  });

  it('remembers the newest events', () => {
    const inbox = range(1, INBOX_SIZE + 5).reduce<readonly string[]>((marks, n) => remember(marks, `e${n}`), []);
    expect(inbox).toEqual(range(6, INBOX_SIZE + 5).map((n) => `e${n}`));
  });
});
