import { countAll, countSessions } from './counting.js';
import type { Documents } from './documents.js';

/*
 * How many more sessions an installation may have. Counting thousands for every few that come would cost more than they do, so a count
 * stands for a second, and sessions let in here are added to it; near the limit each look counts.
 */

interface Count {
  readonly at: number;
  sessions: number;
}

const STANDS_MS = 1_000;

export class Capacity {
  private readonly counts = new Map<string, Count>();

  constructor(
    private readonly documents: Documents,
    private readonly max: number,
    private readonly now: () => number,
  ) {}

  /** For how many of those who want in there is room. */
  async roomFor(installation: string, wanted: number): Promise<number> {
    const known = this.counts.get(installation);
    const isGood = known && this.now() - known.at < STANDS_MS && known.sessions + 2 * wanted <= this.max;
    const count = isGood ? known : { at: this.now(), sessions: await this.count(installation, wanted) };
    if (count !== known) this.counts.set(installation, count);
    const room = Math.max(0, Math.min(wanted, this.max - count.sessions));
    count.sessions += room;
    return room;
  }

  /** Who came back from a replica that is gone is there twice for a while, which matters where room is short. */
  private async count(installation: string, wanted: number): Promise<number> {
    const documents = await countAll(this.documents, installation);
    return documents + wanted <= this.max ? documents : countSessions(this.documents, installation);
  }
}
