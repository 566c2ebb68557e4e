import fc from 'fast-check';
import { clockError, clockOffset, learnTime, type ServerClock } from './server-clock.js';

const HOUR = 3_600_000;

/** One client whose clock differs from the server's: what it hears, with delays on the way there and back. */
interface Line {
  readonly aheadMs: number;
  /** Its clock runs faster than the server's by this much. */
  readonly drift: number;
  readonly delays: readonly { readonly there: number; readonly back: number; readonly pauseMs: number }[];
}

/** Client's clock, from the server's. */
const local = (line: Line, serverMs: number): number => (serverMs - HOUR) * (1 + line.drift) + HOUR - line.aheadMs;

function listen(line: Line): { clock: ServerClock | undefined; serverMs: number } {
  let serverMs = HOUR;
  let clock: ServerClock | undefined;
  for (const { there, back, pauseMs } of line.delays) {
    serverMs += pauseMs;
    const askedAt = local(line, serverMs);
    const serverTime = Math.floor(serverMs + there);
    serverMs += there + back;
    clock = learnTime(clock, { serverTime, receivedAt: local(line, serverMs), askedAt });
  }
  return { clock, serverMs };
}

describe('the clock of the server', () => {
  it('is ours as long as nothing is known', () => {
    expect(clockOffset(undefined)).toBe(0);
    expect(clockError(undefined)).toBe(Infinity);
  });

  it('given one message, is at least as far ahead as the message says', () => {
    const clock = learnTime(undefined, { serverTime: HOUR, receivedAt: 100 });
    expect(clock).toEqual({ low: HOUR - 100, high: Infinity, at: 100 });
    expect(clockOffset(clock)).toBe(HOUR - 100);
  });

  it('given a prompt message and a delayed one, keeps the prompt one', () => {
    const prompt = learnTime(undefined, { serverTime: 1_000, receivedAt: 10 });
    const delayed = learnTime(prompt, { serverTime: 2_000, receivedAt: 1_900 });
    expect(clockOffset(delayed)).toBeCloseTo(990, 0);
  });

  it('given an answer over a slow line, takes half of the way off', () => {
    const clock = learnTime(undefined, { serverTime: 1_300, receivedAt: 600, askedAt: 0 });
    expect(clockOffset(clock)).toBeCloseTo(1_000.5, 3);
    expect(clockError(clock)).toBeCloseTo(300.5, 3);
  });

  it('given a clock that was set, or a machine that slept, believes what it hears now', () => {
    const before = learnTime(undefined, { serverTime: 1_000, receivedAt: 0, askedAt: -10 });
    const ahead = learnTime(before, { serverTime: 1_000 + HOUR, receivedAt: 1_000 });
    expect(clockOffset(ahead)).toBe(HOUR);
    const back = learnTime(ahead, { serverTime: 3_000, receivedAt: 2_000, askedAt: 1_990 });
    expect(clockOffset(back)).toBeCloseTo(1_005.5, 3);
  });

  const ms = (max: number) => fc.double({ min: 0, max, noNaN: true });
  const line: fc.Arbitrary<Line> = fc.record({
    aheadMs: fc.constantFrom(-HOUR, 0, HOUR),
    drift: fc.double({ min: -50e-6, max: 50e-6, noNaN: true }),
    delays: fc.array(fc.record({ there: ms(180), back: ms(180), pauseMs: fc.constant(20_000) }), {
      minLength: 1,
      maxLength: 50,
    }),
  });

  it('is known to 200 ms by every client, whatever its clock says and however its messages are delayed', () => {
    fc.assert(
      fc.property(line, (one) => {
        const { clock, serverMs } = listen(one);
        const guessed = local(one, serverMs) + clockOffset(clock);
        expect(Math.abs(guessed - serverMs)).toBeLessThanOrEqual(200);
        expect(Math.abs(guessed - serverMs)).toBeLessThanOrEqual(clockError(clock) + 2);
      }),
      { numRuns: 500 },
    );
  });
});
