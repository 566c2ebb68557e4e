import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { reject, RejectedError } from '@lastcall/kernel';
import { isPublicKeyHex, keyFromPem, keyIdOf, newPrivateKeyPem, publicKeyFromHex, type KeySet, type TufKey } from './keys.js'; // prettier-ignore

/*
 * A folder with keys that stay away from the catalog. `trust.json` is public: which keys there are and how many of each role must sign. Each
 * key is one file, `root-1.key`: the public half to be read, the private half encrypted with a passphrase (age, scrypt). The
 * folder may hold any of the keys; several people hold some each, with the same trust.json.
 */

export const OFFLINE_ROLES = ['root', 'targets', 'releases'] as const;
export type OfflineRole = (typeof OFFLINE_ROLES)[number];

export interface NamedKey {
  /** `root-1`; a number is never used again. */
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly public: string;
}

export interface TrustRole {
  readonly threshold: number;
  readonly keys: readonly NamedKey[];
}

export interface TrustFile {
  readonly lastcallTrust: 1;
  readonly roles: Readonly<Record<OfflineRole, TrustRole>>;
  /** Keys that sign no more, and why. */
  readonly retired: readonly (NamedKey & { readonly why: 'rotated' | 'revoked' })[];
}

export interface KeyFile extends NamedKey {
  readonly path: string;
  /** The private half, armored. */
  readonly encrypted: string;
}

/** How many keys of a role, and how many of them must sign. */
export type KeyPlan = Readonly<Record<OfflineRole, { readonly keys: number; readonly threshold: number }>>;

export interface Encryption {
  readonly passphrase: string;
  /** scrypt's N is two to this; 17 takes about a second. */
  readonly workFactor?: number;
}

const TRUST = 'trust.json';
const MODE = 0o600;
const DEFAULT_WORK_FACTOR = 17;
export const MIN_PASSPHRASE = 12;

const refuse = (reason: string, message: string): RejectedError =>
  new RejectedError(reject('refused', reason, message));

/** Makes all keys of a plan in an empty or new folder. */
export async function createKeyFolder(
  dir: string,
  plan: KeyPlan,
  encryption: Encryption,
  made: (name: string) => void = () => {},
): Promise<TrustFile> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if ((await readdir(dir)).some((name) => name === TRUST || name.endsWith('.key'))) {
    throw refuse('KEYS_EXIST', `${dir} has keys already; they are never overwritten. Name a new folder.`);
  }
  const roles = {} as Record<OfflineRole, TrustRole>;
  for (const role of OFFLINE_ROLES) {
    const keys: NamedKey[] = [];
    for (let n = 1; n <= plan[role].keys; n++) {
      keys.push(await createKeyFile(dir, `${role}-${n}`, encryption));
      made(`${role}-${n}`);
    }
    roles[role] = { threshold: plan[role].threshold, keys };
  }
  // Last: a folder without it is an interrupted attempt, and nothing trusts its keys.
  const trust: TrustFile = { lastcallTrust: 1, roles, retired: [] };
  await writeTrust(dir, trust);
  return trust;
}

export async function createKeyFile(dir: string, name: string, encryption: Encryption): Promise<NamedKey> {
  const pem = newPrivateKeyPem();
  const key = { name, public: keyFromPem(pem).publicKey.keyval.public };
  await writeKeyFile(dir, { ...key, encrypted: await encrypt(pem, encryption) }, 'wx');
  return key;
}

/** Encrypts a key anew, for the person who will hold it. */
export async function changePassphrase(file: KeyFile, before: string, after: Encryption): Promise<void> {
  const pem = await decrypt(file, before);
  await writeKeyFile(join(file.path, '..'), { ...file, encrypted: await encrypt(pem, after) }, 'replace');
}

async function writeKeyFile(dir: string, key: NamedKey & { encrypted: string }, how: 'wx' | 'replace'): Promise<void> {
  const content = { lastcallKey: 1, name: key.name, public: key.public, private: key.encrypted };
  const path = join(dir, `${key.name}.key`);
  const text = `${JSON.stringify(content, null, 2)}\n`;
  if (how === 'replace') return replaceFile(path, text);
  await writeNew(path, text);
  await syncFolder(dir);
}

async function writeNew(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', MODE);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await writeNew(beside, text);
  await rename(beside, path);
  await syncFolder(dirname(path));
}

