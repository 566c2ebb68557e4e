import { Server, ServerCredentials } from '@grpc/grpc-js';
import { sha256Hex } from '@lastcall/kernel';
import { until } from '@lastcall/testkit';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAgent, type Agent } from '../agent.js';
import type { Pace } from '../blobs/byte-source.js';
import { createRateLimit } from '../blobs/rate-limit.js';
import { joinInstallation } from '../join.js';
import { layoutOf, makeFolders } from '../layout.js';
import { createLog } from '../log.js';
import { statFreeBytes } from '../step-failure.js';
import { HOST, startHostEdge, type HostEdge } from '../testing/host-edge.js';
import { sampleRelease } from '../testing/sample-release.js';
import { createStagingHost } from '../testing/staging-host.js';
import { sendRange, startRepository, type TestFile, type TestRepository } from '../testing/tuf-repository.js';
import { startPeerServer, type PeerServer } from './serve.js';

/*
 * One host serves the others: real agents, a real catalog whose bytes are counted, and peers that are dead, that lie, that drip, that break off.
 */

const VERSION = '11.0.0';
const MIB = 2 ** 20;
const small: TestFile[] = Array.from({ length: 60 }, (_, i) => {
  return { path: `small/${i}.bin`, mode: 0o644, bytes: randomBytes(20_000) };
});
const big: TestFile = { path: 'big.bin', mode: 0o644, bytes: randomBytes(3 * MIB) };
const bigSha = sha256Hex(big.bytes);
const release = sampleRelease(VERSION, { files: [big, ...small] });
const releaseBytes = release.files.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
/** For peers by whose slowness nothing comes; a busy machine is slow too. */
const PACE = { stalledMs: 2_000, minBytes: 10_000 };

let root: string;
let repository: TestRepository;
/** Bytes of blobs and packs that the catalog has sent. */
let sent: number;
const servers: HttpServer[] = [];

/** Counts what is sent of blobs; `slowly` is asked before each answer. */
function count(slowly: (request: IncomingMessage) => Promise<void> = async () => undefined): void {
  sent = 0;
  repository.intercept = (request, response) => {
    if (!/^\/(blobs|packs)\//.test(request.url ?? '')) return false;
    const bytes = repository.served.get(request.url ?? '');
    if (!bytes) return false;
    const socket = request.socket;
    const before = socket.bytesWritten;
    response.once('close', () => (sent += socket.bytesWritten - before));
    void slowly(request).then(() => sendRange(request, response, bytes));
    return true;
  };
}

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'lastcall-peer-'));
  repository = await startRepository('encore');
  repository.publish(release);
  count();
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await repository.close();
  rmSync(root, { recursive: true, force: true });
});

const dirOf = (host: string): string => join(root, host);

function expectStaged(host: string): void {
  for (const { path, bytes } of release.files) {
    const found = readFileSync(join(dirOf(host), 'versions', VERSION, path));
    expect([path, found.equals(bytes)]).toEqual([path, true]);
  }
}

