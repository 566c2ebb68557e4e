import { DAY_MS, isRejected, reject, sha256Hex, type Rejected } from '@lastcall/kernel';
import {
  addSignatures,
  bytesToSign,
  describeRequest,
  formatMetadata,
  keyIdOf,
  parseSigningRequest,
  rootBody,
  rootKeysOf,
  signedPart,
  unsignedPayloads,
  formatSigningRequest,
  instant,
  type KeySet,
  type MetadataJson,
  type ReleaseToPublish,
  type RootKeys,
  type SigningPayload,
  type SigningRequest,
} from '@lastcall/trust';
import { join } from 'node:path';
import type { RepositoryHead, SignedRole } from '../domain/repository.js';
import { readIfThere } from '../files.js';
import { settle, toOfflineTrust, type Authority } from './authority.js';
import type { Desired, ReleasesOfProducts, Scope, SignedRelease } from './desired.js';
import { addKey, heldKeys } from './keys.js';
import { authorityNow, desiredFor, planFor, type Opened } from './opened.js';
import { parseMetadata, rootPath } from './roots.js';
import { commit, readHead, signHead, takeNumber, writeRole } from './writing.js';

/*
 * Signatures of keys that are not here. `prepare` writes down what would be signed; `check` takes it back. Owns that nothing is accepted but
 * what the catalog would say itself at that moment, byte for byte, under the thresholds that clients believe: so what was
 * prepared before something else was published is refused, and what another catalog prepared too. A next root, with all that has to be
 * signed anew because of it, appears in one write, or not at all.
 */

/** What signatures are wanted for. */
export interface SigningWish {
  readonly release?: ReleaseToPublish & { readonly signed: SignedRelease };
  readonly keys?: {
    readonly root: KeySet;
    readonly targets: KeySet;
    readonly releases: KeySet;
    readonly newOnlineKeys: boolean;
  };
  /** Also what holds for less than half of its life. */
  readonly renew: boolean;
}

/** A request whose signatures are good. */
export interface CheckedSigning {
  /** Whether other keys sign from then on. */
  readonly changesKeys: boolean;
  /** What the signatures say, for people. */
  readonly says: readonly string[];
  /** Makes it visible: all of it in one write. Refuses when something else was published since. */
  commit(): Promise<Rejected | undefined>;
}

const OFFLINE_LIFETIME_MS = 365 * DAY_MS;
/** Beyond what is prepared: nobody signs for ten years. */
const MAX_LIFETIME_MS = OFFLINE_LIFETIME_MS + 30 * DAY_MS;
/** What ends sooner would leave no time to sign the next. */
const MIN_LEFT_MS = 7 * DAY_MS;
const LIFETIMES = { targetsMs: OFFLINE_LIFETIME_MS, snapshotMs: 0, timestampMs: 0 };

const stale = (message: string): Rejected => reject('refused', 'SIGNING_STALE', message);

interface Keys {
  readonly root: RootKeys;
  readonly releases: KeySet;
}

export async function prepareSigning(opened: Opened, wish: SigningWish): Promise<Buffer | Rejected> {
  const now = await opened.options.now();
  const { number, head } = await takeNumber(opened.place);
  if (!head) return reject('refused', 'NOTHING_SIGNED', 'the catalog has not signed anything yet; repeat in a moment');
  if (!head.offline && !wish.keys) return reject('refused', 'KEYS_ARE_HERE', KEYS_ARE_HERE);
  const authority = await authorityNow(opened, head);
  const root = await currentRoot(opened, head);
  const keys = await wantedKeys(opened, authority, wish);
  const expiresAt = now + OFFLINE_LIFETIME_MS;
  const rootDue = wish.renew && Date.parse(root.signed.expires) < now + OFFLINE_LIFETIME_MS / 2;
  const payloads: SigningPayload[] = [];
  if (rootDue || !sameKeys(root, keys.root)) {
    const signed = signedPart('root', root.signed.version + 1, expiresAt, rootBody(keys.root));
    payloads.push({ role: 'root', signed, signatures: [], before: root });
  }
  const desired = await desiredWith(opened, head, keys, wish.release);
  const { roles } = await planFor(opened, head, desired, wish.renew ? now : 0, LIFETIMES);
  for (const role of roles) {
    const before = await fileOf(opened, head, role);
    const signed = signedPart('targets', number, expiresAt, desired.bodies[role] ?? {});
    payloads.push({ role, signed, signatures: [], ...(before && { before }) });
  }
  if (payloads.length === 0) return reject('refused', 'NOTHING_TO_SIGN', 'everything is signed as it should be');
  return formatSigningRequest({
    catalog: await catalogId(opened),
    preparedAt: instant(now),
    ...(wish.release && { release: nameOf(wish.release) }),
    root,
    releases: keys.releases,
    catalogSigns: (authority.own?.root ?? []).map((key) => key.id),
    payloads,
  });
}

