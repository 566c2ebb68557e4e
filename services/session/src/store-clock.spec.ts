import { createManualClock } from '@lastcall/kernel';
import fc from 'fast-check';
import { StoreClock } from './store-clock.js';

const T0 = 1_000_000;
/** The store's clock is that much ahead. */
const AHEAD = 5_000;

function started() {
  const local = createManualClock(T0);
  let ahead = AHEAD;
  const clock = new StoreClock(local);
  return {
    clock,
    local,
    set: (byMs: number) => (ahead += byMs),
    /** By how much it is wrong now. */
    wrongBy: () => clock.now() - (local.now() + ahead),
    /** An answer that took so long on its way there and back. */
    answer: (thereMs: number, backMs: number) => {
      const before = local.now();
      local.advance(thereMs);
      const now = local.now() + ahead;
      local.advance(backMs);
      clock.heard(before, now, local.now());
    },
  };
}

it('given an answer that came back late, then it is wrong by half of the way, not by all of it', () => {
  const { answer, wrongBy } = started();
  answer(0, 90);
  expect(wrongBy()).toBe(-45);
});

it('given a quick answer, when slower ones follow within a minute, then they change nothing', () => {
  const { answer, wrongBy, local } = started();
  answer(1, 1);
  for (let i = 0; i < 10; i++) {
    local.advance(5_000);
    answer(0, 200);
    expect(wrongBy()).toBe(0);
  }
});

it('given a slow answer, when a quicker one comes, then that one is believed at once', () => {
  const { answer, wrongBy } = started();
  answer(200, 0);
  answer(2, 2);
  expect(wrongBy()).toBe(0);
});

it('given a quick answer that is a minute old, then the quickest of those since is believed', () => {
  const { answer, wrongBy, local } = started();
  answer(1, 1);
  local.advance(30_000);
  answer(0, 20);
  local.advance(30_000);
  answer(100, 0);
  expect(wrongBy()).toBe(-10);
});

it('given a correction, then time stands still and does not go back', () => {
  const { answer, clock, local } = started();
  answer(100, 0);
  const fast = clock.now();
  answer(0, 0);
  expect(clock.now()).toBe(fast);
  local.advance(51);
  expect(clock.now()).toBe(fast + 1);
});

it.each([-3_600_000, 3_600_000])('given that the store is set by %s ms, then it is followed at once', (byMs) => {
  const { answer, set, wrongBy } = started();
  answer(1, 1);
  set(byMs);
  answer(3, 3);
  expect(wrongBy()).toBe(0);
});

it('is never wrong by more than half of the quickest way of the last minute, and never goes back', () => {
  const delay = fc.integer({ min: 0, max: 500 });
  const step = fc.record({ there: delay, back: delay, pause: fc.integer({ min: 0, max: 5_000 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 50 }), (steps) => {
      const { answer, clock, local, wrongBy } = started();
      const ways: { at: number; ms: number }[] = [];
      let last = 0;
      let correctedAt = 0;
      for (const { there, back, pause } of steps) {
        local.advance(pause);
        answer(there, back);
        ways.push({ at: local.now(), ms: there + back });
        const quickest = Math.min(...ways.filter(({ at }) => local.now() - at <= 60_000).map(({ ms }) => ms));
        const now = clock.now();
        expect(now).toBeGreaterThanOrEqual(last);
        if (now === last) correctedAt = local.now();
        // While it stands still it waits for the time that it was ahead.
        if (local.now() > correctedAt) expect(Math.abs(wrongBy())).toBeLessThanOrEqual(quickest / 2 + 1);
        last = now;
      }
    }),
  );
});
