import { Metadata, MetadataKind, Signature } from '@tufjs/models';
import { packOf } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/*
 * A real signed repository with a delegation for each product, as the catalog has it, served over HTTP with ranges and credentials. Tests
 * spoil it: they change what is signed, what is served, or how it is served.
 */

type Json = Record<string, unknown>;
type Role = 'root' | 'targets' | 'releases' | 'snapshot' | 'timestamp';

export interface TestFile {
  readonly path: string;
  readonly mode: number;
  readonly bytes: Buffer;
  /** Instead of `bytes`, for what is too large for memory: the test serves it by itself. */
  readonly elsewhere?: { readonly size: number; readonly sha256: string };
}

export interface TestRelease {
  readonly product: string;
  readonly version: string;
  readonly manifest: string;
  readonly role: string;
  readonly platform?: string;
  readonly files: readonly TestFile[];
}

/** Answers true when it has taken the request over. */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface TestRepository {
  readonly url: string;
  readonly root: Buffer;
  /** Paths asked for so far. */
  readonly requests: string[];
  /** Files by path below `/`; tests may replace them. */
  readonly served: Map<string, Buffer>;
  publish(...releases: readonly TestRelease[]): void;
  /** Signs everything again. `expiresInMs` may be negative; `forge` signs this role with a key that nobody trusts. */
  sign(options?: { expiresInMs?: number; forge?: Role; expires?: string }): void;
  intercept: Intercept | undefined;
  close(): Promise<void>;
}

const ROLES: readonly Role[] = ['root', 'targets', 'releases', 'snapshot', 'timestamp'];
const DAY_MS = 86_400_000;

interface Key {
  readonly id: string;
  readonly json: Json;
  readonly privateKey: KeyObject;
}

function newKey(): Key {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const x = publicKey.export({ format: 'jwk' }).x ?? '';
  const hex = Buffer.from(x, 'base64url').toString('hex');
  // In the order of the canonical form, so that its text is what the id is the hash of.
  const json = { keytype: 'ed25519', keyval: { public: hex }, scheme: 'ed25519' };
  return { id: sha256Hex(JSON.stringify(json)), json, privateKey };
}

function signed(kind: MetadataKind, body: Json, key: Key, keyId = key.id): Buffer {
  const metadata = Metadata.fromJSON(kind as MetadataKind.Targets, { signed: body, signatures: [] } as never);
  metadata.sign((bytes) => new Signature({ keyID: keyId, sig: sign(null, bytes, key.privateKey).toString('hex') }));
  return Buffer.from(JSON.stringify(metadata.toJSON()));
}

