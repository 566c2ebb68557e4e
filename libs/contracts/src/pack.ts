import type { TreeEntry } from './tree.js';

/*
 * The pack of a tree: its small blobs one after the other, served as `/packs/{sha256 of the tree}` and read by range (design, section 7). Where
 * each blob lies follows from the tree alone, in the order of its files, so there is no index to sign, to store or to transfer. A pack is a
 * shorter way to the same blobs and nothing is believed of it: each blob is still hashed, and whoever has no packs serves `/blobs` alone.
 *
 * The layout is part of the contract: agents and catalogs of any two versions have to come to the same offsets.
 */

/** Blobs up to this size are in the pack. Bytes. */
export const PACKED_MAX_BYTES = 256 * 1024;

export interface PackedBlob {
  readonly sha256: string;
  /** Bytes, at least 1: an empty file needs no transfer. */
  readonly size: number;
  /** Of its first byte in the pack. */
  readonly offset: number;
}

export interface Pack {
  /** Each blob once, without gaps. */
  readonly blobs: readonly PackedBlob[];
  readonly totalBytes: number;
}

/** `files` in the order of the tree, as `parseTree` gives them. */
export function packOf(files: Iterable<Pick<TreeEntry, 'sha256' | 'size'>>): Pack {
  const seen = new Set<string>();
  const blobs: PackedBlob[] = [];
  let offset = 0;
  for (const { sha256, size } of files) {
    if (size === 0 || size > PACKED_MAX_BYTES || seen.has(sha256)) continue;
    seen.add(sha256);
    blobs.push({ sha256, size, offset });
    offset += size;
  }
  return { blobs, totalBytes: offset };
}

/** The blobs of which bytes lie in a range, inclusive on both ends. */
export function packedBetween({ blobs }: Pack, start: number, end: number): readonly PackedBlob[] {
  return blobs.slice(firstEndingAfter(blobs, start), firstEndingAfter(blobs, end) + 1);
}

/** Place of the blob that the byte at `offset` is in. */
function firstEndingAfter(blobs: readonly PackedBlob[], offset: number): number {
  let low = 0;
  let high = blobs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { offset: from, size } = blobs[middle] as PackedBlob;
    if (from + size <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
