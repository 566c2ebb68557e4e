import { sha256Hex } from '@lastcall/kernel';
import { CallError, CODE, type Connection } from '@lastcall/sdk';
import * as http from 'node:http';
import * as https from 'node:https';
import { UsageError } from '../failures.js';

const SILENCE_MS = 60_000;

/** A blob by its hash, checked; of no more bytes than were said. */
export async function downloadBlob(connection: Connection, sha256: string, maxBytes: number): Promise<Buffer> {
  const { catalogUrl, credential, tls } = connection;
  if (catalogUrl === '') {
    throw new UsageError('where blobs come from is unknown: set LASTCALL_CATALOG_URL (http://host:port)');
  }
  const web = catalogUrl.startsWith('https:') ? https : http;
  const headers = { authorization: `Bearer ${credential()}` };
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const request = web.get(`${catalogUrl}/blobs/${sha256}`, { headers, timeout: SILENCE_MS, ...tls }, resolve);
    request.on('timeout', () => request.destroy(new Error('the server was silent for a minute')));
    request.on('error', (cause) => reject(new CallError(CODE.unavailable, `a blob could not be fetched: ${cause.message}`, {}, { cause }))); // prettier-ignore
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) break;
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  if (response.statusCode === 200 && bytes === maxBytes && sha256Hex(body) === sha256) return body;
  throw new CallError(
    CODE.unavailable,
    `blob ${sha256} was answered with HTTP ${response.statusCode} and ${bytes} bytes`,
  );
}
