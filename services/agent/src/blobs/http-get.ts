import type { HostTls } from '../host-tls.js';
import { openByteSource, PACE, type ByteSource, type Pace } from './byte-source.js';
import { createReader, type Head, type Reader } from './http-reader.js';

/*
 * Bytes by HTTP/1.1 on connections that are kept. Owns what an answer must be like before anything of it is believed: the status that was
 * asked for, no redirect, no encoding, the range that was asked for, and no more bytes than there can be.
 */

/** Inclusive on both ends. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
  /** Of the whole. */
  readonly of: number;
}

export class HttpStatusError extends Error {
  override readonly name = 'HttpStatusError';
  constructor(
    url: string,
    readonly status: number,
  ) {
    const redirect = status >= 300 && status < 400 ? ', a redirect, which is not followed' : '';
    super(`${new URL(url).pathname} was answered with HTTP ${status}${redirect}`);
  }
}

/** The server answered with something else than it was asked for. */
export class WrongAnswerError extends Error {
  override readonly name = 'WrongAnswerError';
}

export interface ReadOptions {
  /** Empty: none is sent. */
  readonly credential: () => string;
  readonly signal: AbortSignal;
}

export interface Connections {
  /**
   * The bytes of a range, as they come; each piece is good until the next one is asked for. A server that does not know ranges is an answer too
   * when the range begins at 0. Throws when the answer is another one or breaks off; may give more bytes than were asked for: whoever reads counts.
   */
  read(url: string, range: ByteRange, options: ReadOptions): AsyncGenerator<Buffer>;
  close(): void;
}

interface Connection {
  readonly source: ByteSource;
  readonly reader: Reader;
  readonly isFresh: boolean;
}

export function openConnections(pace: Pace = PACE, tls?: HostTls): Connections {
  const idle: Connection[] = [];
  const open = (url: string): Connection => {
    const source = openByteSource(new URL(url), pace, tls);
    return { source, reader: createReader(source), isFresh: true };
  };
  const take = (url: string): Connection => {
    for (let kept = idle.pop(); kept; kept = idle.pop()) if (kept.source.isIdle) return { ...kept, isFresh: false };
    return open(url);
  };
  return {
    read: async function* (url, range, { credential, signal }) {
      const request = requestText(new URL(url), range, credential());
      let connection = take(url);
      const stop = (): void => connection.source.destroy(signal.reason as Error);
      signal.throwIfAborted();
      signal.addEventListener('abort', stop, { once: true });
      let isClean = false;
      try {
        connection.source.send(request);
        const head = await connection.reader.head().catch((error: unknown) => {
          // A server may end a kept connection at any moment, also at this one.
          if (connection.isFresh || signal.aborted) throw error;
          connection = open(url);
          connection.source.send(request);
          return connection.reader.head();
        });
        checkAnswer(head, url, range);
        isClean = yield* connection.reader.body(head, range.end - range.start + 1);
      } finally {
        signal.removeEventListener('abort', stop);
        if (isClean && connection.source.isIdle) idle.push(connection);
        else connection.source.destroy();
      }
    },
    close: () => {
      for (const { source } of idle.splice(0)) source.destroy();
    },
  };
}

/** A whole file is asked for without a range: that is what every cache keeps. */
function requestText(url: URL, { start, end, of }: ByteRange, credential: string): string {
  const isToTheEnd = end === of - 1;
  const range = start === 0 && isToTheEnd ? [] : [`range: bytes=${start}-${isToTheEnd ? '' : end}`];
  const lines = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `host: ${url.host}`,
    ...(credential === '' ? [] : [`authorization: Bearer ${credential}`]),
    'user-agent: lastcall-agent',
    'accept-encoding: identity',
    ...range,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function checkAnswer({ status, headers }: Head, url: string, range: ByteRange): void {
  const isWhole = status === 200 && range.start === 0;
  if (status === 200 && !isWhole) throw new WrongAnswerError('the server does not continue downloads');
  if (status !== 206 && !isWhole) throw new HttpStatusError(url, status);
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity') throw new WrongAnswerError(`the answer is encoded (${encoding.slice(0, 40)})`);
  const said = headers.get('content-range');
  if (status === 206 && said !== undefined && !isAsked(said, range)) {
    throw new WrongAnswerError(`the server sent the range ${said.slice(0, 80)} instead of ${range.start}-${range.end}`);
  }
}

function isAsked(header: string, { start, end, of }: ByteRange): boolean {
  const [, from, to, all] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header) ?? [];
  const isAll = all === '*' || Number(all) === of;
  return Number(from) === start && Number(to) === end && isAll;
}
