import {
  PACKED_MAX_BYTES,
  packedBetween,
  packOf,
  TREE_LIMITS,
  TREE_MAX_BYTES,
  type Pack,
  type PackedBlob,
} from '@lastcall/contracts';
import type { BlobStore } from './blobs.js';

/*
 * Packs: the small blobs of a tree in one answer, put together while it is read (the layout is in the contracts). Nothing is stored, so a
 * pack takes no space and cannot go stale. Every tree that is stored here has one; it holds only what `/blobs` gives to the same caller.
 */

export interface Packs {
  /** Undefined when there is no such tree. */
  find(treeSha256: string): Promise<Pack | undefined>;
  /** The bytes of a range, inclusive on both ends. Breaks off when a blob is not here. */
  read(pack: Pack, start: number, end: number): AsyncGenerator<Buffer>;
}

/** Hosts of one installation ask for the same one or two trees; the offsets of 100,000 blobs are not small. */
const REMEMBERED = 2;
/** So much is read at once, and handed on in one piece: the largest blob. */
const READ_BYTES = PACKED_MAX_BYTES;

export function createPacks(blobs: BlobStore): Packs {
  const remembered = new Map<string, Promise<Pack | undefined>>();
  return {
    find: (treeSha256) => {
      const found = remembered.get(treeSha256) ?? load(blobs, treeSha256);
      remembered.delete(treeSha256);
      remembered.set(treeSha256, found);
      const [oldest = ''] = remembered.keys();
      if (remembered.size > REMEMBERED) remembered.delete(oldest);
      // What was not there may come, and what failed may work.
      const forget = (pack?: Pack): unknown => pack ?? remembered.delete(treeSha256);
      found.then(forget, () => forget());
      return found;
    },
    read: (pack, start, end) => read(blobs, pack, start, end),
  };
}

async function load(blobs: BlobStore, treeSha256: string): Promise<Pack | undefined> {
  const size = await blobs.sizeOf(treeSha256);
  if (size === undefined || size > TREE_MAX_BYTES) return undefined;
  const files = filesOf(await blobs.read(treeSha256));
  return files && packOf(files);
}

type File = Pick<PackedBlob, 'sha256' | 'size'>;

/** What a pack needs of a tree. It was checked as a whole when it was published, and who reads the pack has checked it again. */
function filesOf(text: Buffer | undefined): readonly File[] | undefined {
  try {
    const { files } = JSON.parse(text?.toString('utf8') ?? '') as { readonly files: readonly File[] };
    const isFile = ({ sha256, size }: File): boolean =>
      typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) && Number.isSafeInteger(size) && size >= 0;
    return files.length <= TREE_LIMITS.maxFiles && files.every(isFile) ? files : undefined;
  } catch {
    return undefined; // A blob that is no tree has no pack.
  }
}

/** A part of a blob. */
interface Slice {
  readonly sha256: string;
  readonly from: number;
  readonly bytes: number;
}

function slicesOf(pack: Pack, start: number, end: number): Slice[] {
  return packedBetween(pack, start, end).map(({ sha256, size, offset }) => {
    const from = Math.max(0, start - offset);
    return { sha256, from, bytes: Math.min(size, end + 1 - offset) - from };
  });
}

/**
 * Two buffers take turns: one is filled while the other is on its way. New ones for each piece would keep the collector of garbage busier than the
 * network. The caller asks for the next piece when the one before the last is gone.
 */
async function* read(blobs: BlobStore, pack: Pack, start: number, end: number): AsyncGenerator<Buffer> {
  const buffers = [Buffer.allocUnsafeSlow(READ_BYTES), Buffer.allocUnsafeSlow(READ_BYTES)] as const;
  let turn = 0;
  for (const group of inGroups(slicesOf(pack, start, end))) {
    const buffer = buffers[turn++ % 2] as Buffer;
    let bytes = 0;
    const reads = group.map((slice) => {
      const into = buffer.subarray(bytes, (bytes += slice.bytes));
      return readWhole(blobs, slice, into);
    });
    await Promise.all(reads);
    yield buffer.subarray(0, bytes);
  }
}

function* inGroups(slices: readonly Slice[]): Generator<readonly Slice[]> {
  let group: Slice[] = [];
  let bytes = 0;
  for (const slice of slices) {
    if (bytes + slice.bytes > READ_BYTES) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(slice);
    bytes += slice.bytes;
  }
  if (group.length > 0) yield group;
}

async function readWhole(blobs: BlobStore, { sha256, from }: Slice, into: Buffer): Promise<void> {
  // The answer has begun: it ends too early, and the reader fetches the blob by its name, which says what is wrong.
  if (!(await blobs.readInto(sha256, from, into)))
    throw new Error(`blob ${sha256} of a pack is not here as it was signed`);
}
