import type { Contracts, FieldType } from './message-types.js';
import { hostileInteger, hostileNumber, hostileText, plausibleText } from './hostile-values.js';
import type { Random } from './random.js';

/* Messages as they go over the wire: well formed with hostile values, and bytes that are no message at all. */

const MAX_DEPTH = 6;
const MAX_BYTES = 600_000;
/** So often a field is there. */
const PRESENT = 0.55;

export interface MessageGenerator {
  /** Of a message by its full name; `method`: for which method, or event. */
  make(type: string, method: string): Buffer;
}

export function createMessageGenerator({ messages }: Contracts, random: Random): MessageGenerator {
  // Where every value is hostile, the first one is refused and nobody sees the others: mostly one of several is.
  let hostility = 1;
  const text = (field: string, method: string): Buffer =>
    random.chance(hostility) ? hostileText(random, field) : plausibleText(random, field, method);
  const wellFormed = (type: string, depth: number, method: string): Buffer => {
    const parts: Buffer[] = [];
    let bytes = 0;
    for (const field of messages.get(type) ?? []) {
      for (let times = timesOf(field, random); times > 0 && bytes < MAX_BYTES; times--) {
        const values = {
          text: () => text(field.name, method),
          integer: () => (random.chance(hostility) ? hostileInteger(random) : BigInt(random.below(4))),
          nested: () => (depth >= MAX_DEPTH ? Buffer.alloc(0) : wellFormed(field.typeName ?? '', depth + 1, method)),
        };
        const part = fieldBytes(field, random, values);
        parts.push(part);
        bytes += part.length;
      }
    }
    // What only a newer peer knows.
    if (random.chance(0.03)) parts.push(key(random.below(600) + 100, 2), lengthOf(3), random.bytes(3));
    return Buffer.concat(parts);
  };
  return {
    make: (type, method) => {
      hostility = random.pick([0.03, 0.15, 0.15, 1]);
      const good = wellFormed(type, 0, method);
      return random.chance(0.8) ? good : mutateBytes(good, random);
    },
  };
}

function timesOf({ name, label }: FieldType, random: Random): number {
  const isThere = random.chance(/^(name|parent)$/.test(name) ? 0.95 : PRESENT);
  if (!isThere) return 0;
  if (label !== 'LABEL_REPEATED') return random.chance(0.02) ? 2 : 1;
  return random.chance(0.01) ? 1_500 : random.below(4);
}

interface Values {
  readonly text: () => Buffer;
  readonly integer: () => bigint;
  readonly nested: () => Buffer;
}

function fieldBytes(field: FieldType, random: Random, { text, integer, nested }: Values): Buffer {
  const { number, type } = field;
  // Another type than the one that is declared.
  if (random.chance(0.01)) return Buffer.concat([key(number, random.below(8)), random.bytes(random.below(12))]);
  switch (type) {
    case 'TYPE_STRING':
      return withLength(number, text());
    case 'TYPE_BYTES':
      return withLength(number, random.chance(0.5) ? random.bytes(random.below(100)) : text());
    case 'TYPE_MESSAGE':
      return withLength(number, nested());
    case 'TYPE_DOUBLE': {
      const value = Buffer.alloc(8);
      value.writeDoubleLE(hostileNumber(random));
      return Buffer.concat([key(number, 1), value]);
    }
    case 'TYPE_FLOAT': {
      const value = Buffer.alloc(4);
      value.writeFloatLE(hostileNumber(random));
      return Buffer.concat([key(number, 5), value]);
    }
    default:
      return Buffer.concat([key(number, 0), varint(integer())]);
  }
}

/** One thing is wrong, or everything. */
function mutateBytes(good: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(good);
  switch (random.below(6)) {
    case 0:
      return random.bytes(random.below(300));
    case 1:
      return bytes.subarray(0, random.below(bytes.length + 1));
    case 2: // A length that lies.
      return Buffer.concat([bytes, key(1, 2), varint(2n ** BigInt(random.below(63)))]);
    case 3: // Ever deeper.
      return nestedBytes(random.below(5) + 1, random.below(3_000));
    case 4:
      return Buffer.concat([bytes, random.bytes(random.below(20))]);
    default:
      for (let flips = random.below(8) + 1; flips > 0 && bytes.length > 0; flips--) {
        const at = random.below(bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      }
      return bytes;
  }
}

function nestedBytes(number: number, depth: number): Buffer {
  const heads: Buffer[] = [];
  let bytes = 0;
  for (let i = 0; i < depth; i++) {
    const head = Buffer.concat([key(number, 2), lengthOf(bytes)]);
    heads.push(head);
    bytes += head.length;
  }
  return Buffer.concat(heads.toReversed());
}

function withLength(number: number, content: Buffer): Buffer {
  return Buffer.concat([key(number, 2), lengthOf(content.length), content]);
}

function key(number: number, wire: number): Buffer {
  return varint(BigInt(number * 8 + wire));
}

function lengthOf(length: number): Buffer {
  return varint(BigInt(length));
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}
