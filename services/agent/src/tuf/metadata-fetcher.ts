import { backoffMs } from '@lastcall/kernel';
import { refused, TrustRefusal, type FetchFile } from '@lastcall/trust/client';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { messageOf } from '../log.js';

/*
 * How signed metadata comes from the catalog: with this host's credential, bounded in size, time and pace, a few attempts each. Redirections are
 * not followed: the credential is for the catalog only.
 */

export interface HttpOptions {
  /** Empty: none is sent. */
  readonly credential: () => string;
  readonly signal: AbortSignal;
  readonly attempts?: number;
  readonly timeoutMs?: number;
}

export interface Pace {
  /** How often is looked whether enough has arrived. */
  readonly windowMs: number;
  /** Bytes that have to arrive in each window. */
  readonly minBytes: number;
}

const ATTEMPTS = 6;
const TIMEOUT_MS = 30_000;
const DEFAULT_PACE: Pace = { windowMs: 10_000, minBytes: 10_240 };

/** An answer with a body, or the error of the last attempt. A fresh host is not known everywhere at once: 401 may pass. */
export async function get(url: string, options: HttpOptions, headers: Record<string, string> = {}): Promise<Response> {
  const attempts = options.attempts ?? ATTEMPTS;
  for (let attempt = 1; ; attempt++) {
    const last = attempt >= attempts;
    try {
      const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS)]);
      return await request(url, headers, options.credential(), signal);
    } catch (error) {
      if (last || options.signal.aborted || !mayPass(error)) throw error;
    }
    await pause(attempt, options.signal);
  }
}

async function request(
  url: string,
  headers: Record<string, string>,
  credential: string,
  signal: AbortSignal,
): Promise<Response> {
  const authorization = credential === '' ? {} : { authorization: `Bearer ${credential}` };
  const response = await fetch(url, { headers: { ...headers, ...authorization }, signal, redirect: 'manual' });
  if (response.ok) return response;
  await response.body?.cancel();
  throw new DownloadHTTPError(httpText(url, response), response.status);
}

/** The chunks of an answer. */
export function bodyOf(response: Response): AsyncIterable<Uint8Array> {
  return Readable.from((response.body ?? []) as AsyncIterable<Uint8Array>);
}

function mayPass(error: unknown): boolean {
  if (!(error instanceof DownloadHTTPError)) return true;
  return error.statusCode >= 500 || [401, 408, 429].includes(error.statusCode);
}

function pause(attempt: number, signal: AbortSignal): Promise<void> {
  return delay(backoffMs(attempt, 0.5 + Math.random() / 2, 250, 4_000), undefined, { signal });
}

function httpText(url: string, { status, headers }: Response): string {
  const to = headers.get('location');
  const redirected = to === null ? '' : `, a redirection to ${to.slice(0, 200)}, which is not followed`;
  return `${new URL(url).pathname} was answered with HTTP ${status}${redirected}`;
}

export interface MetadataFetcherOptions extends HttpOptions {
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly pace?: Pace;
}

/** Throws a TrustRefusal. */
export function createMetadataFetcher(options: MetadataFetcherOptions): FetchFile {
  return async (path, maxBytes) => {
    const attempts = options.attempts ?? ATTEMPTS;
    for (let attempt = 1; ; attempt++) {
      try {
        return await fetchOnce(path, maxBytes, options);
      } catch (error) {
        if (error instanceof DownloadHTTPError && [403, 404].includes(error.statusCode)) return undefined;
        if (options.signal.aborted) throw error;
        const isFinal = error instanceof TrustRefusal && error.trustCode !== 'CATALOG_TOO_SLOW';
        if (isFinal || attempt >= attempts || !mayPass(error)) throw unreachable(error, options.baseUrl);
      }
      await pause(attempt, options.signal);
    }
  };
}

async function fetchOnce(path: string, maxBytes: number, options: MetadataFetcherOptions): Promise<Buffer> {
  const { baseUrl, signal, credential, pace = DEFAULT_PACE } = options;
  const watch = watchPace(pace, path);
  try {
    const both = AbortSignal.any([signal, watch.signal]);
    const url = `${baseUrl}/${path}`;
    const response = await request(url, { 'accept-encoding': 'identity' }, credential(), both);
    // Part of a file was not asked for.
    if (response.status !== 200) throw new DownloadHTTPError(httpText(url, response), response.status);
    return await readBody(response, path, maxBytes, watch.arrived);
  } catch (error) {
    throw watch.signal.aborted ? watch.signal.reason : error;
  } finally {
    watch.stop();
  }
}

/** Counts what comes out of a compressed answer too: it is never held whole. */
async function readBody(
  response: Response,
  path: string,
  maxBytes: number,
  arrived: (bytes: number) => void,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of bodyOf(response)) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes)
      throw refused('METADATA_TOO_LONG', path, `it is longer than the ${maxBytes} bytes that it may have`);
    chunks.push(chunk);
    arrived(chunk.byteLength);
  }
  return Buffer.concat(chunks);
}

/** Aborts what comes too slowly: a server that drips could hold a host for ever otherwise. */
function watchPace({ windowMs, minBytes }: Pace, path: string) {
  const slow = new AbortController();
  let inWindow = 0;
  const timer = setInterval(() => {
    const why = `${path} comes too slowly from the catalog: ${inWindow} bytes in ${windowMs / 1000} s`;
    if (inWindow < minBytes) slow.abort(refused('CATALOG_TOO_SLOW', '', why));
    inWindow = 0;
  }, windowMs);
  return {
    signal: slow.signal,
    arrived: (bytes: number): void => {
      inWindow += bytes;
    },
    stop: (): void => clearInterval(timer),
  };
}

function unreachable(error: unknown, baseUrl: string): unknown {
  if (error instanceof TrustRefusal) return error;
  const { cause } = error as { cause?: unknown };
  const why = [messageOf(error), ...(cause === undefined ? [] : [messageOf(cause)])].join(': ');
  return refused('CATALOG_NOT_REACHABLE', '', `the catalog at ${baseUrl} cannot be reached: ${why}`, error);
}
