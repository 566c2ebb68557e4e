import fc from 'fast-check';
import { Countdown, nextMark, secondsOf } from './countdown.js';
import type { NoticeView } from './session-words.js';

const notice = (deadlineAt: number | undefined, id = 'n-1'): NoticeView => ({
  id,
  kind: 'logoff',
  text: '',
  link: '',
  version: '',
  deadlineAt,
  startAt: undefined,
});

/** A countdown on a clock that a test moves. */
function onManualClock() {
  let now = 0;
  let offset = 0;
  let due: { readonly at: number; readonly run: () => void } | undefined;
  const told: { readonly seconds: number; readonly at: number; readonly id: string }[] = [];
  const countdown = new Countdown({
    serverNow: () => now + offset,
    tell: (seconds, { id }) => told.push({ seconds, at: now + offset, id }),
    after: (ms, run) => {
      const mine = { at: now + ms, run };
      due = mine;
      return () => {
        if (due === mine) due = undefined;
      };
    },
  });
  return {
    countdown,
    told,
    pending: () => due !== undefined,
    setOffset: (ms: number) => {
      offset = ms;
      countdown.look();
    },
    advance: (ms: number) => {
      const until = now + ms;
      while (due && due.at <= until) {
        now = due.at;
        const { run } = due;
        due = undefined;
        run();
      }
      now = until;
    },
  };
}

describe('a countdown', () => {
  it('tells the beginning, each full minute, and each second of the last', () => {
    const { countdown, told, advance, pending } = onManualClock();
    countdown.follow(notice(200_500));
    advance(300_000);
    const seconds = told.map((t) => t.seconds);
    expect(seconds).toEqual([201, 180, 120, ...Array.from({ length: 61 }, (_, i) => 60 - i)]);
    expect(told.slice(1).every((t) => t.at === 200_500 - t.seconds * 1000)).toBe(true);
    expect(pending()).toBe(false);
  });

  it('stops when the notice is gone, and begins again for another deadline', () => {
    const { countdown, told, advance, pending } = onManualClock();
    countdown.follow(notice(10_000));
    advance(2_000);
    countdown.follow(undefined);
    advance(3_000);
    expect(told.map((t) => t.seconds)).toEqual([10, 9, 8]);
    countdown.follow(notice(65_000, 'n-2'));
    expect(told.at(-1)).toEqual({ seconds: 60, at: 5_000, id: 'n-2' });
    countdown.follow(notice(undefined, 'n-3'));
    expect(pending()).toBe(false);
  });

  it('never goes back when the clock is known better, and leaves out what is past', () => {
    const { countdown, told, advance, setOffset } = onManualClock();
    countdown.follow(notice(10_000));
    advance(3_000);
    setOffset(-2_500);
    advance(1_000);
    expect(told.at(-1)?.seconds).toBe(7);
    setOffset(2_000);
    expect(told.at(-1)?.seconds).toBe(4);
    expect(told.map((t) => t.seconds)).toEqual([10, 9, 8, 7, 4]);
  });

  it('tells 0 at once where the deadline is past', () => {
    const { countdown, told, pending } = onManualClock();
    countdown.follow(notice(-5_000));
    expect(told).toEqual([{ seconds: 0, at: 0, id: 'n-1' }]);
    expect(pending()).toBe(false);
  });

  it('has a next mark below each number, down to 0', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), (seconds) => {
        const next = nextMark(seconds) ?? NaN;
        expect(next).toBeLessThan(seconds);
        expect(next <= 60 || next % 60 === 0).toBe(true);
        expect(seconds - next).toBeLessThanOrEqual(60);
      }),
    );
    expect(nextMark(0)).toBeUndefined();
    expect([1, 999, 1_000, 1_001, -1].map(secondsOf)).toEqual([1, 1, 1, 2, 0]);
  });
});
