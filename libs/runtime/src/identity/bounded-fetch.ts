import { Fault } from '@lastcall/kernel';

/*
 * What is read from an address that a setting names and strangers may make us read: bounded in time and size, no redirects, and
 * over TLS unless it is on this machine.
 */

export interface FetchBounds {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

/** https, or plain http to this machine; without credentials, query and fragment. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** The whole answer. Throws a Fault that names the address and says why there is none. */
export async function fetchBounded(url: string, bounds: FetchBounds): Promise<Response> {
  if (!isSafeUrl(url)) throw new Fault(`${url} is not read: it must be an https address`);
  const timeout = AbortSignal.timeout(bounds.timeoutMs);
  const signal = bounds.signal ? AbortSignal.any([timeout, bounds.signal]) : timeout;
  try {
    const response = await fetch(url, { redirect: 'manual', signal, headers: { accept: 'application/json' } });
    const body = await readAtMost(response, bounds.maxBytes);
    if (response.status !== 200) throw new Error(`it answered ${response.status}`);
    return new Response(body, { status: 200, headers: { 'content-type': 'application/json' } });
  } catch (cause) {
    throw new Fault(`${url} cannot be read: ${reasonOf(cause)}`, { cause });
  }
}

async function readAtMost(response: Response, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The platform hides what happened behind "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!(error.cause instanceof Error)) return error.message;
  return error.cause.message || ((error.cause as NodeJS.ErrnoException).code ?? error.message);
}