describe('three agents, one of which serves', () => {
  const edges: HostEdge[] = [];
  const agents: Agent[] = [];

  async function startAgent(host: string, how: { serve?: string; peer?: string }): Promise<HostEdge> {
    const answer = { host, catalogUrl: repository.url, trustedRoot: repository.root };
    const edge = await startHostEdge({
      server: new Server(),
      credentials: ServerCredentials.createInsecure(),
      join: answer,
    });
    edges.push(edge);
    await joinInstallation({ dataDir: dirOf(host), address: edge.address, token: 't', env: {}, tlsCaFile: '', ...how });
    const agent = await openAgent({
      dataDir: dirOf(host),
      log: createLog(() => undefined),
      antivirus: [],
      heartbeatMs: 200,
    });
    agents.push(agent);
    agent.start();
    return edge;
  }

  afterEach(async () => {
    for (const agent of agents.splice(0)) await agent.stop();
    for (const edge of edges.splice(0)) edge.close();
  });

  it('get a release across the line of the site once, whoever begins', async () => {
    const port = await freePort();
    const ts1 = await startAgent('ts-1', { peer: `http://127.0.0.1:${port}` });
    const srv = await startAgent('srv', { serve: `127.0.0.1:${port}` });
    const ts2 = await startAgent('ts-2', { peer: `http://127.0.0.1:${port}` });
    const stage = { $case: 'stageRelease', value: { product: HOST.product, version: VERSION } } as const;
    const hosts = [
      ['ts-1', ts1],
      ['srv', srv],
      ['ts-2', ts2],
    ] as const;
    const orders = hosts.map(([host, edge]) => [edge, edge.order(stage, { host })] as const);
    for (const [edge, order] of orders) expect((await edge.result(order)).failure).toBeUndefined();
    for (const [host] of hosts) expectStaged(host);
    // Beside the release: the tree for whoever serves it, and the heads of the answers.
    expect(sent).toBeGreaterThan(releaseBytes);
    expect(sent).toBeLessThan(releaseBytes * 1.05);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function fakePeer(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a peer that is no help', () => {
  let asked: IncomingMessage[];
  beforeEach(() => {
    asked = [];
  });

  async function stageWith(listener: RequestListener | undefined, pace?: Pace): Promise<void> {
    const peerUrl = listener
      ? await fakePeer((request, response) => {
          asked.push(request);
          listener(request, response);
        })
      : `http://127.0.0.1:${await freePort()}`;
    const host = await createStagingHost(dirOf('ts-1'), repository, { peerUrl, ...(pace && { pace }) });
    await host.stage(VERSION);
    expectStaged('ts-1');
  }

  it.each<[string, RequestListener | undefined, number]>([
    ['is dead', undefined, 0],
    ['has nothing', (_, response) => response.writeHead(404).end(), 10],
    ['fails', (_, response) => response.writeHead(500).end(), 10],
    ['lies', (request, response) => sendRange(request, response, Buffer.alloc(5 * MIB, 'lie')), 10],
    ['redirects', (_, response) => response.writeHead(302, { location: repository.url }).end(), 10],
    ['talks no HTTP', (request) => request.socket.end('hello\r\n\r\n'), 10],
    ['never answers', () => undefined, 10],
    ['ends at once', (request) => request.socket.destroy(), 10],
    [
      'never ends',
      (_, response) => {
        response.writeHead(200, { 'content-length': 9 * MIB });
        const timer = setInterval(() => response.write('.'), 50);
        response.once('close', () => clearInterval(timer));
      },
      10,
    ],
  ])('%s: the catalog gives everything, and the peer is left alone soon', async (name, listener, most) => {
    await stageWith(listener, name.startsWith('never') ? PACE : undefined);
    expect(sent).toBeGreaterThan(releaseBytes);
    expect(asked.length).toBeLessThanOrEqual(most);
    // It is another program on another machine: no credential of the catalog is for it.
    expect(asked.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
  });

  it('breaks off in the middle: the catalog gives the rest', async () => {
    await stageWith((request, response) => {
      if (!request.url?.endsWith(bigSha)) return void response.writeHead(404).end();
      response.writeHead(200, { 'content-length': big.bytes.byteLength });
      response.write(big.bytes.subarray(0, 2 * MIB), () => response.destroy());
    });
    expect(sent).toBeLessThan(releaseBytes - MIB);
  });
});

describe('a host that serves', () => {
  let server: PeerServer | undefined;
  const layout = () => layoutOf(dirOf('srv'));
  const { treeSha256, path } = { treeSha256: () => treeOf(), path: (name: string) => `/trees/${treeOf()}/${name}` };

  function treeOf(): string {
    const found = [...repository.served.keys()].find((name) => name.startsWith('/packs/')) ?? '';
    return found.slice('/packs/'.length);
  }

  async function serve(more: { maxBytes?: number; freeBytes?: () => number } = {}): Promise<string> {
    makeFolders(layout());
    server = await startPeerServer({
      ...{ layout: layout(), maxBytes: 100 * MIB, freeBytes: statFreeBytes, attempts: 1, ...more },
      ...{
        catalogUrl: () => repository.url,
        credential: () => 'eyJ',
        limit: async () => createRateLimit(() => Infinity),
      },
      ...{ address: { host: '127.0.0.1', port: 0 }, log: createLog(() => undefined) },
    });
    return server.url;
  }
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  const get = (url: string, headers: Record<string, string> = {}) => fetch(url, { headers });
  const body = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

  it('gives what the tree lists, whole and by range, and fetches it once', async () => {
    const url = await serve();
    const blob = `${url}${path(`blobs/${bigSha}`)}`;
    const [whole, part] = await Promise.all([get(blob).then(body), get(blob, { range: 'bytes=1000-1999' }).then(body)]);
    expect(whole.equals(big.bytes)).toBe(true);
    expect(part.equals(big.bytes.subarray(1_000, 2_000))).toBe(true);
    const rest = await get(blob, { range: `bytes=${big.bytes.byteLength - 5}-` });
    expect([rest.status, rest.headers.get('content-range')]).toEqual([206, `bytes 3145723-3145727/3145728`]);
    const pack = repository.served.get(`/packs/${treeSha256()}`) ?? Buffer.alloc(0);
    const piece = await get(`${url}${path(`packs/${treeSha256()}`)}`, { range: 'bytes=30000-99999' }).then(body);
    expect(piece.equals(pack.subarray(30_000, 100_000))).toBe(true);
    expect(repository.requests.filter((name) => name === `/blobs/${bigSha}`)).toHaveLength(1);
  });

  it('passes a large blob on while it is still coming', async () => {
    const url = await serve();
    const rest = Promise.withResolvers<void>();
    repository.intercept = (request, response) => {
      if (request.url !== `/blobs/${bigSha}`) return false;
      response.writeHead(200, { 'content-length': big.bytes.byteLength });
      response.write(big.bytes.subarray(0, MIB));
      void rest.promise.then(() => response.end(big.bytes.subarray(MIB)));
      return true;
    };
    const response = await get(`${url}${path(`blobs/${bigSha}`)}`);
    const chunks: Buffer[] = [];
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      chunks.push(Buffer.from(chunk));
      if (Buffer.concat(chunks).byteLength >= MIB) rest.resolve();
    }
    expect(Buffer.concat(chunks).equals(big.bytes)).toBe(true);
  });

  it('gives what it has itself without asking the catalog', async () => {
    const host = await createStagingHost(dirOf('srv'), repository);
    await host.stage(VERSION);
    const url = await serve();
    count();
    expect((await get(`${url}${path(`blobs/${bigSha}`)}`).then(body)).equals(big.bytes)).toBe(true);
    // The tree only.
    expect(sent).toBeLessThan(50_000);
  });

  it.each<[string, number, (url: string) => Promise<Response>]>([
    ['a tree that the catalog does not have', 404, (url) => get(`${url}/trees/${'ab'.repeat(32)}/blobs/${bigSha}`)],
    ['a blob that the tree does not list', 404, (url) => get(`${url}${path(`blobs/${'cd'.repeat(32)}`)}`)],
    ['the pack of another tree', 404, (url) => get(`${url}${path(`packs/${bigSha}`)}`)],
    ['a blob that is no tree', 404, (url) => get(`${url}/trees/${bigSha}/blobs/${bigSha}`)],
    ['metadata', 404, (url) => get(`${url}/tuf/timestamp.json`)],
    ['a list', 404, (url) => get(`${url}/trees/${treeOf()}/`)],
    ['what lies beside', 404, (url) => get(`${url}/trees/${treeOf()}/blobs/..%2f..%2fidentity.pem`)],
    ['an upload', 405, (url) => fetch(`${url}${path(`blobs/${bigSha}`)}`, { method: 'PUT', body: 'x' })],
    ['a range beyond the end', 416, (url) => get(`${url}${path(`blobs/${bigSha}`)}`, { range: 'bytes=9999999-' })],
  ])('does not give %s', async (_, status, ask) => {
    expect((await ask(await serve())).status).toBe(status);
  });

  it('says that the catalog does not give it', async () => {
    const url = await serve();
    repository.served.delete(`/blobs/${bigSha}`);
    expect((await get(`${url}${path(`blobs/${bigSha}`)}`)).status).toBe(502);
  });

  it('keeps to its budget and leaves the disk to its host', async () => {
    let free = 10 * 2 ** 30;
    const url = await serve({ maxBytes: 3 * MIB + 100_000, freeBytes: () => free });
    const packed = `${url}${path(`packs/${treeSha256()}`)}`;
    const held = (): number => {
      const folders = readdirSync(layout().served).filter((name) => name.length === 2);
      return folders.flatMap((name) => readdirSync(join(layout().served, name))).length;
    };
    await get(packed, { range: 'bytes=0-199999' }).then(body);
    await until(async () => held() >= 10, 'small ones to be kept');
    // Once the small ones are accounted for.
    const bytes = async (): Promise<number> => (await get(`${url}${path(`blobs/${bigSha}`)}`).then(body)).byteLength;
    await until(async () => (await bytes()) === big.bytes.byteLength, 'the large one to be given');
    await until(async () => existsSync(join(layout().served, bigSha.slice(0, 2), bigSha)), 'the large one to be kept');
    // The small ones had to go, all but those that fit beside it.
    expect(held()).toBeLessThan(8);
    free = 50 * MIB;
    expect((await get(packed, { range: 'bytes=0-19999' })).status).toBe(507);
  });

  it('that cannot listen does its own work', async () => {
    const taken = new URL(await fakePeer(() => undefined)).port;
    const lines: string[] = [];
    const answer = { host: 'srv', catalogUrl: repository.url, trustedRoot: repository.root };
    const edge = await startHostEdge({
      server: new Server(),
      credentials: ServerCredentials.createInsecure(),
      join: answer,
    });
    const { address } = edge;
    await joinInstallation({
      dataDir: dirOf('srv'),
      address,
      token: 't',
      env: {},
      tlsCaFile: '',
      serve: `127.0.0.1:${taken}`,
    });
    const agent = await openAgent({ dataDir: dirOf('srv'), log: createLog((line) => lines.push(line)), antivirus: [] });
    expect(lines.join('\n')).toMatch(/other hosts are not served.*EADDRINUSE/);
    await agent.stop();
    edge.close();
  });
});
