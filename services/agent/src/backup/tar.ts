import { Header, Parser, Pax, type ReadEntry } from 'tar';

/*
 * The form of an archive: POSIX tar with pax headers, so that a person can open a restore point without us. Only files, folders and symbolic links.
 * Paths are relative, with `/`.
 */

export interface ArchiveEntry {
  readonly kind: 'file' | 'folder' | 'link';
  readonly path: string;
  /** Bytes; 0 for what is no file. */
  readonly size: number;
  /** The nine bits. */
  readonly mode: number;
  readonly modifiedAt: number;
  /** Of a link; empty for others. */
  readonly target: string;
}

const BLOCK_BYTES = 512;
/** Two empty blocks. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK_BYTES);

const TYPES = { file: 'File', folder: 'Directory', link: 'SymbolicLink' } as const;

export function headerOf({ kind, path, size, mode, modifiedAt, target }: ArchiveEntry): Buffer {
  const data = {
    path: kind === 'folder' ? `${path}/` : path,
    ...{ size, mode, type: TYPES[kind], mtime: new Date(modifiedAt) },
    ...(kind === 'link' && { linkpath: target }),
  };
  const header = new Header(data);
  const needsPax = header.encode();
  const block = header.block ?? Buffer.alloc(0);
  return needsPax ? Buffer.concat([new Pax(data).encode(), block]) : block;
}

/** What follows the bytes of a file. */
export function paddingOf(size: number): Buffer {
  return END_OF_ARCHIVE.subarray(0, (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

export type OnEntry = (entry: ArchiveEntry, content: AsyncIterable<Buffer>) => Promise<void>;

/** Hands entry after entry over, in their order; each is waited for. Throws on what is no archive of ours. */
export async function readArchive(pieces: AsyncIterable<Buffer>, onEntry: OnEntry): Promise<void> {
  const reading = new Reading(onEntry);
  try {
    for await (const piece of pieces) await reading.write(piece);
  } catch (error) {
    reading.fail(error);
  }
  await reading.end();
}

/** Entries without bytes come as fast as they are read. */
const MAX_WAITING = 64;

/** One archive on its way through the parser. Whatever happens is told by one bell, on which all that wait look again. */
class Reading {
  readonly #parser = new Parser({ strict: true });
  #bell = Promise.withResolvers<void>();
  #failed: { readonly error: unknown } | undefined;
  #isEnded = false;
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #current: ReadEntry | undefined;

  constructor(onEntry: OnEntry) {
    this.#parser.on('error', (error) => this.fail(error));
    this.#parser.on('end', () => this.#ring(() => (this.#isEnded = true)));
    this.#parser.on('entry', (read: ReadEntry) => {
      this.#current = read;
      this.#waiting += 1;
      this.#turn = this.#turn
        .then(() => this.#handle(read, onEntry))
        .catch((error: unknown) => this.fail(error))
        // What was not consumed would hold everything up.
        .finally(() => {
          read.resume();
          this.#ring(() => (this.#waiting -= 1));
        });
    });
  }

  fail(error: unknown): void {
    this.#ring(() => (this.#failed ??= { error }));
  }

  async write(piece: Buffer): Promise<void> {
    let isDrained = false;
    this.#parser.once('drain', () => this.#ring(() => (isDrained = true)));
    if (this.#parser.write(piece)) isDrained = true;
    // The parser does not say "drain" for an entry of which it has only the header: there is nothing to be drained.
    const isTaken = (): boolean => isDrained || (this.#current?.bufferLength ?? 0) === 0;
    await this.#until(() => isTaken() && this.#waiting < MAX_WAITING);
    if (this.#failed) throw this.#failed.error;
  }

  async end(): Promise<void> {
    if (!this.#failed) this.#parser.end();
    await this.#until(() => this.#isEnded);
    await this.#turn;
    if (this.#failed) throw this.#failed.error;
  }

  async #handle(read: ReadEntry, onEntry: OnEntry): Promise<void> {
    if (!this.#failed) await onEntry(entryOf(read), this.#contentOf(read));
  }

  async *#contentOf(read: ReadEntry): AsyncGenerator<Buffer> {
    let isRead = false;
    read.on('readable', () => this.#ring());
    read.on('end', () => this.#ring(() => (isRead = true)));
    for (;;) {
      if (this.#failed) throw this.#failed.error;
      const piece = read.read();
      if (piece) yield piece;
      else if (isRead) return;
      else await this.#until(() => isRead || read.bufferLength > 0);
    }
  }

  #ring(change: () => unknown = () => undefined): void {
    change();
    this.#bell.resolve();
    this.#bell = Promise.withResolvers<void>();
  }

  /** Or until it has failed. */
  async #until(isSo: () => boolean): Promise<void> {
    while (!this.#failed && !isSo()) await this.#bell.promise;
  }
}

function entryOf(read: ReadEntry): ArchiveEntry {
  const kind = (['file', 'folder', 'link'] as const).find((k) => TYPES[k] === read.type);
  if (!kind) throw new Error(`the archive has an entry of the type ${read.type}`);
  return {
    kind,
    path: read.path.replace(/\/$/, ''),
    size: kind === 'file' ? read.size : 0,
    mode: (read.mode ?? 0o600) & 0o777,
    modifiedAt: read.mtime?.getTime() ?? 0,
    target: read.linkpath ?? '',
  };
}
