import type { Db } from 'mongodb';

/*
 * The server's clock, asked at most once a second: between two answers the time that passed here is added, measured
 * with the clock that nobody sets. When this machine's wall clock moves otherwise than that one (set by hand, or the
 * machine slept), the server is asked again at once. So replicas agree on leases and due times within a few milliseconds
 * whatever their own clocks say.
 */

const TRUST_MS = 1_000;
const WALL_TOLERANCE_MS = 100;

interface Anchor {
  readonly serverAt: number;
  readonly steadyAt: number;
  readonly wallAt: number;
}

export class ServerClock {
  private anchor: Anchor | undefined;
  private asking: Promise<Anchor> | undefined;

  constructor(private readonly db: Db) {}

  async now(): Promise<number> {
    const anchor = this.trusted() ?? (await this.ask());
    return Math.round(anchor.serverAt + performance.now() - anchor.steadyAt);
  }

  private trusted(): Anchor | undefined {
    if (!this.anchor) return undefined;
    const passedMs = performance.now() - this.anchor.steadyAt;
    const wallPassedMs = Date.now() - this.anchor.wallAt;
    if (passedMs > TRUST_MS || Math.abs(wallPassedMs - passedMs) > WALL_TOLERANCE_MS) return undefined;
    return this.anchor;
  }

  /** Everybody who asks at the same time waits for the same answer. */
  private ask(): Promise<Anchor> {
    this.asking ??= this.measure().finally(() => {
      this.asking = undefined;
    });
    return this.asking;
  }

  private async measure(): Promise<Anchor> {
    const before = performance.now();
    const { localTime } = (await this.db.command({ hello: 1 })) as { localTime: Date };
    const after = performance.now();
    // The server looked at its clock somewhere on the way; halfway is wrong by half the round trip at most.
    this.anchor = { serverAt: localTime.getTime(), steadyAt: (before + after) / 2, wallAt: Date.now() };
    return this.anchor;
  }
}