function nameOf({ product, version, channel }: ReleaseToPublish): ReleaseToPublish {
  return { product, version, channel };
}

/** Who is to sign from then on; as it is now, when nobody wishes otherwise. */
async function wantedKeys(opened: Opened, authority: Authority, wish: SigningWish): Promise<Keys> {
  if (!wish.keys) return authority;
  const { root, targets, releases } = wish.keys;
  const online = await onlineKeys(opened, authority.root, wish);
  return { root: { ...authority.root, ...online, root, targets }, releases };
}

const KEYS_ARE_HERE =
  'this catalog holds its keys itself and signs by itself: publish as usual; "lastcall keys init" and "lastcall keys hand-over" change that';

/** Compares with what would be prepared now, and counts signatures. Changes nothing. */
export async function checkSigning(
  opened: Opened,
  request: SigningRequest,
  release: SigningWish['release'],
): Promise<CheckedSigning | Rejected> {
  const head = await readHead(opened.place);
  if (request.catalog !== (await catalogId(opened))) {
    return reject('refused', 'SIGNING_FOREIGN', `it was prepared by another catalog (${request.catalog.slice(0, 12)}); nothing was changed`); // prettier-ignore
  }
  if (!head) return stale('nothing was published here yet; prepare it anew');
  if (isOut(head, request)) return { changesKeys: false, says: [], commit: async () => undefined };
  const root = await currentRoot(opened, head);
  const nextRoot = await checkRoot(opened, head, root, request);
  if (isRejected(nextRoot)) return nextRoot;
  if (!head.offline && !nextRoot) return reject('refused', 'KEYS_ARE_HERE', KEYS_ARE_HERE);
  const { releases } = request;
  if (releases.threshold > releases.keys.length)
    return stale('it wants more signatures of releases than there are keys');
  const keys: Keys = { root: rootKeysOf((nextRoot ?? root).signed), releases };
  const desired = await desiredWith(opened, head, keys, release);
  const whole = withRoot(request, root, nextRoot);
  const { roles } = await planFor(opened, head, desired, 0, LIFETIMES);
  const wrong = checkPayloads(await opened.options.now(), head, { desired, roles }, whole) ?? checkSignatures(whole);
  if (wrong) return wrong;
  const before = await authorityNow(opened, head);
  const changesKeys = !sameKeys(root, keys.root) || !sameSet(before.releases, releases);
  const says = describeRequest(whole, new Map());
  return { changesKeys, says, commit: () => commitSigning(opened, { head, desired, request: whole, nextRoot }) };
}

/** Whether it was accepted before: the same call again answers the same. */
function isOut({ offline, roles }: RepositoryHead, { payloads }: SigningRequest): boolean {
  return payloads.every(({ role, signed }) => {
    const version = role === 'root' ? offline?.root.version : roles[role]?.version;
    return version === signed.version;
  });
}

/** The request as it counts: under the root that clients really have, and with what the catalog could add to a next root. */
function withRoot(request: SigningRequest, root: MetadataJson, nextRoot: MetadataJson | undefined): SigningRequest {
  const payloads = request.payloads.map((payload) => {
    return payload.role === 'root' && nextRoot ? { ...payload, signatures: nextRoot.signatures } : payload;
  });
  return { ...request, root, catalogSigns: [], payloads };
}

/** The next root of the request. At the hand-over the catalog signs it with the key that clients believe until then. */
async function checkRoot(
  opened: Opened,
  head: RepositoryHead,
  root: MetadataJson,
  request: SigningRequest,
): Promise<MetadataJson | undefined | Rejected> {
  const payload = request.payloads.find(({ role }) => role === 'root');
  if (!payload) return undefined;
  const { signed, signatures } = payload;
  const expected = root.signed.version + 1;
  if (signed.version !== expected) {
    return stale(`it holds root ${signed.version}, and the next one is ${expected}: other keys were set since it was prepared; prepare it anew`); // prettier-ignore
  }
  const keys = rootKeysOf(signed);
  const again = signedPart('root', signed.version, Date.parse(signed.expires), rootBody(keys));
  if (!bytesToSign(again).equals(bytesToSign(signed)))
    return stale('its root says more than who may sign; prepare it anew');
  for (const role of ['snapshot', 'timestamp'] as const) {
    const held = new Set((await heldKeys(opened.keysDir, role)).map((key) => key.id));
    if (keys[role].keys.every((key) => held.has(keyIdOf(key)))) continue;
    return stale(`it names a key for ${role} that this catalog does not have; prepare it anew`);
  }
  const own = head.offline ? [] : ((await authorityNow(opened, head)).own?.root ?? []);
  return addSignatures({ signed, signatures }, own);
}

