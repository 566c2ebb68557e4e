import { packedBetween, packOf, parseTree, TREE_MAX_BYTES, type Pack, type TreeEntry } from '@lastcall/contracts';
import { isRejected, sha256Hex } from '@lastcall/kernel';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, type Log } from '../log.js';
import { StepFailure } from '../step-failure.js';
import { createMetadataFetcher } from '../tuf/metadata-fetcher.js';
import { urlOf, type Address } from './address.js';
import { openServedBlobs, type Flight, type ServedBlobsOptions, type WantedTree } from './served-blobs.js';

/*
 * The blobs of a tree for other hosts of the installation, over plain HTTP: `/trees/{sha256}/blobs/{sha256}` and `/trees/{sha256}/packs/{sha256}`, whole or
 * by range. A tree is fetched from the catalog by its hash, and only what it lists is given or fetched, so nobody can have this host fetch anything
 * else. Nobody is asked who he is: the names are what only signed metadata tells, and what is given is verified by whoever takes it. Serves no metadata.
 */

export interface PeerServer {
  /** Where this host itself reaches it. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface PeerServerOptions extends ServedBlobsOptions {
  readonly address: Address;
  readonly log: Log;
}

const MAX_CONNECTIONS = 256;
const HEADERS_MS = 10_000;
const SILENCE_MS = 60_000;
/** Hosts of one installation ask for the trees of two or three roles. */
const REMEMBERED_TREES = 4;
const READ_BYTES = 256 * 1024;

export async function startPeerServer(options: PeerServerOptions): Promise<PeerServer> {
  const blobs = await openServedBlobs(options);
  const stopping = new AbortController();
  const trees = createTrees(options, stopping.signal);
  const server = createServer({ headersTimeout: HEADERS_MS, keepAliveTimeout: SILENCE_MS }, (request, response) => {
    answer({ blobs, trees }, request, response).catch((error: unknown) => fail(response, error, options.log));
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = SILENCE_MS;
  const { host, port } = options.address;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  const url = ownUrl(server);
  options.log.info('serving blobs to other hosts', { address: url });
  return {
    url,
    stop: async () => {
      stopping.abort(new Error('the agent is stopping'));
      server.closeAllConnections();
      await Promise.all([new Promise((resolve) => server.close(resolve)), blobs.close()]);
    },
  };
}

/** For this host itself: who listens on all addresses answers on the loopback too. */
function ownUrl(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  const isAll = address === '0.0.0.0' || address === '::';
  return urlOf({ host: isAll ? '127.0.0.1' : address, port });
}

interface Parts {
  readonly blobs: Awaited<ReturnType<typeof openServedBlobs>>;
  readonly trees: (sha256: string) => Promise<KnownTree | undefined>;
}

interface KnownTree extends WantedTree {
  readonly entries: ReadonlyMap<string, TreeEntry>;
  readonly pack: Pack;
}

class NotServed extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const PATH = /^\/trees\/([0-9a-f]{64})\/(blobs|packs)\/([0-9a-f]{64})$/;

async function answer(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, treeName = '', kind, name = ''] = PATH.exec(request.url ?? '') ?? [];
  if (request.method !== 'GET') throw new NotServed(405, 'only GET is answered');
  const tree = kind === undefined ? undefined : await parts.trees(treeName);
  if (!tree) throw new NotServed(404, 'there is no such tree');
  if (kind === 'packs' && name === treeName) return sendPack(parts, request, response, tree);
  const entry = kind === 'blobs' ? tree.entries.get(name) : undefined;
  if (!entry) throw new NotServed(404, 'the tree has no such blob');
  await sendBlob(parts, request, response, entry, tree);
}

/** Inclusive on both ends. */
interface Span {
  readonly start: number;
  readonly end: number;
}

async function sendBlob(
  { blobs }: Parts,
  request: IncomingMessage,
  response: ServerResponse,
  entry: TreeEntry,
  tree: KnownTree,
): Promise<void> {
  const span = spanOf(request, entry.size);
  await blobs.want([entry], tree);
  const found = await blobs.find(entry);
  if (found.kind === 'absent') throw new NotServed(404, 'the blob is not here any more');
  const flight = found.kind === 'coming' ? found.flight : landed(found.path);
  // What the catalog does not give is answered before an answer has begun.
  await Promise.race([flight.more(), flight.over]);
  begin(request, response, span, entry.size);
  await send(piecesOf(flight, span), response);
}

/** A blob that is here, as one that has just come. */
function landed(path: string): Flight {
  return { path, more: () => Promise.resolve(), over: Promise.resolve(path) };
}

/** As they come. Throws when the rest does not. */
async function* piecesOf(flight: Flight, { start, end }: Span): AsyncGenerator<Buffer> {
  const { path, over } = flight;
  let handle: FileHandle | undefined;
  let whole: string | undefined;
  try {
    for (let at = start; at <= end;) {
      // Before it is read: nothing that comes meanwhile is missed.
      const next = flight.more();
      handle ??= await open(whole ?? path).catch(() => undefined); // Not begun yet, or over already.
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, end + 1 - at));
      const { bytesRead } = (await handle?.read(buffer, 0, buffer.byteLength, at)) ?? { bytesRead: 0 };
      at += bytesRead;
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
      else if (whole !== undefined) throw new Error('the blob is shorter than its tree says');
      else whole = await Promise.race([over, next.then(() => undefined)]);
      if (bytesRead > 0 || whole === undefined) continue;
      await handle?.close();
      handle = undefined;
    }
  } finally {
    await handle?.close();
  }
}

