import { canonicalize } from '@tufjs/canonical-json';
import { packOf } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { AGENT_PRODUCT } from '../domain/order.js';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/*
 * A real signed repository with a delegation for each product, as the catalog has it, served over HTTP with ranges and credentials. Tests
 * spoil it: they change what is signed, what is served, or how it is served. It signs whatever it is told, so that attackers can have keys.
 */

export type Json = Record<string, unknown>;
export type Role = 'root' | 'targets' | 'releases' | 'snapshot' | 'timestamp';
export type Edit = (json: Json) => void;
export type Edits = Partial<Record<Role, Edit>>;

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

export interface SignOptions {
  /** May be negative. */
  readonly expiresInMs?: number;
  readonly expires?: string;
  /** Signs this role with a key that nobody trusts, under the id of the one that is trusted. */
  readonly forge?: Role;
  /** What is signed, changed before. */
  readonly edit?: Edits;
  /** The files, changed after they were signed. */
  readonly spoil?: Edits;
  /** Instead of the next. */
  readonly version?: number;
}

export interface RootOptions {
  /** Roles that get a new key. */
  readonly rotate?: readonly Role[];
  /** Signs with a key that nobody trusts. */
  readonly forge?: boolean;
  readonly edit?: Edit;
  readonly spoil?: Edit;
}

export interface TestRepository {
  readonly url: string;
  /** The first one. */
  readonly root: Buffer;
  /** Paths asked for so far. */
  readonly requests: string[];
  /** Files by path below `/`; tests may replace them. */
  readonly served: Map<string, Buffer>;
  publish(...releases: readonly TestRelease[]): void;
  /** Signs everything again. */
  sign(options?: SignOptions): void;
  /** Makes and serves the next root. */
  renewRoot(options?: RootOptions): void;
  /** Serves again what is served now, whatever happens meanwhile; keys go back too. */
  remember(): () => void;
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
type Keys = Record<Role, Key>;

function newKey(): Key {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const x = publicKey.export({ format: 'jwk' }).x ?? '';
  const hex = Buffer.from(x, 'base64url').toString('hex');
  // In the order of the canonical form, so that its text is what the id is the hash of.
  const json = { keytype: 'ed25519', keyval: { public: hex }, scheme: 'ed25519' };
  return { id: sha256Hex(JSON.stringify(json)), json, privateKey };
}

interface Signer {
  readonly id: string;
  readonly key: Key;
}

function signed(body: Json, signers: readonly Signer[], spoil?: Edit): Buffer {
  const bytes = Buffer.from(canonicalize(body));
  const signatures = signers.map(({ id, key }) => ({
    keyid: id,
    sig: sign(null, bytes, key.privateKey).toString('hex'),
  }));
  const file: Json = { signed: body, signatures };
  spoil?.(file);
  return Buffer.from(JSON.stringify(file));
}

/** What one repository has and has done. */
interface Shop {
  readonly product: string;
  keys: Keys;
  readonly forged: Key;
  readonly targets: Json;
  readonly served: Map<string, Buffer>;
  version: number;
  rootVersion: number;
}

export async function startRepository(product: string): Promise<TestRepository> {
  const keys = Object.fromEntries(ROLES.map((role) => [role, newKey()])) as Keys;
  const shop: Shop = { product, keys, forged: newKey(), targets: {}, served: new Map(), version: 0, rootVersion: 1 };
  const { served } = shop;
  const repository: TestRepository = {
    url: '',
    root: writeRoot(shop, {}, keys),
    requests: [],
    served,
    intercept: undefined,
    publish: (...releases) => {
      for (const release of releases) addRelease(release, shop.targets, served);
      repository.sign();
    },
    sign: (options = {}) => signAll(shop, options),
    renewRoot: (options = {}) => {
      const before = shop.keys;
      shop.keys = { ...before, ...Object.fromEntries((options.rotate ?? []).map((role) => [role, newKey()])) };
      shop.rootVersion += 1;
      served.set(`/tuf/${shop.rootVersion}.root.json`, writeRoot(shop, options, before));
    },
    remember: () => {
      const now = {
        files: [...served],
        keys: shop.keys,
        rootVersion: shop.rootVersion,
        intercept: repository.intercept,
      };
      return () => {
        served.clear();
        for (const [path, bytes] of now.files) served.set(path, bytes);
        shop.keys = now.keys;
        shop.rootVersion = now.rootVersion;
        repository.intercept = now.intercept;
      };
    },
    close: () => stop(server),
  };
  const server = createServer((request, response) => answer(repository, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(repository, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function header(kind: string, version: number, expires: string): Json {
  return { _type: kind, spec_version: '1.0.31', version, expires };
}

function signersOf(key: Key): Json {
  return { keyids: [key.id], threshold: 1 };
}

/** Signed by the key of root before and by the one now. */
function writeRoot({ keys, forged, rootVersion }: Shop, options: RootOptions, before: Keys): Buffer {
  const top = ROLES.filter((role) => role !== 'releases');
  const body: Json = {
    ...header('root', rootVersion, instant(DAY_MS)),
    consistent_snapshot: true,
    keys: Object.fromEntries(top.map((role) => [keys[role].id, keys[role].json])),
    roles: Object.fromEntries(top.map((role) => [role, signersOf(keys[role])])),
  };
  options.edit?.(body);
  const ids = new Map([before.root, keys.root].map((key) => [key.id, options.forge ? forged : key]));
  const signers = [...ids].map(([id, key]) => ({ id, key }));
  return signed(body, signers, options.spoil);
}

function signAll(shop: Shop, options: SignOptions): void {
  const { keys, forged, product, served } = shop;
  const { expiresInMs = DAY_MS, forge, edit, spoil, expires = instant(expiresInMs) } = options;
  const version = options.version ?? shop.version + 1;
  shop.version = version;
  const write = (role: Role, name: string, body: Json): Json => {
    const whole = { ...header(role === 'releases' ? 'targets' : role, version, expires), ...body };
    edit?.[role]?.(whole);
    const signer = { id: keys[role].id, key: forge === role ? forged : keys[role] };
    const bytes = signed(whole, [signer], spoil?.[role]);
    served.set(`/tuf/${role === 'timestamp' ? '' : `${version}.`}${name}`, bytes);
    return { version, length: bytes.byteLength, hashes: { sha256: sha256Hex(bytes) } };
  };
  const paths = [product, AGENT_PRODUCT].map((name) => `${name}/*/*`);
  const delegations = {
    keys: { [keys.releases.id]: keys.releases.json },
    roles: [{ name: `product-${product}`, ...signersOf(keys.releases), terminating: true, paths }],
  };
  const meta = {
    'targets.json': write('targets', 'targets.json', { targets: {}, delegations }),
    [`product-${product}.json`]: write('releases', `product-${product}.json`, { targets: { ...shop.targets } }),
  };
  const snapshot = write('snapshot', 'snapshot.json', { meta });
  write('timestamp', 'timestamp.json', { meta: { 'snapshot.json': snapshot } });
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
    if (!name.endsWith('.tree.json')) continue;
    served.set(`/packs/${sha256}`, packBytes(release, files));
    // The catalog keeps the texts as blobs.
    served.set(`/blobs/${sha256}`, bytes);
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
