import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { invalid, isRejected, reject, RejectedError, type Rejected } from '@lastcall/kernel';
import type { HttpRoute } from '@lastcall/runtime';
import { isBlobName, type BlobStore } from './blobs.js';
import { DISK_FULL } from './files.js';
import type { Packs } from './packs.js';
import { parseRange } from './range.js';
import type { Repository } from './tuf/repository.js';

/*
 * Blobs, packs of them and signed metadata as plain HTTP, so that any mirror or cache can carry them: everything but `timestamp.json` and
 * `root.json` has a name that never stands for anything else. What is not there is 404; a client of TUF looks for the next root that way.
 */

export interface TufParts {
  readonly blobs: BlobStore;
  readonly repository: Repository;
}

const FOR_GOOD = 'private, max-age=31536000, immutable';
const ALWAYS_ASK = 'no-cache';
const INSUFFICIENT_STORAGE = 507;

export function blobRoutes(blobs: BlobStore): readonly HttpRoute[] {
  return [
    {
      method: 'GET',
      path: '/blobs/*',
      handle: (request, response, { rest }) => getBlob(blobs, request, response, rest),
    },
    {
      method: 'PUT',
      path: '/blobs/*',
      handle: (request, response, { rest }) => putBlob(blobs, request, response, rest),
    },
  ];
}

export function packRoutes(packs: Packs): readonly HttpRoute[] {
  return [
    {
      method: 'GET',
      path: '/packs/*',
      handle: (request, response, { rest }) => getPack(packs, request, response, rest),
    },
  ];
}

export function tufRoutes(parts: TufParts): readonly HttpRoute[] {
  return [
    {
      method: 'GET',
      path: '/tuf/*',
      handle: (request, response, { rest }) => getTuf(parts, request, response, rest),
    },
  ];
}

function notFound(what: string): RejectedError {
  return new RejectedError(reject('not-found', 'NOT_FOUND', `there is no ${what}`));
}

async function getBlob(
  blobs: BlobStore,
  request: IncomingMessage,
  response: ServerResponse,
  sha256: string,
): Promise<void> {
  if (!isBlobName(sha256)) throw new RejectedError(badName());
  const size = await blobs.sizeOf(sha256);
  if (size === undefined) throw notFound(`blob ${sha256}`);
  await sendBlob(blobs, request, response, { sha256, size });
}

async function getPack(
  packs: Packs,
  request: IncomingMessage,
  response: ServerResponse,
  treeSha256: string,
): Promise<void> {
  if (!isBlobName(treeSha256)) throw new RejectedError(badName());
  const pack = await packs.find(treeSha256);
  if (!pack) throw notFound(`pack of the tree ${treeSha256}`);
  // The layout is part of the name of these bytes: should it ever change, a cache must not mix two.
  await sendBytes(request, response, { etag: `"pack-${treeSha256}"`, size: pack.totalBytes }, ({ start, end }) =>
    sendPieces(packs.read(pack, start, end), response),
  );
}

/** The next piece is asked for when the one before the last is with the kernel: then its buffer is free. */
async function sendPieces(pieces: AsyncIterable<Buffer>, response: ServerResponse): Promise<void> {
  const gone = new Promise<void>((resolve) => response.once('close', resolve));
  let last: Promise<void> = Promise.resolve();
  for await (const piece of pieces) {
    await Promise.race([last, gone]);
    if (response.destroyed) return;
    last = new Promise((resolve) => response.write(piece, () => resolve()));
  }
  response.end();
}

function badName(): Rejected {
  return invalid([{ field: 'sha256', description: 'must be 64 hexadecimal digits in lower case' }]);
}

interface Sent {
  readonly etag: string;
  readonly size: number;
}

/** Inclusive on both ends. */
interface Span {
  readonly start: number;
  readonly end: number;
}

