/*
 * As much of WebSocket (RFC 6455) as a client needs that holds a connection open and counts: the handshake, whole messages in one frame, ping.
 * A client's frames are masked, as they must be; with one key for all, so that a message for everybody is masked once.
 */

export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const FIN = 0x80;
const MASKED = 0x80;
/** Any; the sample of RFC 6455, 5.7. */
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
const NOT_READ = 'fragmented, masked and very large frames are not read here';

export function encodeUpgrade(host: string, path: string, protocol?: string): Buffer {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    // Any sixteen bytes: who checks the answer wants to be sure of the server, and this one was started by us.
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** Bytes of the answer to the upgrade; 0 while it has not come as a whole. Throws when it is another answer than 101. */
export function upgradeAnswerLength(bytes: Buffer, start: number, end: number): number {
  const found = bytes.subarray(start, end).indexOf('\r\n\r\n');
  if (found < 0) return 0;
  const first = bytes.toString('latin1', start, start + 12);
  if (first !== 'HTTP/1.1 101') throw new Error(`the upgrade was answered with ${first}`);
  return found + 4;
}

/** A frame of a client. */
export function encodeMasked(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  if (length > 0xffff) throw new Error(NOT_READ);
  const head = length < 126 ? Buffer.of(FIN | opcode, MASKED | length) : Buffer.alloc(4);
  if (length >= 126) {
    head.writeUInt16BE(((FIN | opcode) << 8) | MASKED | 126);
    head.writeUInt16BE(length, 2);
  }
  const masked = Buffer.from(payload);
  for (let i = 0; i < length; i++) masked.writeUInt8(masked.readUInt8(i) ^ MASK.readUInt8(i & 3), i);
  return Buffer.concat([head, MASK, masked]);
}

/** Of a server's frame, which is not masked. */
export function webSocketFrameLength(bytes: Buffer, start: number, end: number): number {
  if (end - start < 2) return 0;
  const short = bytes.readUInt8(start + 1);
  if ((bytes.readUInt8(start) & FIN) === 0 || short > 126) throw new Error(NOT_READ);
  if (short < 126) return 2 + short;
  return end - start < 4 ? 0 : 4 + bytes.readUInt16BE(start + 2);
}

export const opcodeOf = (bytes: Buffer, start: number): number => bytes.readUInt8(start) & 15;

/** Where the payload of a server's frame begins. */
export const payloadOf = (bytes: Buffer, start: number): number => start + (bytes.readUInt8(start + 1) === 126 ? 4 : 2);
