/* The text protocol of NATS, as much of it as subscribers, publishers and counters need. */

const MESSAGE = Buffer.from('MSG ', 'latin1');
const LINE_END = Buffer.from('\r\n', 'latin1');

/** Of the operation of a server: a line, and the payload of a message. */
export function operationLength(bytes: Buffer, start: number, end: number): number {
  const line = lineEnd(bytes, start, end);
  if (line < 0) return 0;
  return isMessage(bytes, start, end) ? line + sizeIn(bytes, line) + 4 - start : line + 2 - start;
}

export function isMessage(bytes: Buffer, start: number, end: number): boolean {
  return (
    end - start >= MESSAGE.length && bytes.compare(MESSAGE, 0, MESSAGE.length, start, start + MESSAGE.length) === 0
  );
}

/** Id of the subscription that a message is for: the third word. */
export function subscriptionOf(bytes: Buffer, start: number): number {
  const at = bytes.indexOf(0x20, start + MESSAGE.length) + 1;
  let id = 0;
  for (let i = at; isDigit(bytes.readUInt8(i)); i++) id = id * 10 + bytes.readUInt8(i) - 0x30;
  return id;
}

/** Where the payload of a message begins. */
export function payloadStart(bytes: Buffer, start: number): number {
  return bytes.indexOf(LINE_END, start) + 2;
}

/** First word of an operation. */
export function wordOf(bytes: Buffer, start: number, end: number): string {
  return /^\S*/.exec(bytes.toString('latin1', start, Math.min(end, start + 8)))?.[0] ?? '';
}

function lineEnd(bytes: Buffer, start: number, end: number): number {
  const found = bytes.indexOf(LINE_END, start);
  return found < 0 || found + 2 > end ? -1 : found;
}

/** The last word of a line that ends at `line`. */
function sizeIn(bytes: Buffer, line: number): number {
  let size = 0;
  let weight = 1;
  for (let i = line - 1; isDigit(bytes.readUInt8(i)); i--) {
    size += (bytes.readUInt8(i) - 0x30) * weight;
    weight *= 10;
  }
  return size;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

export const encodePublish = (subject: string, payload: string): Buffer =>
  Buffer.from(`PUB ${subject} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`, 'utf8');
export const encodeSubscribe = (subject: string, id: number): Buffer =>
  Buffer.from(`SUB ${subject} ${id}\r\n`, 'latin1');
export const encodeConnect = (): Buffer =>
  Buffer.from('CONNECT {"verbose":false,"pedantic":false,"lang":"lean","version":"1","protocol":1}\r\n', 'latin1');
export const PING = Buffer.from('PING\r\n', 'latin1');
export const PONG = Buffer.from('PONG\r\n', 'latin1');
