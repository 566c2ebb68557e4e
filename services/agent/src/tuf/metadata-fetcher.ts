import { backoffMs } from '@lastcall/kernel';
import { refused, TrustRefusal, type FetchFile } from '@lastcall/trust/client';
import * as http from 'node:http';
import type { IncomingMessage } from 'node:http';
import * as https from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { shownBy, type HostTls } from '../host-tls.js';
import { messageOf } from '../log.js';

/*
 * How signed metadata comes from the catalog: with this host's credential, bounded in size, time and pace, tried again for a while. Redirections are
 * not followed: the credential is for the catalog only. No `fetch`: it cannot show a certificate.
 */

export interface HttpOptions {
  /** Empty: none is sent. */
  readonly credential: () => string;
  /** What the catalog is shown under HTTPS. */
  readonly tls?: HostTls | undefined;
  readonly signal: AbortSignal;
  readonly attempts?: number;
}

export interface Pace {
  /** How often is looked whether enough has arrived. */
  readonly windowMs: number;
  /** Bytes that have to arrive in each window. */
  readonly minBytes: number;
}

/** About half a minute of a catalog that refuses: one that is being replaced must not cost a run. */
const ATTEMPTS = 14;
const DEFAULT_PACE: Pace = { windowMs: 10_000, minBytes: 10_240 };

const KEPT = { keepAlive: true, timeout: 4_000 } as const;
const plain = new http.Agent(KEPT);
/** A session that is resumed would go past an authority or a certificate that was replaced. */
const secure = new https.Agent({ ...KEPT, maxCachedSessions: 0 });

/** An answer with a body that is still to be read. */
async function request(url: string, { credential, tls }: HttpOptions, signal: AbortSignal): Promise<IncomingMessage> {
  const token = credential();
  // What is asked for is hashed as it lies there.
  const headers = { 'accept-encoding': 'identity', ...(token !== '' && { authorization: `Bearer ${token}` }) };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = url.startsWith('https:')
      ? https.get(url, { headers, signal, agent: secure, ...shownBy(tls) }, resolve)
      : http.get(url, { headers, signal, agent: plain }, resolve);
    sent.on('error', reject);
  });
  // Part of a file was not asked for.
  if (response.statusCode === 200) return response;
  response.destroy();
  throw new DownloadHTTPError(httpText(url, response), response.statusCode ?? 0);
}

function mayPass(error: unknown): boolean {
  if (!(error instanceof DownloadHTTPError)) return true;
  return error.statusCode >= 500 || [401, 408, 429].includes(error.statusCode);
}

function pause(attempt: number, signal: AbortSignal): Promise<void> {
  return delay(backoffMs(attempt, 0.5 + Math.random() / 2, 250, 4_000), undefined, { signal });
}

function httpText(url: string, { statusCode, headers: { location } }: IncomingMessage): string {
  const redirected =
    location === undefined ? '' : `, a redirection to ${location.slice(0, 200)}, which is not followed`;
  return `${new URL(url).pathname} was answered with HTTP ${statusCode}${redirected}`;
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
        if (isFinal || attempt >= attempts || !mayPass(error)) throw unreachable(error, options);
      }
      await pause(attempt, options.signal);
    }
  };
}

async function fetchOnce(path: string, maxBytes: number, options: MetadataFetcherOptions): Promise<Buffer> {
  const { baseUrl, signal, pace = DEFAULT_PACE } = options;
  const watch = watchPace(pace, path);
  try {
    const both = AbortSignal.any([signal, watch.signal]);
    const response = await request(`${baseUrl}/${path}`, options, both);
    return await readBody(response, path, maxBytes, watch.arrived);
  } catch (error) {
    throw watch.signal.aborted ? watch.signal.reason : error;
  } finally {
    watch.stop();
  }
}

async function readBody(
  response: IncomingMessage,
  path: string,
  maxBytes: number,
  arrived: (bytes: number) => void,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
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

function unreachable(error: unknown, { baseUrl, tls }: MetadataFetcherOptions): unknown {
  if (error instanceof TrustRefusal) return error;
  const why = error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : messageOf(error);
  const text = `the catalog at ${baseUrl} cannot be reached: ${tls?.explain(why) ?? why}`;
  return refused('CATALOG_NOT_REACHABLE', '', text, error);
}
