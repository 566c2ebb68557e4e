import { MINUTE_MS } from '@lastcall/kernel';
import fc from 'fast-check';
import { judgeIdle, LOOK_EVERY_MS, type IdleVerdict, type IdleWatch } from './idle-watch.js';

const CLOSES = 60 * MINUTE_MS;

/** Looks one after the other: when, and how many were there. */
function after(looks: readonly (readonly [at: number, sessions: number | undefined])[], idleMinutes = 1): IdleVerdict {
  let watch: IdleWatch | undefined;
  let last: IdleVerdict = { verdict: 'over' };
  for (const [now, sessions] of looks) {
    last = judgeIdle(watch, { now, sessions, idleMinutes, closesAt: CLOSES });
    if (last.verdict !== 'wait') return last;
    ({ watch } = last);
  }
  return last;
}

describe('a job that waits for nobody to be logged in', () => {
  it('is due when nobody was there for so long, and not before', () => {
    const looks = [0, 15_000, 30_000, 45_000].map((at) => [at, 0] as const);
    expect(after(looks)).toMatchObject({
      verdict: 'wait',
      nextAt: MINUTE_MS,
      watch: { idleSince: 0, longestMs: 45_000 },
    });
    expect(after([...looks, [MINUTE_MS - 1, 0]])).toMatchObject({ verdict: 'wait', nextAt: MINUTE_MS });
    expect(after([...looks, [MINUTE_MS, 0]])).toEqual({ verdict: 'due' });
  });
  it.each([
    [
      'somebody comes',
      [
        [0, 0],
        [15_000, 1],
        [30_000, 0],
        [60_000, 0],
      ],
      30_000,
    ],
    [
      'nobody can tell',
      [
        [0, 0],
        [15_000, undefined],
        [30_000, 0],
        [60_000, 0],
      ],
      30_000,
    ],
    [
      'nobody looks for a while',
      [
        [0, 0],
        [50_000, 0],
        [70_000, 0],
      ],
      50_000,
    ],
  ] as const)('begins anew when %s', (_, looks, idleSince) => {
    expect(after(looks)).toMatchObject({ verdict: 'wait', watch: { idleSince } });
  });
  it('is over when the window closes, also when it would be due then', () => {
    expect(after([[CLOSES, 0]])).toEqual({ verdict: 'over' });
    expect(
      after([
        [CLOSES - MINUTE_MS, 0],
        [CLOSES, 0],
      ]),
    ).toEqual({ verdict: 'over' });
    expect(after([[CLOSES - 1, 3]])).toMatchObject({ verdict: 'wait', nextAt: CLOSES });
  });

  it('is never due unless every look of so long a time saw nobody', () => {
    const look = fc.record({
      afterMs: fc.integer({ min: 1, max: 60_000 }),
      sessions: fc.constantFrom(0, 0, 0, 1, undefined),
    });
    fc.assert(
      fc.property(fc.array(look, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (looks, idleMinutes) => {
        let watch: IdleWatch | undefined;
        let now = 0;
        const seen: { at: number; sessions: number | undefined }[] = [];
        for (const { afterMs, sessions } of looks) {
          now += afterMs;
          seen.push({ at: now, sessions });
          const verdict = judgeIdle(watch, { now, sessions, idleMinutes, closesAt: CLOSES });
          if (verdict.verdict === 'over') return expect(now).toBeGreaterThanOrEqual(CLOSES);
          if (verdict.verdict === 'due') return expectIdle(seen, idleMinutes * MINUTE_MS);
          expect(verdict.nextAt).toBeGreaterThan(now);
          ({ watch } = verdict);
        }
        return undefined;
      }),
    );
  });
});

/** Backwards from the last look: nobody, without a gap, for at least so long. */
function expectIdle(seen: readonly { at: number; sessions: number | undefined }[], idleMs: number): void {
  const last = seen.at(-1)?.at ?? 0;
  let since = last;
  for (const { at, sessions } of seen.toReversed()) {
    if (sessions !== 0 || since - at > 3 * LOOK_EVERY_MS) break;
    since = at;
  }
  expect(last - since).toBeGreaterThanOrEqual(idleMs);
}
