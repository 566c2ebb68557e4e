import { createHash, randomBytes } from 'node:crypto';

/*
 * Ids are short, lower case and safe in subjects, paths and URLs. An id that must come out the same when a step is
 * repeated after a crash is derived from what it stands for; only the others are random.
 */

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** First `length` characters of the base32 form of `bytes`. */
function base32(bytes: Uint8Array, length: number): string {
  let bits = 0;
  let value = 0;
  let text = '';
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5 && text.length < length) {
      bits -= 5;
      text += ALPHABET[(value >> bits) & 31];
    }
  }
  return text;
}

/** Asking for a few bytes costs as much as asking for many, and a login of thousands asks thousands of times. */
const POOL_BYTES = 4_096;
let pool = Buffer.alloc(0);

/** Each byte is given once. */
function takeRandom(bytes: number): Buffer {
  if (pool.length < bytes) pool = randomBytes(POOL_BYTES);
  const taken = pool.subarray(0, bytes);
  pool = pool.subarray(bytes);
  return taken;
}

/** `prefix-` and 16 random characters (80 bits). */
export function randomId(prefix: string): string {
  return `${prefix}-${base32(takeRandom(10), 16)}`;
}

/** `prefix-` and 16 characters that depend on nothing but the parts. */
export function derivedId(prefix: string, ...parts: readonly (string | number)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest();
  return `${prefix}-${base32(hash, 16)}`;
}

/** A secret for one use: 32 random bytes, base64url. */
export function randomSecret(): string {
  const taken = takeRandom(32);
  const secret = taken.toString('base64url');
  // What is secret does not stay in memory longer than its user wants.
  taken.fill(0);
  return secret;
}

/** SHA-256 as 64 hexadecimal digits. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
