/*
 * Protobuf by hand, to say on the wire what no encoder says: fields of another type, lengths that lie, numbers that nobody knows.
 */

export const WIRE = { varint: 0, fixed64: 1, bytes: 2, group: 3, endGroup: 4, fixed32: 5, unknown: 7 } as const;

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

export function tag(number: number, wire: number): Buffer {
  return varint(number * 8 + wire);
}

/** A field with a length, which is its own unless told otherwise. */
export function bytesField(number: number, content: string | Uint8Array, length?: number): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([tag(number, WIRE.bytes), varint(length ?? bytes.length), bytes]);
}

export function varintField(number: number, value: number): Buffer {
  return Buffer.concat([tag(number, WIRE.varint), varint(value)]);
}
