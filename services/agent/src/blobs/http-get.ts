import { Agent as HttpAgent, get as httpGet, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, get as httpsGet } from 'node:https';

/*
 * Bytes by HTTP on connections that are kept. Owns what an answer must be like before anything of it is believed: the status that was asked
 * for, no redirect, no encoding, the range that was asked for, no more bytes than there can be, and not too slow for good.
 */

export interface Pace {
  /** How long nothing may come before the answer counts as dead; also the span over which bytes are counted. */
  readonly stalledMs: number;
  /** What has to come in such a span at least, only the time being counted in which bytes were waited for. */
  readonly minBytes: number;
}

export const PACE: Pace = { stalledMs: 30_000, minBytes: 30_000 };

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

/** Nothing comes, or next to nothing. */
export class TooSlowError extends Error {
  override readonly name = 'TooSlowError';
}

export interface Connections {
  /**
   * The bytes of a range, as they come. Throws when the answer is another one; a server that does not know ranges is an answer too when
   * the range begins at 0. Ends early when the connection does: whoever reads counts.
   */
  read(url: string, range: ByteRange, options: ReadOptions): AsyncGenerator<Buffer>;
  close(): void;
}

export interface ReadOptions {
  readonly credential: () => string;
  readonly signal: AbortSignal;
}

export function openConnections(count: number, pace: Pace = PACE): Connections {
  const options = { keepAlive: true, maxSockets: count };
  const agents = { http: new HttpAgent(options), https: new HttpsAgent(options) };
  return {
    read: async function* (url, range, { credential, signal }) {
      const response = await open(agents, url, range, credential(), signal, pace);
      try {
        checkAnswer(response, url, range);
        yield* paced(response, range.end - range.start + 1, pace);
      } finally {
        // Read to the end, its connection is free for the next one already.
        if (!response.complete) response.destroy();
      }
    },
    close: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

function open(
  agents: { readonly http: HttpAgent; readonly https: HttpsAgent },
  url: string,
  range: ByteRange,
  credential: string,
  signal: AbortSignal,
  pace: Pace,
): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${credential}`, ...rangeHeader(range) };
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:')
      ? httpsGet(url, { agent: agents.https, headers, signal })
      : httpGet(url, { agent: agents.http, headers, signal });
    const watch = setTimeout(() => request.destroy(new TooSlowError(silent(pace))), pace.stalledMs);
    request.on('response', (response) => {
      clearTimeout(watch);
      resolve(response);
    });
    request.on('error', (error) => {
      clearTimeout(watch);
      reject(error);
    });
  });
}

/** A whole file is asked for without a range: that is what every cache keeps. */
function rangeHeader({ start, end, of }: ByteRange): { range?: string } {
  const isToTheEnd = end === of - 1;
  if (start === 0 && isToTheEnd) return {};
  return { range: `bytes=${start}-${isToTheEnd ? '' : end}` };
}

function silent({ stalledMs }: Pace): string {
  return `nothing arrived for ${stalledMs / 1_000} s`;
}

function checkAnswer(response: IncomingMessage, url: string, range: ByteRange): void {
  const { statusCode = 0, headers } = response;
  const isWhole = statusCode === 200 && range.start === 0;
  if (statusCode === 200 && !isWhole) throw new WrongAnswerError('the server does not continue downloads');
  if (statusCode !== 206 && !isWhole) throw new HttpStatusError(url, statusCode);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw new WrongAnswerError(`the answer is encoded (${encoding.slice(0, 40)})`);
  const said = headers['content-range'];
  if (statusCode === 206 && said !== undefined && !isAsked(said, range)) {
    throw new WrongAnswerError(`the server sent the range ${said.slice(0, 80)} instead of ${range.start}-${range.end}`);
  }
}

function isAsked(header: string, { start, end, of }: ByteRange): boolean {
  const [, from, to, all] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header) ?? [];
  const isAll = all === '*' || Number(all) === of;
  return Number(from) === start && Number(to) === end && isAll;
}

/** Stops after `maxBytes` and one more chunk, whatever else is sent. */
async function* paced(response: IncomingMessage, maxBytes: number, pace: Pace): AsyncGenerator<Buffer> {
  // Time that the reader takes is not the sender's.
  let isWaiting = true;
  const watch = setInterval(() => isWaiting && response.destroy(new TooSlowError(silent(pace))), pace.stalledMs);
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let span = { waitedMs: 0, bytes: 0 };
  let bytes = 0;
  try {
    for (;;) {
      const began = performance.now();
      isWaiting = true;
      watch.refresh();
      const next = await chunks.next();
      if (next.done) return;
      bytes += next.value.byteLength;
      span = countIn(span, performance.now() - began, next.value.byteLength, pace);
      isWaiting = false;
      yield next.value;
      if (bytes > maxBytes) return;
    }
  } finally {
    clearInterval(watch);
  }
}

interface Span {
  readonly waitedMs: number;
  readonly bytes: number;
}

function countIn(span: Span, waitedMs: number, bytes: number, pace: Pace): Span {
  const next = { waitedMs: span.waitedMs + waitedMs, bytes: span.bytes + bytes };
  if (next.waitedMs < pace.stalledMs) return next;
  if (next.bytes >= pace.minBytes) return { waitedMs: 0, bytes: 0 };
  throw new TooSlowError(`only ${next.bytes} bytes arrived in ${Math.round(next.waitedMs / 1_000)} s`);
}
