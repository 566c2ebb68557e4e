import { percentile } from '@lastcall/bench';

/* What has become of each session, in arrays: nothing is made for a message. */

/** Counts how often something came to each session, and when for the first time. */
export class Tally {
  private readonly times: Float64Array;
  private readonly often: Uint16Array;
  private reached = 0;
  private repeats = 0;
  private whole: { readonly promise: Promise<void>; resolve(): void } = Promise.withResolvers<void>();

  constructor(private readonly size: number) {
    this.times = new Float64Array(size);
    this.often = new Uint16Array(size);
  }

  /** How many sessions it came to. */
  get count(): number {
    return this.reached;
  }

  add(session: number, at: number): void {
    const before = this.often[session] ?? 0;
    this.often[session] = before + 1;
    if (before > 0) {
      this.repeats++;
      return;
    }
    this.times[session] = at;
    this.reached++;
    if (this.reached === this.size) this.whole.resolve();
  }

  has(session: number): boolean {
    return (this.often[session] ?? 0) > 0;
  }

  /** Resolves when it has come to every session. */
  all(): Promise<void> {
    return this.whole.promise;
  }

  clear(): void {
    this.times.fill(0);
    this.often.fill(0);
    this.reached = 0;
    this.repeats = 0;
    this.whole = Promise.withResolvers();
  }

  summary(): TallySummary {
    const times = [...this.times].filter((_, session) => this.has(session));
    const at = (percent: number): number => percentile(times, percent);
    return { count: this.reached, repeats: this.repeats, first: at(0), p50: at(50), p99: at(99), last: at(100) };
  }
}

/** Times by the shared clock; 0 when it came to nobody. */
export interface TallySummary {
  /** Sessions that it came to. */
  readonly count: number;
  /** How often it came to one that had it. */
  readonly repeats: number;
  readonly first: number;
  readonly p50: number;
  readonly p99: number;
  readonly last: number;
}