function sendBlob(
  blobs: BlobStore,
  request: IncomingMessage,
  response: ServerResponse,
  { sha256, size }: { sha256: string; size: number },
): Promise<void> {
  return sendBytes(request, response, { etag: `"${sha256}"`, size }, (span) =>
    pipeThrough(blobs.stream(sha256, span), response),
  );
}

/** Bytes that never change, or the range of them that was asked for. */
async function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  { etag, size }: Sent,
  send: (span: Span) => Promise<void>,
): Promise<void> {
  response.setHeader('etag', etag).setHeader('cache-control', FOR_GOOD).setHeader('accept-ranges', 'bytes');
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304).end();
    return;
  }
  const isForThis = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
  const range = parseRange(isForThis ? request.headers.range : undefined, size);
  response.setHeader('content-type', 'application/octet-stream');
  if (range.kind === 'unsatisfiable') {
    response.writeHead(416, { 'content-range': `bytes */${size}`, 'content-length': 0 }).end();
    return;
  }
  const span = range.kind === 'part' ? range : { start: 0, end: size - 1 };
  if (range.kind === 'part') response.setHeader('content-range', `bytes ${span.start}-${span.end}/${size}`);
  response.writeHead(range.kind === 'part' ? 206 : 200, { 'content-length': span.end - span.start + 1 });
  if (request.method === 'HEAD' || size === 0) response.end();
  else await send(span);
}

async function pipeThrough(bytes: Readable, response: ServerResponse): Promise<void> {
  try {
    await pipeline(bytes, response);
  } catch (error) {
    // The reader went away in the middle; it comes back with a range.
    if ((error as { code?: unknown }).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}

async function putBlob(
  blobs: BlobStore,
  request: IncomingMessage,
  response: ServerResponse,
  sha256: string,
): Promise<void> {
  if (!isBlobName(sha256)) throw new RejectedError(badName());
  try {
    const result = await blobs.put(sha256, request, declaredBytes(request));
    if (isRejected(result)) throw new RejectedError(result);
    // A blob that was there already is not read; what the caller still sends is let through.
    request.resume();
    answer(response, result.kind === 'stored' ? 201 : 200, { sha256, sizeBytes: result.bytes });
  } catch (error) {
    if (!(error instanceof RejectedError) || error.rejected.reason !== DISK_FULL) throw error;
    // The table's status for a limit would say "later"; this one says why.
    response.setHeader('connection', 'close');
    answer(response, INSUFFICIENT_STORAGE, { reason: DISK_FULL, message: error.message });
  }
}

function declaredBytes(request: IncomingMessage): number | undefined {
  const header = request.headers['content-length'];
  return header === undefined ? undefined : Number(header);
}

function answer(response: ServerResponse, status: number, body: object): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.byteLength }).end(bytes);
}

async function getTuf(
  parts: TufParts,
  request: IncomingMessage,
  response: ServerResponse,
  rest: string,
): Promise<void> {
  if (rest.startsWith('targets/')) return getTarget(parts, request, response, rest.slice('targets/'.length));
  const bytes = await parts.repository.metadata(rest);
  if (!bytes) throw notFound(`metadata ${rest.slice(0, 200)}`);
  const isImmutable = /^\d/.test(rest);
  response
    .writeHead(200, {
      'content-type': 'application/json',
      'content-length': bytes.byteLength,
      'cache-control': isImmutable ? FOR_GOOD : ALWAYS_ASK,
    })
    .end(bytes);
}

/** `{product}/{version}/{sha256}.{file}`: only what is signed now. */
async function getTarget(
  { blobs, repository }: TufParts,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  const [, folder = '', sha256 = '', file = ''] = /^([^/]+\/[^/]+)\/([0-9a-f]{64})\.([^/]+)$/.exec(path) ?? [];
  const signed = await repository.target(`${folder}/${file}`);
  const size = signed === undefined || signed !== sha256 ? undefined : await blobs.sizeOf(sha256);
  if (size === undefined) throw notFound(`target ${path.slice(0, 300)}`);
  await sendBlob(blobs, request, response, { sha256, size });
}
