import fc from 'fast-check';
import { EVENT_TYPES } from './events.js';
import { broadcastSubject, encodeToken, subjectFilter, subjectFor, subjectOfAllEvents } from './subjects.js';

const text = fc.string({ unit: 'binary', maxLength: 80 });

/** Subject matching as NATS has it. */
function matches(filter: string, subject: string): boolean {
  const [wanted, found] = [filter.split('.'), subject.split('.')];
  return wanted.length === found.length && wanted.every((token, i) => token === '*' || token === found[i]);
}

describe('encodeToken', () => {
  it.each([
    ['encore-berlin', 'encore-berlin'],
    ['', '_'],
    ['_', '_5f'],
    ['a.b', 'a_2eb'],
    ['*', '_2a'],
    ['Ä', '_c3_84'],
  ])('makes of %j %s', (from, to) => expect(encodeToken(from)).toBe(to));

  it('never adds a level or a wildcard, and is never empty', () =>
    fc.assert(fc.property(text, (token) => expect(encodeToken(token)).toMatch(/^[a-z0-9_-]+$/))));

  it('never makes the same of two', () =>
    fc.assert(
      fc.property(text, text, (one, two) => expect(encodeToken(one) === encodeToken(two)).toBe(one === two)),
      {
        examples: [
          ['', '_'],
          ['_2e', '.'],
          ['A', 'a'],
          ['_', '_5f'],
        ],
      },
    ));
});

describe('subjectFor', () => {
  it('says area, event and installation', () => {
    const event = { type: 'HostOrderIssued', source: 'preflight/runs/r-1', installation: 'encore-berlin' };
    expect(subjectFor(event)).toBe('lastcall.installer.host-order-issued.encore-berlin');
    expect(subjectFor(event, 'test-1')).toBe('test-1.installer.host-order-issued.encore-berlin');
  });

  it('has a place for an event that only a newer peer knows', () => {
    const event = { type: 'RunPostponed', source: 'scheduler/runs/r-1', installation: '' };
    expect(subjectFor(event)).toBe('lastcall.scheduler.run-postponed._');
  });

  it('gives each event of the table a subject of its own that its filter, and no other, matches', () => {
    const subjects = EVENT_TYPES.map((type) => subjectFor({ type, source: 'x/y/z', installation: 'a.b' }));
    for (const subject of subjects) {
      expect(EVENT_TYPES.filter((type) => matches(subjectFilter(type), subject))).toHaveLength(1);
    }
    expect(new Set(subjects).size).toBe(EVENT_TYPES.length);
  });

  it('is always kept by the stream, whatever the event says; a broadcast never is', () =>
    fc.assert(
      fc.property(text, text, text, text, (type, source, installation, prefix) => {
        const all = subjectOfAllEvents(prefix);
        expect(matches(all, subjectFor({ type, source, installation }, prefix))).toBe(true);
        expect(matches(all, broadcastSubject(installation, prefix))).toBe(false);
      }),
    ));
});
