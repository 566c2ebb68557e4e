import { sessionId } from './session-id.js';

const T0 = 1_800_000_000_000;

it('begins with its time and ends at random', () => {
  const [one, other] = [sessionId(T0), sessionId(T0)];
  expect(one).toMatch(/^s-[a-z2-7]{16}$/);
  expect(other).not.toBe(one);
  expect(other.slice(0, 10)).toBe(one.slice(0, 10));
  expect(sessionId(T0 + 1).slice(0, 10)).not.toBe(one.slice(0, 10));
  // Those of a second share all but the last two characters of the time.
  expect(sessionId(T0 + 500).slice(0, 8)).toBe(one.slice(0, 8));
});
