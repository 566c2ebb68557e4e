/*
 * The notices that have come, by number. The same bytes come to thousands of sessions, so they are compared with the last ones, and read only
 * when they are others.
 */

export interface NoticeFacts {
  readonly id: string;
  /** Of the whole message. */
  readonly bytes: number;
  /** By the server's time of day, milliseconds: when it began to tell. Absent: it does not say. */
  readonly serverTime?: number | undefined;
  readonly deadline?: number | undefined;
}

export class Notices {
  private readonly known: NoticeFacts[] = [];
  private last = -1;
  private lastBytes = Buffer.alloc(0);
  private encodings = 0;

  constructor(private readonly read: (bytes: Buffer) => NoticeFacts) {}

  /** The number of the notice in these bytes. */
  numberOf(bytes: Buffer, start: number, end: number): number {
    const { lastBytes } = this;
    if (lastBytes.length === end - start && bytes.compare(lastBytes, 0, lastBytes.length, start, end) === 0) {
      return this.last;
    }
    this.lastBytes = Buffer.from(bytes.subarray(start, end));
    this.encodings++;
    const facts = this.read(this.lastBytes);
    const before = this.known.findIndex(({ id }) => id === facts.id);
    this.last = before < 0 ? this.known.push(facts) - 1 : before;
    return this.last;
  }

  facts(number: number): NoticeFacts | undefined {
    return this.known[number];
  }

  /** How many there are; the next one has this number. */
  get count(): number {
    return this.known.length;
  }

  /** How often other bytes came than just before. One a notice, when it was encoded once for all. */
  get changes(): number {
    return this.encodings;
  }
}