async function sendPack(
  { blobs }: Parts,
  request: IncomingMessage,
  response: ServerResponse,
  tree: KnownTree,
): Promise<void> {
  const { totalBytes } = tree.pack;
  const span = spanOf(request, totalBytes);
  const packed = packedBetween(tree.pack, span.start, span.end);
  const entries = packed.map(({ sha256 }) => tree.entries.get(sha256) as TreeEntry);
  await blobs.want(entries, tree);
  const wholeOf = async (entry: TreeEntry): Promise<Buffer> => {
    const found = await blobs.find(entry);
    if (found.kind === 'absent') throw new NotServed(404, 'a blob of the pack is not here any more');
    return readFile(found.kind === 'here' ? found.path : await found.flight.over);
  };
  const [first] = entries;
  const firstBytes = first && (await wholeOf(first));
  begin(request, response, span, totalBytes);
  const pieces = async function* (): AsyncGenerator<Buffer> {
    for (const [i, { offset, size }] of packed.entries()) {
      const bytes = i === 0 && firstBytes ? firstBytes : await wholeOf(entries[i] as TreeEntry);
      yield bytes.subarray(Math.max(0, span.start - offset), Math.min(size, span.end + 1 - offset));
    }
  };
  await send(pieces(), response);
}

/** One range, as hosts ask for it; anything else is answered with the whole. */
function spanOf(request: IncomingMessage, size: number): Span {
  const [, from, to] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(from ?? 0);
  const end = to === undefined || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (start > end) throw new NotServed(416, 'there is nothing in this range');
  return { start, end };
}

function begin(request: IncomingMessage, response: ServerResponse, { start, end }: Span, size: number): void {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': end - start + 1 };
  if (request.headers.range === undefined) response.writeHead(200, headers);
  else response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${end}/${size}` });
}

async function send(pieces: AsyncGenerator<Buffer>, response: ServerResponse): Promise<void> {
  await pipeline(Readable.from(pieces, { objectMode: true, highWaterMark: 2 }), response);
}

const DISK_FULL_STATUS = 507;

/** The other host asks the catalog then. */
function fail(response: ServerResponse, error: unknown, log: Log): void {
  const isFull = error instanceof StepFailure && error.failure.reason === 'DISK_FULL';
  const status = error instanceof NotServed ? error.status : isFull ? DISK_FULL_STATUS : 502;
  if (status > 500) log.warn('a blob could not be served', { message: messageOf(error) });
  if (response.headersSent) response.destroy();
  else response.writeHead(status, { 'content-length': 0 }).end();
}

function createTrees(options: PeerServerOptions, signal: AbortSignal): Parts['trees'] {
  const known = new Map<string, Promise<KnownTree | undefined>>();
  return (sha256) => {
    const tree = known.get(sha256) ?? fetchTree(options, sha256, signal);
    known.delete(sha256);
    known.set(sha256, tree);
    const [oldest = ''] = known.keys();
    if (known.size > REMEMBERED_TREES) known.delete(oldest);
    // What was not there may come, and what failed may work.
    const forget = (found?: KnownTree): unknown => found ?? known.delete(sha256);
    tree.then(forget, () => forget());
    return tree;
  };
}

async function fetchTree(
  { catalogUrl, credential, tls, attempts = 2 }: PeerServerOptions,
  sha256: string,
  signal: AbortSignal,
): Promise<KnownTree | undefined> {
  const fetchFile = createMetadataFetcher({ baseUrl: `${catalogUrl()}/blobs`, credential, tls, signal, attempts });
  const bytes = await fetchFile(sha256, TREE_MAX_BYTES);
  if (!bytes || sha256Hex(bytes) !== sha256) return undefined;
  const tree = parseTree(bytes);
  if (isRejected(tree)) return undefined;
  const entries = new Map(tree.files.map((entry) => [entry.sha256, entry]));
  return { sha256, files: tree.files, entries, pack: packOf(tree.files) };
}
