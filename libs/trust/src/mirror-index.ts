/*
 * What is carried from a catalog to its mirror beside the blobs: the signed metadata as it was served, and which of the releases that it names come
 * along. JSON. Nothing in it is believed: the mirror follows the signatures from the root that it has pinned.
 */

const FORMAT = 'lastcall-mirror-1';
export const MIRROR_INDEX_MAX_BYTES = 64 * 1024 * 1024;
const LIMITS = { files: 20_000, releases: 10_000, roots: 1_024 } as const;
const FILE = /^(\d{1,15}\.)?[a-z0-9-]{1,100}\.json$/;

export interface CarriedRelease {
  readonly product: string;
  readonly version: string;
}

export interface MirrorIndex {
  readonly format: typeof FORMAT;
  /** Metadata by its name, such as `timestamp.json` and `7.snapshot.json`; the text byte for byte. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Releases whose files come along. */
  readonly releases: readonly CarriedRelease[];
}

export function formatMirrorIndex({ metadata, releases }: Omit<MirrorIndex, 'format'>): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, metadata: [...metadata], releases })}\n`);
}

/** Reads one; answers in words what is wrong with it. */
export function parseMirrorIndex(bytes: Uint8Array): MirrorIndex | string {
  if (bytes.byteLength > MIRROR_INDEX_MAX_BYTES) return `has more than ${MIRROR_INDEX_MAX_BYTES} bytes`;
  const { format, metadata, releases } = readFields(bytes);
  if (format !== FORMAT) return `is no mirror index (JSON with "format": "${FORMAT}")`;
  if (!isListOf(metadata, LIMITS.files, isFile)) return `has no list of at most ${LIMITS.files} metadata files`;
  if (!isListOf(releases, LIMITS.releases, isRelease)) return `has no list of at most ${LIMITS.releases} releases`;
  return { format: FORMAT, metadata: new Map(metadata), releases };
}

/** `n.root.json` in ascending order. At most 1,024. */
export function rootsOf(index: Pick<MirrorIndex, 'metadata'>): readonly { version: number; text: string }[] {
  const roots = [...index.metadata].flatMap(([name, text]) => {
    const version = /^(\d+)\.root\.json$/.exec(name)?.[1];
    return version === undefined ? [] : [{ version: Number(version), text }];
  });
  return roots.toSorted((a, b) => a.version - b.version).slice(-LIMITS.roots);
}

function readFields(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {}; // The caller says that it is none.
  }
}

function isListOf<T>(value: unknown, max: number, isOne: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.length <= max && value.every(isOne);
}

function isFile(value: unknown): value is [string, string] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [name, text] = value as unknown[];
  return typeof name === 'string' && FILE.test(name) && typeof text === 'string';
}

function isRelease(value: unknown): value is CarriedRelease {
  const { product, version } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return typeof product === 'string' && typeof version === 'string';
}
