import fc from 'fast-check';
import { Tally } from './tally.js';

describe('a tally', () => {
  it('counts each session once, and what comes again apart', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(9), { minLength: 1 }), async (sessions) => {
        const tally = new Tally(10);
        sessions.forEach((session, at) => tally.add(session, at + 1));
        const distinct = new Set(sessions);
        const firsts = [...distinct].map((session) => sessions.indexOf(session) + 1);
        expect(tally.summary()).toMatchObject({
          count: distinct.size,
          repeats: sessions.length - distinct.size,
          first: Math.min(...firsts),
          last: Math.max(...firsts),
        });
        for (let session = 0; session < 10; session++) tally.add(session, 100);
        await tally.all();
        expect(tally.count).toBe(10);
      }),
    );
  });

  it('begins anew', () => {
    const tally = new Tally(1);
    tally.add(0, 5);
    tally.clear();
    expect(tally.has(0)).toBe(false);
    expect(tally.summary()).toEqual({ count: 0, repeats: 0, first: 0, p50: 0, p99: 0, last: 0 });
  });
});
