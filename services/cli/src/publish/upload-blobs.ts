import { backoffMs } from '@lastcall/kernel';
import { CallError, CODE, type Connection } from '@lastcall/sdk';
import { createReadStream } from 'node:fs';
import type * as http from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { catalogAgent, codeOfStatus, SILENCE_MS, webOf } from './catalog-http.js';
import { inParallel } from './in-parallel.js';

/*
 * Blobs over HTTP, `PUT /blobs/{sha256}`. Several at once; one that fails for a reason that may pass is sent again. A blob
 * that arrived stays, so an interrupted publication goes on where it was.
 */

export interface Blob {
  readonly sha256: string;
  readonly size: number;
  /** A path, or the bytes themselves. */
  readonly source: string | Buffer;
}

const AT_ONCE = 4;
const ATTEMPTS = 5;

export async function uploadBlobs(
  connection: Connection,
  blobs: readonly Blob[],
  sent: (bytes: number) => void,
): Promise<void> {
  const agent = catalogAgent(connection, AT_ONCE);
  try {
    await inParallel(AT_ONCE, blobs, (blob) => uploadWithRepeats(connection, agent, blob, sent));
  } finally {
    agent.destroy();
  }
}

async function uploadWithRepeats(
  connection: Connection,
  agent: http.Agent,
  blob: Blob,
  sent: (bytes: number) => void,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const failure = await upload(connection, agent, blob, sent).catch(unreachable);
    if (!failure) return;
    const mayPass = failure.code === CODE.unavailable || failure.code === CODE.resourceExhausted;
    if (!mayPass || attempt >= ATTEMPTS) throw failure;
    await delay(backoffMs(attempt, Math.random(), 200, 5_000));
  }
}

function unreachable(cause: unknown): CallError {
  const why = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new CallError(
    CODE.unavailable,
    `a blob could not be uploaded: ${why}`,
    { reason: 'UPLOAD_FAILED' },
    { cause },
  );
}

/** Undefined when the blob is there. */
async function upload(
  connection: Connection,
  agent: http.Agent,
  { sha256, size, source }: Blob,
  sent: (bytes: number) => void,
): Promise<CallError | undefined> {
  const headers = { authorization: `Bearer ${connection.credential()}`, 'content-length': size };
  const options = { method: 'PUT', agent, headers, timeout: SILENCE_MS };
  const request = webOf(connection).request(`${connection.catalogUrl}/blobs/${sha256}`, options);
  request.on('timeout', () => request.destroy(new Error('the server was silent for a minute')));
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.on('response', resolve);
    request.on('error', reject);
  });
  const body = typeof source === 'string' ? createReadStream(source) : Readable.from([source]);
  let counted = 0;
  body.on('data', (chunk: Buffer) => {
    counted += chunk.byteLength;
    sent(chunk.byteLength);
  });
  // A server that refuses may answer and close before it has read everything: its answer says more than the broken pipe.
  const written = pipeline(body, request).catch((error: unknown) => error);
  try {
    const failure = await judge(await answered, sha256);
    if (failure) sent(-counted);
    return failure;
  } catch (error) {
    sent(-counted);
    throw (await written) ?? error;
  }
}

async function judge(response: http.IncomingMessage, sha256: string): Promise<CallError | undefined> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return undefined;
  const { reason = '', message = `HTTP ${status}` } = readBody(text);
  return new CallError(codeOfStatus(status), `blob ${sha256}: ${message}`, { reason });
}

function readBody(text: string): { reason?: string; message?: string } {
  try {
    return JSON.parse(text) as { reason?: string; message?: string };
  } catch {
    return {}; // Some proxy's page; the status says enough.
  }
}
