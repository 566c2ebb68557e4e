import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { reject, RejectedError } from '@lastcall/kernel';

/*
 * Files that are either there as a whole or not at all, also after a power cut: written beside their place, flushed, renamed,
 * and the folder flushed.
 */

/** How a file is opened; tests put a device there that is always full. */
export type OpenFile = (path: string, flags: string, mode: number) => Promise<FileHandle>;

export const DISK_FULL = 'DISK_FULL';

/**
 * Says in words that the disk is full; everything else passes as it is. A rejection and no Fault, because the caller has to read it
 * (RESOURCE_EXHAUSTED is what google.rpc calls a full file system).
 */
export function withoutSpace(error: unknown, folder: string): unknown {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  const message = `the disk of the catalog (${folder}) is full; free some space there and repeat`;
  return new RejectedError(reject('too-many', DISK_FULL, message));
}

/** A name beside `path` that nobody else uses. */
export function besides(path: string): string {
  return join(dirname(path), `.${randomBytes(8).toString('hex')}.tmp`);
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Moves a flushed file to its place. */
export async function moveIntoPlace(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await rename(from, to);
  await syncFolder(dirname(to));
}

async function writeBeside(path: string, bytes: Uint8Array, mode: number): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = besides(path);
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return temporary;
  } catch (error) {
    await rm(temporary, { force: true });
    throw withoutSpace(error, dirname(path));
  }
}

/** Writes a file, replacing what is there. */
export async function writeWhole(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
  const temporary = await writeBeside(path, bytes, mode);
  await moveIntoPlace(temporary, path);
}

/** Writes a file unless there is one already; answers what stands there then. The first of several writers wins. */
export async function writeOnce(path: string, bytes: Uint8Array, mode = 0o644): Promise<Buffer> {
  const temporary = await writeBeside(path, bytes, mode);
  try {
    await link(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  return readFile(path);
}

/** The bytes of a file, undefined when there is none. */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}
