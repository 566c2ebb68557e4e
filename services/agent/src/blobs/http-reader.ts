import type { ByteSource } from './byte-source.js';

/*
 * Answers of HTTP/1.1 (RFC 9112) out of the bytes of a connection: as much as a download needs, within limits. What does not look like an answer is
 * refused, and the connection with it.
 */

export interface Head {
  readonly status: number;
  /** By names in lower case; of several of one name the last. */
  readonly headers: ReadonlyMap<string, string>;
}

export interface Reader {
  head(): Promise<Head>;
  /** Pieces of the body; ends after one piece more than `maxBytes`. Returns whether another answer can follow on this connection. */
  body(head: Head, maxBytes: number): AsyncGenerator<Buffer, boolean>;
}

const MAX_LINE_BYTES = 8 * 1024;
const MAX_LINES = 100;

export function createReader(source: ByteSource): Reader {
  let view: Buffer = Buffer.alloc(0);
  const more = async (): Promise<void> => {
    const next = await source.next();
    if (!next) throw new Error('the connection was closed in the middle of an answer');
    view = next;
  };
  const line = async (): Promise<string> => {
    let text = '';
    for (;;) {
      if (view.byteLength === 0) await more();
      const end = view.indexOf(0x0a);
      text += view.toString('latin1', 0, end === -1 ? view.byteLength : end);
      if (text.length > MAX_LINE_BYTES) throw new Error('the answer is no HTTP: a line is too long');
      view = view.subarray(end === -1 ? view.byteLength : end + 1);
      if (end !== -1) return text.replace(/\r$/, '');
    }
  };
  async function* exactly(bytes: number): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0;) {
      if (view.byteLength === 0) await more();
      const piece = view.subarray(0, left);
      view = view.subarray(piece.byteLength);
      left -= piece.byteLength;
      yield piece;
    }
  }
  async function* inChunks(): AsyncGenerator<Buffer> {
    for (;;) {
      const size = /^([0-9a-f]{1,8})\s*(;|$)/i.exec(await line())?.[1];
      if (size === undefined) throw new Error('the answer is no HTTP: a chunk has no size');
      yield* exactly(parseInt(size, 16));
      if (parseInt(size, 16) === 0) return void (await readLines(line));
      await line();
    }
  }
  async function* toTheEnd(): AsyncGenerator<Buffer> {
    for (let next: Buffer | undefined = view; next; next = await source.next()) if (next.byteLength > 0) yield next;
  }
  return {
    head: async () => {
      for (;;) {
        const status = Number(/^HTTP\/1\.[01] (\d{3})( |$)/.exec(await line())?.[1]);
        if (Number.isNaN(status)) throw new Error('the answer is no HTTP');
        const headers = toHeaders(await readLines(line));
        // 1xx is no answer yet.
        if (status >= 200) return { status, headers };
      }
    },
    body: async function* ({ headers }, maxBytes) {
      const length = headers.get('content-length');
      const isChunked = headers.get('transfer-encoding') !== undefined;
      const pieces = isChunked ? inChunks() : length === undefined ? toTheEnd() : exactly(parseLength(length));
      let bytes = 0;
      for await (const piece of pieces) {
        bytes += piece.byteLength;
        yield piece;
        if (bytes > maxBytes) return false;
      }
      const isKept = isChunked || length !== undefined;
      return isKept && view.byteLength === 0 && !/close/i.test(headers.get('connection') ?? '');
    },
  };
}

async function readLines(line: () => Promise<string>): Promise<string[]> {
  const lines: string[] = [];
  for (let next = await line(); next !== ''; next = await line()) {
    lines.push(next);
    if (lines.length > MAX_LINES) throw new Error('the answer is no HTTP: it has too many headers');
  }
  return lines;
}

function toHeaders(lines: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}

function parseLength(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Error('the answer is no HTTP: its length is no number');
  return Number(text);
}