function checkPayloads(
  now: number,
  head: RepositoryHead,
  { desired, roles }: { readonly desired: Desired; readonly roles: readonly string[] },
  request: SigningRequest,
): Rejected | undefined {
  const given = new Map(request.payloads.map((payload) => [payload.role, payload]));
  if (given.size < request.payloads.length) return stale('it names a role twice; prepare it anew');
  for (const role of roles) if (!given.has(role)) return stale(changed(role));
  for (const { role, signed } of request.payloads) {
    const left = Date.parse(signed.expires) - now;
    if (left < MIN_LEFT_MS) return stale(`what it says about ${role} ends on ${signed.expires}; prepare it anew`);
    if (left > MAX_LIFETIME_MS) return stale(`what it says about ${role} holds too long (until ${signed.expires})`);
    if (role === 'root') continue;
    const body = desired.bodies[role];
    const isNewer = signed.version > (head.roles[role]?.version ?? 0);
    if (!body || !isNewer) return stale(changed(role));
    const expected = signedPart('targets', signed.version, Date.parse(signed.expires), body);
    if (!bytesToSign(expected).equals(bytesToSign(signed))) return stale(changed(role));
  }
  return undefined;
}

function changed(role: string): string {
  return `what it says about ${role} is not what the catalog has to say now: something was published, withdrawn or replaced since it was prepared. Nothing was changed; prepare it anew and sign that`;
}

function checkSignatures(request: SigningRequest): Rejected | undefined {
  const missing = unsignedPayloads(request);
  if (missing.length === 0) return undefined;
  const list = missing.map(({ role, signed, needed }) => `${role} (${signed} of ${needed})`);
  const message = `signatures are missing for ${list.slice(0, 5).join(', ')}${list.length > 5 ? ` and ${list.length - 5} more` : ''}; sign it with more keys: "lastcall release sign"`;
  return reject('refused', 'SIGNATURES_MISSING', message, { facts: { roles: String(list.length) } });
}

interface Accepted {
  readonly head: RepositoryHead;
  readonly desired: Desired;
  readonly request: SigningRequest;
  readonly nextRoot: MetadataJson | undefined;
}

async function commitSigning(
  opened: Opened,
  { head, desired, request, nextRoot }: Accepted,
): Promise<Rejected | undefined> {
  const { place } = opened;
  const now = await opened.options.now();
  const rootText = nextRoot ? formatMetadata(nextRoot).toString('utf8') : head.offline?.root.text;
  if (rootText === undefined) return reject('refused', 'KEYS_ARE_HERE', KEYS_ARE_HERE);
  const offline = toOfflineTrust(rootText, request.releases);
  const authority = await authorityNow(opened, { ...head, offline });
  const { number, head: latest } = await takeNumber(place);
  const unchanged = latest?.timestamp.version === head.timestamp.version;
  if (!unchanged) return stale('something else was published in this moment; send it again');
  const roles: Record<string, SignedRole> = { ...head.roles };
  for (const { role, signed, signatures } of request.payloads) {
    if (role === 'root') continue;
    const bytes = formatMetadata({ signed, signatures });
    const file = { version: signed.version, expiresAt: Date.parse(signed.expires), bytes, digest: desired.digests.roles[role] ?? '' }; // prettier-ignore
    roles[role] = await writeRole(place, role, file);
  }
  const { keysDigest } = desired.digests;
  const snapshot = keysDigest !== head.keysDigest || request.payloads.some(({ role }) => role !== 'root');
  const withdrawn = await stillListed(opened, { ...head, roles });
  const said = { before: head, roles, snapshot, keysDigest, offline, withdrawn, number, now };
  const next = await signHead(place, authority, said);
  if (!(await commit(place, head, next))) return stale('something else was published in this moment; send it again');
  await settle(place.metadataDir, opened.keysDir, offline);
  return undefined;
}

/** What was withdrawn and has not left the lists with these signatures. */
async function stillListed({ roles }: Opened, head: RepositoryHead): Promise<readonly string[]> {
  const listed: string[] = [];
  for (const release of head.withdrawn ?? []) {
    const [product = '', version = ''] = release.split('/');
    if ((await roles.versions(head, product)).has(version)) listed.push(release);
  }
  return listed;
}

/** With the release that is to be published as if it were. */
async function desiredWith(
  opened: Opened,
  head: RepositoryHead,
  keys: Keys,
  release: SigningWish['release'],
): Promise<Desired> {
  const releases = async (scope: Scope): Promise<ReleasesOfProducts> => {
    const found = new Map(await opened.options.releases(scope));
    if (!release) return found;
    const others = (found.get(release.product) ?? []).filter(({ version }) => version !== release.version);
    return found.set(release.product, [...others, release.signed]);
  };
  const scope: Scope = release ? new Set([release.product]) : 'all';
  return desiredFor({ ...opened, options: { ...opened.options, releases } }, head, keys, scope);
}