export async function startRepository(product: string): Promise<TestRepository> {
  const keys = Object.fromEntries(ROLES.map((role) => [role, newKey()])) as Record<Role, Key>;
  const forged = newKey();
  const targets: Json = {};
  const served = new Map<string, Buffer>();
  const requests: string[] = [];
  let version = 0;
  const header = (kind: string, expires: string) => ({ _type: kind, spec_version: '1.0.31', version, expires });
  const roleOf = (role: Role) => ({ keyids: [keys[role].id], threshold: 1 });
  const root = signed(
    MetadataKind.Root,
    {
      ...header('root', instant(DAY_MS)),
      version: 1,
      consistent_snapshot: true,
      keys: Object.fromEntries(ROLES.filter((r) => r !== 'releases').map((r) => [keys[r].id, keys[r].json])),
      roles: {
        root: roleOf('root'),
        targets: roleOf('targets'),
        snapshot: roleOf('snapshot'),
        timestamp: roleOf('timestamp'),
      },
    },
    keys.root,
  );
  const repository: TestRepository = {
    url: '',
    root,
    requests,
    served,
    intercept: undefined,
    publish: (...releases) => {
      for (const release of releases) addRelease(release, targets, served);
      repository.sign();
    },
    sign: ({ expiresInMs = DAY_MS, forge, expires = instant(expiresInMs) } = {}) => {
      version += 1;
      const keyOf = (role: Role) => (forge === role ? forged : keys[role]);
      // A forger claims the id of the key that is trusted.
      const write = (role: Role, kind: MetadataKind, body: Json): Buffer =>
        signed(kind, body, keyOf(role), keys[role].id);
      const delegations = {
        keys: { [keys.releases.id]: keys.releases.json },
        roles: [{ name: `product-${product}`, ...roleOf('releases'), terminating: true, paths: [`${product}/*/*`] }],
      };
      const put = (name: string, bytes: Buffer) => {
        served.set(`/tuf/${name}`, bytes);
        return { version, length: bytes.byteLength, hashes: { sha256: sha256Hex(bytes) } };
      };
      const top = { ...header('targets', expires), targets: {}, delegations };
      const meta = {
        'targets.json': put(`${version}.targets.json`, write('targets', MetadataKind.Targets, top)),
        [`product-${product}.json`]: put(
          `${version}.product-${product}.json`,
          write('releases', MetadataKind.Targets, { ...header('targets', expires), targets }),
        ),
      };
      const snapshot = write('snapshot', MetadataKind.Snapshot, { ...header('snapshot', expires), meta });
      const timestampMeta = { 'snapshot.json': put(`${version}.snapshot.json`, snapshot) };
      const timestamp = write('timestamp', MetadataKind.Timestamp, {
        ...header('timestamp', expires),
        meta: timestampMeta,
      });
      served.set('/tuf/timestamp.json', timestamp);
    },
    close: () => stop(server),
  };
  const server = createServer((request, response) => answer(repository, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(repository, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function instant(inMs: number): string {
  return new Date(Date.now() + inMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

function addRelease(release: TestRelease, targets: Json, served: Map<string, Buffer>): void {
  const { product, version, role, platform = 'any' } = release;
  const files = release.files
    .map(({ path, mode, bytes, elsewhere = { size: bytes.byteLength, sha256: sha256Hex(bytes) } }) => ({
      path,
      mode,
      ...elsewhere,
    }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  for (const { bytes } of release.files) served.set(`/blobs/${sha256Hex(bytes)}`, bytes);
  const texts = {
    'lastcall.yaml': Buffer.from(release.manifest),
    [`${role}-${platform}.tree.json`]: Buffer.from(JSON.stringify({ files })),
  };
  for (const [name, bytes] of Object.entries(texts)) {
    const sha256 = sha256Hex(bytes);
    targets[`${product}/${version}/${name}`] = { length: bytes.byteLength, hashes: { sha256 } };
    served.set(`/tuf/targets/${product}/${version}/${sha256}.${name}`, bytes);
    if (name.endsWith('.tree.json')) served.set(`/packs/${sha256}`, packBytes(release, files));
  }
}

function packBytes(release: TestRelease, files: Parameters<typeof packOf>[0]): Buffer {
  const bytesOf = new Map(release.files.map(({ bytes }) => [sha256Hex(bytes), bytes]));
  return Buffer.concat(packOf(files).blobs.map(({ sha256 }) => bytesOf.get(sha256) ?? Buffer.alloc(0)));
}

function answer(repository: TestRepository, request: IncomingMessage, response: ServerResponse): void {
  const path = decodeURIComponent(request.url ?? '');
  repository.requests.push(path);
  if (repository.intercept?.(request, response)) return;
  const bytes = repository.served.get(path);
  if (!request.headers.authorization?.startsWith('Bearer ey')) response.writeHead(401).end();
  else if (!bytes) response.writeHead(404).end();
  else sendRange(request, response, bytes);
}

export function sendRange(request: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const [asked, start = 0, end = bytes.byteLength - 1] =
    /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')?.map((text) => (text === '' ? undefined : Number(text))) ??
    [];
  const body = bytes.subarray(start, end + 1);
  const range = asked === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${bytes.byteLength}` };
  response.writeHead(asked === undefined ? 200 : 206, { ...range, 'content-length': body.byteLength }).end(body);
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
