import { encodeFrame, FRAME } from './http2-frames.js';

/* Messages of gRPC in the bytes of a stream: a flag, four bytes of length, the message. */

export const MESSAGE_HEAD_BYTES = 5;

export function encodeMessage(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(MESSAGE_HEAD_BYTES + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, MESSAGE_HEAD_BYTES);
  return framed;
}

export function encodeDataFrame(stream: number, message: Uint8Array): Buffer {
  return encodeFrame(FRAME.data, 0, stream, encodeMessage(message));
}

export function messageLength(bytes: Buffer, start: number, end: number): number {
  if (end - start < MESSAGE_HEAD_BYTES) return 0;
  if (bytes.readUInt8(start) !== 0) throw new Error('compressed messages are not read here');
  return MESSAGE_HEAD_BYTES + bytes.readUInt32BE(start + 1);
}

const LENGTH_DELIMITED = 2;

/**
 * Number of the first field beyond `beyond` in a protobuf message whose fields so far are length delimited, which says what kind of message
 * it is when its fields beyond are a oneof. 0: it has none. Reads tags only.
 */
export function fieldBeyond(beyond: number, bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end) {
    // Fields up to 15 have a tag of one byte; the messages read here have no others.
    const tag = bytes.readUInt8(at++);
    if (tag >= 128 || (tag & 7) !== LENGTH_DELIMITED) throw new Error(`a field with the tag ${tag} is not read here`);
    if (tag >> 3 > beyond) return tag >> 3;
    let length = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = bytes.readUInt8(at++);
      length |= (byte & 127) << shift;
      shift += 7;
    } while (byte >= 128);
    at += length;
  }
  return 0;
}
