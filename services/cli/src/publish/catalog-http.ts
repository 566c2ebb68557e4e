import { CallError, CODE, type Connection } from '@lastcall/sdk';
import * as http from 'node:http';
import * as https from 'node:https';
import { UsageError } from '../failures.js';

/*
 * The catalog's files over HTTP, with the credential of whoever asks. What fails is a CallError.
 */

/** Of silence, not of a whole transfer. */
export const SILENCE_MS = 60_000;

export function webOf({ catalogUrl }: Connection): typeof http | typeof https {
  return catalogUrl.startsWith('https:') ? https : http;
}

/** Connections to the catalog, so many at once; `destroy` it at the end. */
export function catalogAgent(connection: Connection, atOnce: number): http.Agent {
  if (connection.catalogUrl === '') {
    throw new UsageError('where the catalog’s files are is unknown: set LASTCALL_CATALOG_URL (http://host:port)');
  }
  const { Agent } = webOf(connection);
  return new Agent({ keepAlive: true, maxSockets: atOnce, ...connection.tls?.() });
}

/** A file of the catalog; its body is still to be read. */
export async function getFile(connection: Connection, agent: http.Agent, path: string): Promise<http.IncomingMessage> {
  const { catalogUrl, credential } = connection;
  const headers = { authorization: `Bearer ${credential()}` };
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const sent = webOf(connection).get(`${catalogUrl}/${path}`, { agent, headers, timeout: SILENCE_MS }, resolve);
    sent.on('timeout', () => sent.destroy(new Error('the server was silent for a minute')));
    sent.on('error', (cause) => reject(brokenOff(path, cause)));
  });
  const { statusCode = 0 } = response;
  if (statusCode === 200) return response;
  response.resume();
  throw new CallError(codeOfStatus(statusCode), `${path} was answered with HTTP ${statusCode}`);
}

/** The whole of a small file. */
export async function readFileOf(
  connection: Connection,
  agent: http.Agent,
  path: string,
  maxBytes: number,
): Promise<Buffer> {
  const response = await getFile(connection, agent, path);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes)
        throw new CallError(CODE.dataLoss, `${path} of the catalog is longer than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof CallError ? error : brokenOff(path, error);
  }
  return Buffer.concat(chunks);
}

function brokenOff(path: string, cause: unknown): CallError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CallError(CODE.unavailable, `${path} could not be fetched: ${why}`, {}, { cause });
}

export function codeOfStatus(status: number): number {
  if (status === 401) return CODE.unauthenticated;
  if (status === 403) return CODE.permissionDenied;
  if (status === 404) return CODE.notFound;
  if (status === 429) return CODE.resourceExhausted;
  if (status === 507) return CODE.failedPrecondition;
  return status >= 500 || status === 408 ? CODE.unavailable : CODE.invalidArgument;
}
