import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import type { Readable } from 'node:stream';

/*
 * Any web space: a folder over HTTP, with ranges and nothing else. Tests make it slow, hold it, change what it answers, and take it away.
 */

export interface WebSpace {
  readonly url: string;
  /** What is served; the vendor puts something new there. */
  folder: string;
  /** `GET /blobs/…` and its range, in order. */
  readonly requests: { readonly path: string; readonly range: string | undefined }[];
  /** Bytes of blobs that were sent. */
  blobBytes: number;
  /** Bytes of each blob after which nothing more is sent until it is set anew; undefined: no limit. */
  holdAfter: number | undefined;
  /** Other bytes for a path; the folder stays as it is. */
  readonly instead: Map<string, Buffer>;
  /** Whoever connects is refused. */
  takeAway(): Promise<void>;
  /** It is there again, at the same address. */
  bringBack(): Promise<void>;
}

const CHUNK = 32 * 1024;

export async function startWebSpace(folder: string): Promise<WebSpace> {
  let server: Server | undefined;
  let port = 0;
  const open = async (): Promise<void> => {
    const next = createServer((request, response) => void serve(space, request, response));
    await new Promise<void>((resolve) => next.listen(port, '127.0.0.1', resolve));
    port = (next.address() as AddressInfo).port;
    server = next;
  };
  const space: WebSpace = {
    get url() {
      return `http://127.0.0.1:${port}/encore`;
    },
    folder,
    requests: [],
    blobBytes: 0,
    holdAfter: undefined,
    instead: new Map(),
    takeAway: async () => {
      const closed = new Promise((resolve) => server?.close(resolve) ?? resolve(undefined));
      server?.closeAllConnections();
      await closed;
      server = undefined;
    },
    bringBack: open,
  };
  await open();
  return space;
}

async function serve(space: WebSpace, request: IncomingMessage, response: ServerResponse) {
  const path = normalize(decodeURIComponent(request.url ?? '')).replace(/^\/encore\//, '');
  space.requests.push({ path, range: request.headers.range });
  const file = join(space.folder, path);
  const other = space.instead.get(path);
  if (!other && (!existsSync(file) || !statSync(file).isFile())) return void response.writeHead(404).end();
  const size = other?.byteLength ?? statSync(file).size;
  const [asked, first = 0, last = size - 1] = /^bytes=(\d+)-(\d+)?$/.exec(request.headers.range ?? '') ?? [];
  const [from, to] = [Number(first), Math.min(Number(last), size - 1)];
  const head = { 'content-length': to - from + 1, 'accept-ranges': 'bytes' };
  if (asked === undefined) response.writeHead(200, head);
  else response.writeHead(206, { ...head, 'content-range': `bytes ${from}-${to}/${size}` });
  if (other) return void response.end(other.subarray(from, to + 1));
  if (size === 0) return void response.end();
  await send(space, path, createReadStream(file, { start: from, end: to, highWaterMark: CHUNK }), from, response);
}

async function send(space: WebSpace, path: string, bytes: Readable, from: number, response: ServerResponse) {
  const isBlob = path.startsWith('blobs/');
  let sent = from;
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    while (isBlob && space.holdAfter !== undefined && sent >= space.holdAfter && !response.destroyed) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (response.destroyed) return;
    response.write(chunk);
    sent += chunk.byteLength;
    if (isBlob) space.blobBytes += chunk.byteLength;
  }
  response.end();
}
