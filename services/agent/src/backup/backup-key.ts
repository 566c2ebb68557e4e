import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { sha256Hex } from '@lastcall/kernel';
import { StepFailure } from '../step-failure.js';

/*
 * Encryption of restore points: AES-256-GCM over chunks, each with its number as the nonce under a key that is derived for this one archive (HKDF, random
 * salt), so that no nonce ever comes twice. Bound to each chunk are the restore point, its number and whether it is the last: chunks that were exchanged, left out or
 * cut off are refused. The key is in a file of the host and nowhere else; the id that is in the record says which one, and nothing about it.
 */

export interface BackupKey {
  readonly id: string;
  readonly bytes: Buffer;
}

/** How an archive was encrypted, as its record has it. */
export interface Encryption {
  readonly algorithm: 'AES-256-GCM';
  readonly keyId: string;
  /** Hexadecimal. */
  readonly salt: string;
}

export interface ChunkCipher {
  /** In slices: the collector of garbage is late with large buffers. */
  seal(index: number, isLast: boolean, chunk: Buffer): Generator<Buffer>;
  /** Into a buffer of its own, which is used again the second time after. Throws when the chunk is not what was sealed. */
  open(index: number, isLast: boolean, chunk: Buffer): Buffer;
}

const KEY_LINE = /^[0-9a-f]{64}$/i;
export const TAG_BYTES = 16;

/** The keys of a file, one a line as 64 hexadecimal digits: the first seals, all of them open. Throws a StepFailure. */
export async function readBackupKeys(file: string): Promise<readonly BackupKey[]> {
  const text = await readPrivately(file);
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (lines.length === 0 || !lines.every((line) => KEY_LINE.test(line.trim()))) {
    throw unusable(file, 'must have one key a line, 64 hexadecimal digits each; make one with: openssl rand -hex 32');
  }
  return lines.map((line) => {
    const bytes = Buffer.from(line.trim(), 'hex');
    return { id: sha256Hex(`lastcall backup key\n${bytes.toString('hex')}`).slice(0, 16), bytes };
  });
}

async function readPrivately(file: string): Promise<string> {
  let mode: number;
  let text: string;
  try {
    ({ mode } = await stat(file));
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw unusable(file, `cannot be read (${(error as Error).message})`, error);
  }
  // Windows has no such bits.
  if (process.platform === 'win32' || (mode & 0o077) === 0) return text;
  throw unusable(file, `can be read by others (mode ${(mode & 0o777).toString(8)}); set it to 0600`);
}

function unusable(file: string, why: string, cause?: unknown): StepFailure {
  return new StepFailure('BACKUP_KEY_UNUSABLE', `the file of backup keys ${file} ${why}`, { path: file }, { cause });
}

export function newEncryption({ id }: BackupKey): Encryption {
  return { algorithm: 'AES-256-GCM', keyId: id, salt: randomBytes(32).toString('hex') };
}

export function createChunkCipher({ bytes }: BackupKey, { salt }: Encryption, restorePoint: string): ChunkCipher {
  const info = 'lastcall backup archive';
  const key = Buffer.from(hkdfSync('sha256', bytes, Buffer.from(salt, 'hex'), info, 32));
  const boundTo = (index: number, isLast: boolean): Buffer =>
    Buffer.from(`${restorePoint}\n${index}\n${isLast ? 'last' : 'more'}`);
  const plain: Buffer[] = [];
  return {
    *seal(index, isLast, chunk) {
      const cipher = createCipheriv('aes-256-gcm', key, nonceOf(index)).setAAD(boundTo(index, isLast));
      for (const slice of slicesOf(chunk)) yield cipher.update(slice);
      yield Buffer.concat([cipher.final(), cipher.getAuthTag()]);
    },
    open: (index, isLast, chunk) => {
      const end = chunk.length - TAG_BYTES;
      const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(index), { authTagLength: TAG_BYTES });
      decipher.setAAD(boundTo(index, isLast)).setAuthTag(chunk.subarray(end));
      const buffer = (plain[index % BUFFERS] ??= Buffer.allocUnsafeSlow(end));
      let filled = 0;
      for (const slice of slicesOf(chunk.subarray(0, end))) filled += decipher.update(slice).copy(buffer, filled);
      decipher.final();
      return buffer.subarray(0, filled);
    },
  };
}

const BUFFERS = 3;
const SLICE_BYTES = 64 * 1024;

function* slicesOf(chunk: Buffer): Generator<Buffer> {
  for (let at = 0; at < chunk.length; at += SLICE_BYTES) yield chunk.subarray(at, at + SLICE_BYTES);
}

function nonceOf(index: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(index), 4);
  return nonce;
}
