/*
 * Those who wait for a gate are let go one after the other, evenly, in the order in which they came: their application's server has to
 * bear them all logging in. One who waits alone goes at once. One timer for all of them.
 */

interface Line {
  readonly waiting: { readonly at: number; readonly go: () => void }[];
  /** When the next one may go. */
  nextAt: number;
}

/** The time of a ramp is for so many. */
const MEASURE = 1_000;

export class Ramp {
  private readonly lines = new Map<string, Line>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly now: () => number) {}

  /** Undefined: go now. Otherwise resolves when it is this one's turn, or when nobody is let go any more. */
  turn(installation: string, rampMs: number): Promise<void> | undefined {
    const now = this.now();
    const line = this.lines.get(installation) ?? { waiting: [], nextAt: 0 };
    const at = Math.max(now, line.nextAt);
    line.nextAt = at + rampMs / MEASURE;
    this.lines.set(installation, line);
    if (at <= now) return undefined;
    return new Promise((resolve) => {
      line.waiting.push({ at, go: resolve });
      this.schedule();
    });
  }

  /** Everybody may look again: the server stops. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const { waiting } of this.lines.values()) for (const { go } of waiting.splice(0)) go();
  }

  private schedule(): void {
    if (this.timer) return;
    const next = Math.min(...[...this.lines.values()].map(({ waiting }) => waiting[0]?.at ?? Infinity));
    if (next === Infinity) return;
    this.timer = setTimeout(() => this.release(), Math.max(1, next - this.now()));
  }

  private release(): void {
    this.timer = undefined;
    const now = this.now();
    for (const [installation, line] of this.lines) {
      const due = line.waiting.findIndex(({ at }) => at > now);
      for (const { go } of line.waiting.splice(0, due < 0 ? line.waiting.length : due)) go();
      if (line.waiting.length === 0 && line.nextAt <= now) this.lines.delete(installation);
    }
    this.schedule();
  }
}
