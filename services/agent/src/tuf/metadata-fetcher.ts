import { backoffMs } from '@lastcall/kernel';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fetcher } from 'tuf-js';
import { DownloadHTTPError, DownloadLengthMismatchError } from 'tuf-js/dist/error.js';
import { messageOf } from '../log.js';

/*
 * How the updater reaches the catalog: with this host's credential, bounded in time and size, a few attempts each. It remembers whether
 * the catalog could not be reached, because the updater wraps that into the same error as a bad signature.
 */

export interface HttpOptions {
  readonly credential: () => string;
  readonly signal: AbortSignal;
  readonly attempts?: number;
  readonly timeoutMs?: number;
}

const ATTEMPTS = 6;
const TIMEOUT_MS = 30_000;

/** An answer with a body, or the error of the last attempt. A fresh host is not known everywhere at once: 401 may pass. */
export async function get(url: string, options: HttpOptions, headers: Record<string, string> = {}): Promise<Response> {
  const attempts = options.attempts ?? ATTEMPTS;
  for (let attempt = 1; ; attempt++) {
    const last = attempt >= attempts;
    try {
      const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS)]);
      const credential = options.credential();
      // Any web space may serve signed files, and some refuse a credential that they do not know.
      const asWhom = credential === '' ? {} : { authorization: `Bearer ${credential}` };
      const response = await fetch(url, { headers: { ...headers, ...asWhom }, signal, redirect: 'error' });
      if (response.ok) return response;
      await response.body?.cancel();
      if (last || !mayPass(response.status))
        throw new DownloadHTTPError(httpText(url, response.status), response.status);
    } catch (error) {
      if (error instanceof DownloadHTTPError || last || options.signal.aborted) throw error;
    }
    await delay(backoffMs(attempt, 0.5 + Math.random() / 2, 250, 4_000), undefined, { signal: options.signal });
  }
}

/** The chunks of an answer. */
export function bodyOf(response: Response): AsyncIterable<Uint8Array> {
  return Readable.from((response.body ?? []) as AsyncIterable<Uint8Array>);
}

function mayPass(status: number): boolean {
  return status >= 500 || status === 401 || status === 429 || status === 408;
}

function httpText(url: string, status: number): string {
  return `${new URL(url).pathname} was answered with HTTP ${status}`;
}

export class MetadataFetcher implements Fetcher {
  /** Why the catalog could not be reached, when that is what happened last. */
  unreachable: string | undefined;

  constructor(private readonly options: HttpOptions & { readonly scratch: string }) {}

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.body(url, maxLength)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    checkMetadata(bytes);
    return bytes;
  }

  async downloadFile<T>(url: string, maxLength: number, handler: (file: string) => Promise<T>): Promise<T> {
    const dir = await mkdtemp(join(this.options.scratch, 'target-'));
    try {
      const file = join(dir, 'target');
      await pipeline(Readable.from(this.body(url, maxLength)), createWriteStream(file));
      return await handler(file);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  private async *body(url: string, maxLength: number): AsyncGenerator<Buffer> {
    let bytes = 0;
    try {
      const response = await get(url, this.options);
      for await (const chunk of bodyOf(response)) {
        bytes += chunk.byteLength;
        if (bytes > maxLength) break;
        yield Buffer.from(chunk);
      }
    } catch (error) {
      const absent = error instanceof DownloadHTTPError && [403, 404].includes(error.statusCode);
      if (!absent) this.unreachable = messageOf(error);
      throw error;
    }
    if (bytes > maxLength) throw new DownloadLengthMismatchError(`${url} is longer than ${maxLength} bytes`);
  }
}

/** The library compares dates: one that cannot be read never expires for it. So the form is checked before it sees it. */
export function checkMetadata(bytes: Uint8Array): void {
  const { signed } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { signed?: Record<string, unknown> };
  const expires = signed?.['expires'];
  const isInstant = typeof expires === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(expires);
  if (!isInstant || Number.isNaN(Date.parse(expires))) throw new Error('the metadata has no valid "expires"');
  const version = signed?.['version'];
  if (!Number.isSafeInteger(version) || (version as number) < 1) throw new Error('the metadata has no valid "version"');
}
