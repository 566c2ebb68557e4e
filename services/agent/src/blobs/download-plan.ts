import { packOf, type PackedBlob, type TreeEntry } from '@lastcall/contracts';

/*
 * What is to be fetched, in which pieces. Large files come by themselves and first, so that nobody waits for the last of them alone; small
 * ones that lie beside each other in the pack of the tree come in one answer.
 */

export type Download =
  { readonly kind: 'blob'; readonly entry: TreeEntry } | { readonly kind: 'run'; readonly run: Run };

/** Neighbours in the pack of a tree. */
export interface Run {
  /** In the order of the pack, without gaps. */
  readonly blobs: readonly PackedBlob[];
}

export interface DownloadPlan {
  readonly downloads: readonly Download[];
  /** Of the whole pack. */
  readonly packBytes: number;
}

/** So much comes in one answer: enough that asking costs little, and little enough that several come at once. */
const RUN_BYTES = 4 * 2 ** 20;

/** `lacking`: each blob once. */
export function planDownloads(files: readonly TreeEntry[], lacking: readonly TreeEntry[]): DownloadPlan {
  const wanted = new Map(lacking.map((entry) => [entry.sha256, entry]));
  const pack = packOf(files);
  const runs = runsOf(pack.blobs.filter(({ sha256 }) => wanted.has(sha256)));
  for (const { blobs } of runs) for (const { sha256 } of blobs) wanted.delete(sha256);
  const single = [...wanted.values()].toSorted((a, b) => b.size - a.size);
  return {
    downloads: [
      ...single.map((entry) => ({ kind: 'blob' as const, entry })),
      ...runs.map((run) => ({ kind: 'run' as const, run })),
    ],
    packBytes: pack.totalBytes,
  };
}

/** Two neighbours are worth a range; one alone has a name of its own. */
function runsOf(packed: readonly PackedBlob[]): Run[] {
  const runs: PackedBlob[][] = [];
  let bytes = 0;
  let end = -1;
  for (const blob of packed) {
    const current = runs.at(-1);
    if (current && blob.offset === end && bytes + blob.size <= RUN_BYTES) current.push(blob);
    else runs.push([blob]);
    bytes = runs.at(-1) === current ? bytes + blob.size : blob.size;
    end = blob.offset + blob.size;
  }
  return runs.filter((run) => run.length > 1).map((blobs) => ({ blobs }));
}
