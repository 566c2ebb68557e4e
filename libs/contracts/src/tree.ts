import { invalid, type Rejected, type Violation } from '@lastcall/kernel';

/*
 * The tree of an artifact: every file with path, mode, size and hash (design, section 7). Owns which paths a signed tree may
 * hold, so that the same files land on the disk of every host: nothing outside the folder, nothing that Windows or a
 * disk that folds case would open as another file, and no more bytes than were signed. Links, devices and empty
 * folders cannot be written down at all. Refuses everything else, all mistakes at once (the first MAX_VIOLATIONS).
 */

export interface TreeEntry {
  /** Relative, with `/`. */
  readonly path: string;
  /** The lowest nine bits. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** 64 hexadecimal digits: the name of the blob. */
  readonly sha256: string;
}

export interface Tree {
  /** In order of their path (code units). */
  readonly files: readonly TreeEntry[];
  /** Of all files together. */
  readonly totalBytes: number;
}

export interface TreeLimits {
  readonly maxFiles: number;
  readonly maxFileBytes: number;
  readonly maxTotalBytes: number;
}

const GIB = 2 ** 30;
export const TREE_LIMITS: TreeLimits = { maxFiles: 100_000, maxFileBytes: 64 * GIB, maxTotalBytes: 256 * GIB };

/** Bytes of the JSON form; what a reader may be asked to hold at once. */
export const TREE_MAX_BYTES = 64 * 2 ** 20;
const MAX_PATH_BYTES = 1_024;
const MAX_SEGMENT_BYTES = 255;
const MAX_DEPTH = 64;
const MAX_VIOLATIONS = 100;

// Characters that Windows refuses or reads as something else (`:` opens an alternate stream), controls, and marks that hide text.
const FORBIDDEN =
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  /[\u0000-\u001f<>:"|?*\\\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/u;
// Devices of Windows, with any extension; the superscript digits count as digits there.
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³])(\s*\.|\s*$)/i;
const SHA256 = /^[0-9a-f]{64}$/;

function segmentProblem(segment: string): string | undefined {
  if (segment === '') return 'has an empty part (a leading, trailing or double /)';
  if (segment === '.' || segment === '..') return `has the part ${segment}, which leads elsewhere`;
  if (/[. ]$/.test(segment)) return 'has a part that ends in a dot or a space, which Windows drops';
  if (DEVICE.test(segment)) return `has the part ${JSON.stringify(segment)}, which is a device on Windows`;
  if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) return `has a part of more than ${MAX_SEGMENT_BYTES} bytes`;
  return undefined;
}

