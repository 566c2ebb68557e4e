/*
 * As much of HTTP/2 (RFC 9113, RFC 7541) as a client needs that holds streams open and counts: frames, and header blocks of literals,
 * which need no table on either side. What a server says in its headers is not read.
 */

export const FRAME = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const;
/** END_STREAM of DATA and HEADERS, ACK of SETTINGS and PING. */
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
const PADDED = 8;
export const FRAME_HEAD_BYTES = 9;
/** SETTINGS_MAX_FRAME_SIZE of a client that does not ask for more. */
const MAX_PAYLOAD_BYTES = 16_384;

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const SETTING_ENABLE_PUSH = 2;
const SETTING_INITIAL_WINDOW_SIZE = 4;
export const DEFAULT_WINDOW = 65_535;

export function encodeFrame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payload.length);
  frame.writeUIntBE(payload.length, 0, 3);
  frame.writeUInt8(type, 3);
  frame.writeUInt8(flags, 4);
  frame.writeUInt32BE(stream, 5);
  payload.copy(frame, FRAME_HEAD_BYTES);
  return frame;
}

/** What a connection begins with. `window`: bytes that the server may send ahead on each stream, and on all together. */
export function encodePreface(window: number): Buffer {
  const settings = Buffer.alloc(12);
  settings.writeUInt16BE(SETTING_ENABLE_PUSH, 0);
  settings.writeUInt16BE(SETTING_INITIAL_WINDOW_SIZE, 6);
  settings.writeUInt32BE(window, 8);
  return Buffer.concat([PREFACE, encodeFrame(FRAME.settings, 0, 0, settings), encodeWindowUpdate(0, window)]);
}

export function encodeWindowUpdate(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return encodeFrame(FRAME.windowUpdate, 0, stream, payload);
}

/** A header block of literals that are never put into a table. Names in lower case, pseudo headers first. */
export function encodeHeaders(headers: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(
    headers.flatMap(([name, value]) => [Buffer.of(0), ...encodeString(name), ...encodeString(value)]),
  );
}

function encodeString(text: string): Buffer[] {
  const bytes = Buffer.from(text, 'utf8');
  return [Buffer.from(encodeInteger(bytes.length)), bytes];
}

/** With a prefix of seven bits (RFC 7541, 5.1); the eighth says that the string is not Huffman coded. */
function encodeInteger(value: number): number[] {
  const limit = 127;
  if (value < limit) return [value];
  const bytes = [limit];
  let rest = value - limit;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return bytes;
}

export function frameLength(bytes: Buffer, start: number, end: number): number {
  if (end - start < FRAME_HEAD_BYTES) return 0;
  const length = (bytes.readUInt16BE(start) << 8) | bytes.readUInt8(start + 2);
  if (length > MAX_PAYLOAD_BYTES) throw new Error(`a frame of ${length} bytes: the server does not speak HTTP/2`);
  return FRAME_HEAD_BYTES + length;
}

export const typeOf = (bytes: Buffer, start: number): number => bytes.readUInt8(start + 3);
export const flagsOf = (bytes: Buffer, start: number): number => bytes.readUInt8(start + 4);
export const streamOf = (bytes: Buffer, start: number): number => bytes.readUInt32BE(start + 5) & 0x7fff_ffff;

/** Node never pads; a server that does is none of those that are measured here. */
export function refusePadding(bytes: Buffer, start: number): void {
  if ((flagsOf(bytes, start) & PADDED) !== 0) throw new Error('padded frames are not read here');
}
