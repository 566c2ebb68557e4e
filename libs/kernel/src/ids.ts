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

/** `prefix-` and 16 random characters (80 bits). */
export function randomId(prefix: string): string {
  return `${prefix}-${base32(randomBytes(10), 16)}`;
}

/** `prefix-` and 16 characters that depend on nothing but the parts. */
export function derivedId(prefix: string, ...parts: readonly (string | number)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest();
  return `${prefix}-${base32(hash, 16)}`;
}

/** A secret for one use: 32 random bytes, base64url. */
export function randomSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** SHA-256 as 64 hexadecimal digits. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