async function onlineKeys(
  opened: Opened,
  { snapshot, timestamp }: RootKeys,
  { keys }: SigningWish,
): Promise<Pick<RootKeys, 'snapshot' | 'timestamp'>> {
  if (!keys?.newOnlineKeys) return { snapshot, timestamp };
  const fresh = async (role: 'snapshot' | 'timestamp'): Promise<KeySet> => {
    return { keys: [(await addKey(opened.keysDir, role)).publicKey], threshold: 1 };
  };
  return { snapshot: await fresh('snapshot'), timestamp: await fresh('timestamp') };
}

function sameKeys(root: MetadataJson, keys: RootKeys): boolean {
  const body = (sets: RootKeys): string => sha256Hex(bytesToSign(signedPart('root', 1, 0, rootBody(sets))));
  return body(rootKeysOf(root.signed)) === body(keys);
}

function sameSet(one: KeySet, other: KeySet): boolean {
  const ids = ({ keys }: KeySet): string => keys.map(keyIdOf).toSorted().join(' ');
  return one.threshold === other.threshold && ids(one) === ids(other);
}

async function currentRoot(opened: Opened, head: RepositoryHead): Promise<MetadataJson> {
  if (head.offline) return parseMetadata(head.offline.root.text);
  await authorityNow(opened, head);
  return parseMetadata(opened.own?.root.bytes ?? '');
}

async function fileOf({ place }: Opened, head: RepositoryHead, role: string): Promise<MetadataJson | undefined> {
  const version = head.roles[role]?.version;
  if (version === undefined) return undefined;
  const bytes = await readIfThere(join(place.metadataDir, `${version}.${role}.json`));
  return bytes && parseMetadata(bytes);
}

async function catalogId({ place }: Opened): Promise<string> {
  return sha256Hex((await readIfThere(rootPath(place.metadataDir, 1))) ?? '');
}

export function readRequest(bytes: Uint8Array): SigningRequest | Rejected {
  const request = parseSigningRequest(bytes);
  return typeof request === 'string' ? reject('invalid', 'SIGNING_REQUEST_WRONG', `the file ${request}`) : request;
}

/** A role as people ask about it. */
export interface RoleState {
  readonly role: string;
  readonly version: number;
  readonly expiresAt: number;
  /** Why it waits for signatures; empty: it does not. */
  readonly waiting: string;
}

export interface SigningState extends Keys {
  readonly offline: boolean;
  readonly rootVersion: number;
  readonly roles: readonly RoleState[];
}

export async function readSigningState(opened: Opened): Promise<SigningState | Rejected> {
  const head = await readHead(opened.place);
  if (!head) return reject('refused', 'NOTHING_SIGNED', 'the catalog has not signed anything yet; repeat in a moment');
  const now = await opened.options.now();
  const keys = await authorityNow(opened, head);
  const root = await currentRoot(opened, head);
  const desired = head.offline ? await desiredWith(opened, head, keys, undefined) : undefined;
  const differs = (role: string): boolean => desired !== undefined && role in desired.digests.roles && desired.digests.roles[role] !== head.roles[role]?.digest; // prettier-ignore
  const waiting = (role: string, expiresAt: number): string => {
    if (!head.offline) return '';
    if (differs(role)) return 'the catalog has something else to say since it was signed';
    return expiresAt < now + OFFLINE_LIFETIME_MS / 2 ? 'more than half of its life is over' : '';
  };
  const state = (role: string, version: number, expiresAt: number, why: string): RoleState => {
    return { role, version, expiresAt, waiting: why };
  };
  const rootEnds = Date.parse(root.signed.expires);
  const roles = [
    state('root', root.signed.version, rootEnds, waiting('root', rootEnds)),
    state('snapshot', head.snapshot.version, head.snapshot.expiresAt, ''),
    state('timestamp', head.timestamp.version, head.timestamp.expiresAt, ''),
    ...Object.entries(head.roles).map(([role, { version, expiresAt }]) =>
      state(role, version, expiresAt, waiting(role, expiresAt)),
    ),
    ...Object.keys(desired?.digests.roles ?? {}).flatMap((role) =>
      role in head.roles ? [] : [state(role, 0, 0, 'nobody has signed it yet')],
    ),
  ];
  return { offline: head.offline !== undefined, rootVersion: root.signed.version, root: keys.root, releases: keys.releases, roles }; // prettier-ignore
}