function pathProblem(path: string): string | undefined {
  const forbidden = FORBIDDEN.exec(path)?.[0];
  if (forbidden !== undefined) {
    const code = forbidden.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
    return `contains the character U+${code}, which is not allowed in a file name`;
  }
  if (path === '') return 'is empty';
  if (path.startsWith('/')) return 'is absolute; it must be relative to the folder of the release';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`;
  if (path !== path.normalize('NFC')) return 'is not in Unicode normal form C, so that it has a twin on other disks';
  const segments = path.split('/');
  if (segments.length > MAX_DEPTH) return `has more than ${MAX_DEPTH} parts`;
  return segments.map(segmentProblem).find((problem) => problem !== undefined);
}

/** What is wrong with one path of a tree. Whether it has a twin among the others is said by `checkTree`. */
export function checkTreePath(field: string, path: string): Violation | undefined {
  const problem = pathProblem(path);
  return problem === undefined ? undefined : { field, description: `is ${quoted(path)} and ${problem}` };
}

function quoted(path: string): string {
  return JSON.stringify(path.slice(0, 200));
}

/** The name under which a disk that ignores case finds it. Upper case first, so that ß and ss are twins, as on APFS. */
function fold(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase();
}

/** Names that would meet on a disk that ignores case: files, folders, and a file where another path has a folder. */
function checkTwins(field: string, files: readonly TreeEntry[]): Violation[] {
  const meets = createTwinSearch(files);
  return files.flatMap(({ path }, i) => {
    const other = meets(i);
    if (other === undefined) return [];
    const description = `is ${quoted(path)} and meets ${quoted(other)} on disks that ignore case`;
    return [{ field: `${field}[${i}].path`, description }];
  });
}

/** Asked for one file after the other, answers which path it meets. Compact, for 100,000 of them: a file is a number, a folder is folded once. */
function createTwinSearch(files: readonly TreeEntry[]): (i: number) => string | undefined {
  const fileAt = new Map<string, number>();
  const folders = new Map<string, string>();
  const looked = new Set<string>(['']);
  const known = (name: string): string | undefined => folders.get(name) ?? files[fileAt.get(name) ?? -1]?.path;
  const meetsAsFolder = (folder: string): string | undefined => {
    if (looked.has(folder)) return undefined;
    const above = meetsAsFolder(folder.slice(0, Math.max(0, folder.lastIndexOf('/'))));
    if (above !== undefined) return above;
    const name = fold(folder);
    const other = known(name);
    if (other !== undefined) return other;
    folders.set(name, folder);
    looked.add(folder);
    return undefined;
  };
  return (i) => {
    const { path = '' } = files[i] ?? {};
    const name = fold(path);
    const other = meetsAsFolder(path.slice(0, Math.max(0, path.lastIndexOf('/')))) ?? known(name);
    if (other === undefined) fileAt.set(name === path ? path : name, i);
    return other;
  };
}

function checkEntry(field: string, file: TreeEntry, limits: TreeLimits): (Violation | undefined)[] {
  const whole = (value: number, max: number): boolean => Number.isInteger(value) && value >= 0 && value <= max;
  return [
    checkTreePath(`${field}.path`, file.path),
    whole(file.mode, 0o777) ? undefined : { field: `${field}.mode`, description: 'must be 0 to 511 (nine bits)' },
    whole(file.size, limits.maxFileBytes)
      ? undefined
      : { field: `${field}.size`, description: `must be 0 to ${limits.maxFileBytes} bytes` },
    SHA256.test(file.sha256)
      ? undefined
      : { field: `${field}.sha256`, description: 'must be 64 hexadecimal digits in lower case' },
  ];
}

/** Checks the files of a tree and puts them in order. `field` names the list in violations. */
export function checkTree(
  files: readonly TreeEntry[],
  field = 'files',
  limits: TreeLimits = TREE_LIMITS,
): Tree | Rejected {
  if (files.length > limits.maxFiles) {
    return invalid([{ field, description: `has ${files.length} files; at most ${limits.maxFiles} are allowed` }]);
  }
  const violations: Violation[] = [];
  for (const [i, file] of files.entries()) {
    if (violations.length >= MAX_VIOLATIONS) break;
    violations.push(...checkEntry(`${field}[${i}]`, file, limits).filter((v) => v !== undefined));
  }
  const totalBytes = files.reduce((sum, file) => sum + file.size, 0);
  // Sums and twins mean something only when each entry is right.
  if (violations.length === 0) violations.push(...checkTwins(field, files));
  if (violations.length === 0 && totalBytes > limits.maxTotalBytes) {
    violations.push({ field, description: `have ${totalBytes} bytes; at most ${limits.maxTotalBytes} are allowed` });
  }
  if (violations.length > 0) return invalid(violations.slice(0, MAX_VIOLATIONS));
  return { files: files.toSorted((a, b) => (a.path < b.path ? -1 : 1)), totalBytes };
}

const KEYS = ['mode', 'path', 'sha256', 'size'];
const NOT_AN_ENTRY = 'must have exactly path, mode, size and sha256: two texts and two numbers';

function toEntry(value: Record<string, unknown>): TreeEntry | undefined {
  const { path, mode, size, sha256 } = value;
  // An unknown key (a link's target, a type) would be something that this reader does not enforce.
  if (Object.keys(value).toSorted().join() !== KEYS.join()) return undefined;
  if (typeof path !== 'string' || typeof sha256 !== 'string') return undefined;
  if (typeof mode !== 'number' || typeof size !== 'number') return undefined;
  return { path, mode, size, sha256 };
}

const HEAD = /\s*\{\s*"files"\s*:\s*\[\s*/y;
const TAIL = /\s*\]\s*\}\s*$/y;
/** An object without others in it, and what follows it. */
const ITEM = /\s*(\{(?:[^"{}[\]]|"(?:[^"\\]|\\.)*")*\})\s*(,(?=\s*\{))?/y;

/** Each object by itself: of 100,000 files neither a second list nor its garbage lies in memory. Undefined: the text is not of that form. */
function* readItems(text: string): Generator<Record<string, unknown> | undefined> {
  const take = (form: RegExp, at: number): RegExpExecArray | null => {
    form.lastIndex = at;
    try {
      return form.exec(text);
    } catch {
      return null; // Millions of characters without an end: more than the runtime's matcher can hold.
    }
  };
  let at = take(HEAD, 0)?.[0].length;
  for (let goesOn = at !== undefined && take(TAIL, at) === null; goesOn;) {
    const item = take(ITEM, at ?? 0);
    if (!item) break;
    at = (at ?? 0) + item[0].length;
    goesOn = item[2] !== undefined;
    yield parseObject(item[1] ?? '');
  }
  if (at === undefined || take(TAIL, at) === null) yield undefined;
}

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return undefined; // No JSON: the caller says so in the words of a tree.
  }
}

/** Reads the JSON form, `{"files":[{"path","mode","size","sha256"}…]}`, strictly: no other key anywhere. */
export function parseTree(text: string | Uint8Array, field = 'files', limits = TREE_LIMITS): Tree | Rejected {
  const bytes = typeof text === 'string' ? Buffer.byteLength(text) : text.byteLength;
  if (bytes > TREE_MAX_BYTES) {
    return invalid([{ field, description: `have ${bytes} bytes of JSON; at most ${TREE_MAX_BYTES} are allowed` }]);
  }
  const files: TreeEntry[] = [];
  const wrong: Violation[] = [];
  let count = 0;
  for (const item of readItems(typeof text === 'string' ? text : Buffer.from(text).toString('utf8'))) {
    if (!item) return invalid([{ field, description: 'are no JSON of the form {"files":[…]}' }]);
    if (++count > limits.maxFiles) {
      return invalid([{ field, description: `has more than the ${limits.maxFiles} files that are allowed` }]);
    }
    const file = toEntry(item);
    if (file) files.push(file);
    else if (wrong.length < MAX_VIOLATIONS) wrong.push({ field: `${field}[${count - 1}]`, description: NOT_AN_ENTRY });
  }
  return wrong.length > 0 ? invalid(wrong) : checkTree(files, field, limits);
}

/** The JSON form, always the same bytes for the same files. */
export function formatTree(tree: Pick<Tree, 'files'>): string {
  const files = tree.files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return JSON.stringify({ files: files.map(({ path, mode, size, sha256 }) => ({ path, mode, size, sha256 })) });
}
