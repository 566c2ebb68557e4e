/*
 * Cuts a stream of bytes, which comes in pieces of any size, into the units of a protocol. Copies only what a piece ends in the middle of.
 */

export interface Units {
  /** Bytes of the unit that begins at `start`; 0 while that cannot be said yet. */
  lengthOf(bytes: Buffer, start: number, end: number): number;
  /** One whole unit. The bytes are lent: they are somebody else's when this returns. */
  take(bytes: Buffer, start: number, end: number): void;
}

export class Cutter {
  private rest: Buffer | undefined;

  constructor(private readonly units: Units) {}

  /** Whether it stands between two units. */
  get isClean(): boolean {
    return this.rest === undefined;
  }

  push(piece: Buffer, from: number, to: number): void {
    const { rest } = this;
    const bytes = rest ? Buffer.concat([rest, piece.subarray(from, to)]) : piece;
    const end = rest ? bytes.length : to;
    let at = rest ? 0 : from;
    this.rest = undefined;
    while (at < end) {
      const length = this.units.lengthOf(bytes, at, end);
      if (length === 0 || at + length > end) break;
      this.units.take(bytes, at, at + length);
      at += length;
    }
    // Of a piece that is lent, or of a concatenation that would be kept as a whole.
    if (at < end) this.rest = Buffer.from(bytes.subarray(at, end));
  }
}
