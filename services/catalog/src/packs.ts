import { packedBetween, packOf, TREE_LIMITS, TREE_MAX_BYTES, type Pack, type PackedBlob } from '@lastcall/contracts';
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

/** Hosts of one installation ask for the same one or two trees; a pack of 100,000 blobs is 20 MB of memory. */
const REMEMBERED = 2;
/** So much is read at once, and handed on in one piece. */
const READ_BYTES = 256 * 1024;

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

async function* read(blobs: BlobStore, pack: Pack, start: number, end: number): AsyncGenerator<Buffer> {
  for (const group of inGroups(packedBetween(pack, start, end))) {
    const first = (group[0] as PackedBlob).offset;
    const bytes = Buffer.concat(await Promise.all(group.map((blob) => readWhole(blobs, blob))));
    yield bytes.subarray(Math.max(0, start - first), Math.min(bytes.byteLength, end + 1 - first));
  }
}

function* inGroups(packed: readonly PackedBlob[]): Generator<readonly PackedBlob[]> {
  let group: PackedBlob[] = [];
  let bytes = 0;
  for (const blob of packed) {
    if (bytes > 0 && bytes + blob.size > READ_BYTES) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(blob);
    bytes += blob.size;
  }
  if (group.length > 0) yield group;
}

async function readWhole(blobs: BlobStore, { sha256, size }: PackedBlob): Promise<Buffer> {
  const bytes = await blobs.read(sha256);
  // The answer has begun: it ends too early, and the reader fetches the blob by its name, which says what is wrong.
  if (bytes?.byteLength !== size) throw new Error(`blob ${sha256} of a pack is not here as it was signed`);
  return bytes;
}
