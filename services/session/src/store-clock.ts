import type { Clock } from '@lastcall/kernel';

/*
 * The store's clock as it is known here, between its answers too. An answer says what time it was somewhere on its way: in the middle,
 * wrong by half of the way at most. So the answer that was quickest lately is believed, and a slower one, which a busy event loop makes
 * of any, changes nothing. Answers that cannot both be right say that the clock was set, or that this machine slept: the newer one counts.
 */

interface Answer {
  readonly at: number;
  readonly roundTripMs: number;
  /** What has to be added to the local clock. */
  readonly offsetMs: number;
}

/** Clocks run at different speeds: 0.1 ‰ of this is 6 ms. */
const BELIEVED_MS = 60_000;
const DRIFT_MS = 10;

export class StoreClock implements Clock {
  private answers: readonly Answer[] = [];
  private offsetMs = 0;
  private latest = -Infinity;

  /** `local`: a clock that nobody sets. */
  constructor(private readonly local: Clock) {}

  /** Never goes back, unless the store's clock did. */
  now(): number {
    this.latest = Math.max(this.latest, Math.round(this.local.now() + this.offsetMs));
    return this.latest;
  }

  /** The store said `now`, after `before` and not after `after` by the local clock. */
  heard(before: number, now: number, after: number): void {
    const answer = { at: after, roundTripMs: after - before, offsetMs: now - (before + after) / 2 };
    const recent = this.answers.filter(({ at }) => after - at <= BELIEVED_MS);
    const agree = recent.every((other) => canBothBe(answer, other));
    if (!agree) this.latest = -Infinity;
    this.answers = agree ? [...recent, answer] : [answer];
    this.offsetMs = this.answers.reduce((best, other) =>
      other.roundTripMs <= best.roundTripMs ? other : best,
    ).offsetMs;
  }
}

function canBothBe(one: Answer, other: Answer): boolean {
  return Math.abs(one.offsetMs - other.offsetMs) <= (one.roundTripMs + other.roundTripMs) / 2 + DRIFT_MS;
}
