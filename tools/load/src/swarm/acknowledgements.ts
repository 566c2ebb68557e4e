/* Acknowledgements of each notice, encoded once for each slot of a connection, and for all slots in one piece. */

interface Encoded {
  readonly bySlot: readonly Buffer[];
  readonly all: Buffer;
}

export class Acknowledgements {
  private readonly encoded = new Map<number, Encoded>();

  constructor(
    private readonly slots: number,
    private readonly encode: (notice: number, slot: number) => Buffer,
  ) {}

  of(notice: number, slot: number): Buffer {
    const found = this.encodedFor(notice).bySlot[slot];
    if (!found) throw new Error(`a connection has ${this.slots} slots, not ${slot + 1}`);
    return found;
  }

  ofAll(notice: number): Buffer {
    return this.encodedFor(notice).all;
  }

  private encodedFor(notice: number): Encoded {
    let encoded = this.encoded.get(notice);
    if (!encoded) {
      const bySlot = Array.from({ length: this.slots }, (_, slot) => this.encode(notice, slot));
      encoded = { bySlot, all: Buffer.concat(bySlot) };
      this.encoded.set(notice, encoded);
    }
    return encoded;
  }
}