/** A key that a loss of power takes cannot be made again. Windows has no handle for a folder and keeps names by itself. */
async function syncFolder(dir: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function encrypt(pem: string, { passphrase, workFactor = DEFAULT_WORK_FACTOR }: Encryption): Promise<string> {
  const { armor, Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(workFactor);
  return armor.encode(await encrypter.encrypt(pem));
}

async function decrypt({ path, encrypted }: KeyFile, passphrase: string): Promise<string> {
  const { armor, Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  const bytes = decode(path, encrypted, armor.decode);
  try {
    return await decrypter.decrypt(bytes, 'text');
  } catch {
    // The library's words would not help; what failed is known.
    throw refuse(
      'WRONG_PASSPHRASE',
      `the passphrase does not open ${path}. Try it again; if it is lost, revoke the key ("lastcall keys revoke")`,
    );
  }
}

function decode(path: string, encrypted: string, read: (text: string) => Uint8Array): Uint8Array {
  try {
    return read(encrypted);
  } catch {
    throw refuse('KEY_DAMAGED', `${path} is damaged; take its copy from the backup, or revoke the key`);
  }
}

/** Opens a key. Throws a RejectedError: wrong passphrase, damaged file. */
export async function openKey(file: KeyFile, passphrase: string): Promise<TufKey> {
  const key = keyFromPem(await decrypt(file, passphrase));
  if (key.publicKey.keyval.public === file.public) return key;
  throw refuse('KEY_DAMAGED', `${file.path} holds another key than it says; take its copy from the backup`);
}

export async function readTrust(path: string): Promise<TrustFile> {
  const file = path.endsWith('.json') ? path : join(path, TRUST);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) {
    throw refuse('NO_KEYS', `there is no ${file}; name the folder that "lastcall keys init" made (--keys)`);
  }
  const trust = parseJson(text);
  if (isTrust(trust)) return trust;
  throw refuse('TRUST_DAMAGED', `${file} is damaged; copy it from another holder of keys: it is the same for all`);
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

function isTrust(value: unknown): value is TrustFile {
  if (!isFields(value) || value['lastcallTrust'] !== 1) return false;
  const { roles, retired } = value;
  return isFields(roles) && OFFLINE_ROLES.every((role) => isRole(roles[role])) && areKeys(retired);
}

function isRole(role: unknown): boolean {
  const { threshold, keys } = isFields(role) ? role : ({} as Fields);
  if (!areKeys(keys)) return false;
  return Number.isSafeInteger(threshold) && Number(threshold) >= 1 && Number(threshold) <= keys.length;
}

function areKeys(keys: unknown): keys is readonly NamedKey[] {
  const isKey = (key: unknown): boolean =>
    isFields(key) &&
    typeof key['name'] === 'string' &&
    typeof key['public'] === 'string' &&
    isPublicKeyHex(key['public']);
  return Array.isArray(keys) && keys.every(isKey);
}

export async function writeTrust(dir: string, trust: TrustFile): Promise<void> {
  await replaceFile(join(dir, TRUST), `${JSON.stringify(trust, null, 2)}\n`);
}

/** The keys in a folder, by name. */
export async function readKeyFiles(dir: string): Promise<readonly KeyFile[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.key')).toSorted();
  return Promise.all(names.map((name) => readKeyFile(join(dir, name))));
}

async function readKeyFile(path: string): Promise<KeyFile> {
  const value = parseJson(await readFile(path, 'utf8')) as Record<string, unknown> | undefined;
  const { lastcallKey, name, public: hex, private: encrypted } = value ?? {};
  if (lastcallKey !== 1 || typeof name !== 'string' || typeof hex !== 'string' || typeof encrypted !== 'string') {
    throw refuse('KEY_DAMAGED', `${path} is no key of Lastcall, or damaged; take its copy from the backup`);
  }
  return { path, name, public: hex, encrypted };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The caller says that it is damaged.
  }
}

export function keySetFor({ threshold, keys }: TrustRole): KeySet {
  return { threshold, keys: keys.map((key) => publicKeyFromHex(key.public)) };
}

/** Names of all keys that a folder knows, by id. */
export function namesOf({ roles, retired }: TrustFile): ReadonlyMap<string, string> {
  const all = [...OFFLINE_ROLES.flatMap((role) => roles[role].keys), ...retired];
  return new Map(all.map((key) => [keyIdOf(publicKeyFromHex(key.public)), key.name]));
}

/** The role with one key less and a new one in its place. Refuses what would leave too few. */
export function replaceKey(trust: TrustFile, name: string, by: NamedKey, why: 'rotated' | 'revoked'): TrustFile {
  const role = roleOfKey(trust, name);
  const old = trust.roles[role].keys.find((key) => key.name === name);
  const keys = [...trust.roles[role].keys.filter((key) => key.name !== name), by];
  const retired = old ? [...trust.retired, { ...old, why }] : trust.retired;
  return { ...trust, roles: { ...trust.roles, [role]: { ...trust.roles[role], keys } }, retired };
}

export function roleOfKey(trust: TrustFile, name: string): OfflineRole {
  const role = OFFLINE_ROLES.find((candidate) => trust.roles[candidate].keys.some((key) => key.name === name));
  if (role) return role;
  const known = OFFLINE_ROLES.flatMap((candidate) => trust.roles[candidate].keys.map((key) => key.name)).join(', ');
  throw refuse('NO_SUCH_KEY', `there is no key ${name} that signs; there are ${known}`);
}

/** The next name of a role: numbers are never used again, nor those of files that are there. */
export function nextKeyName(trust: TrustFile, role: OfflineRole, files: readonly NamedKey[]): string {
  const all = [...trust.roles[role].keys, ...trust.retired, ...files].map(({ name }) => name);
  const numbers = all.map((name) => Number(new RegExp(`^${role}-(\\d+)$`).exec(name)?.[1] ?? 0));
  return `${role}-${Math.max(...numbers) + 1}`;
}
