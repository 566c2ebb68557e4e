import { MAX_WITHDRAWN, quoted, WITHDRAWN_FIELD } from '@lastcall/kernel';
import { refused } from './refusal.js';

/*
 * The form of signed metadata, before any library sees it (specification of TUF 1.0, section 4). Unknown fields are tolerated, as the
 * specification demands; fields that it names have to be what it says, because a verifier that stumbles over one may skip a rule: a date that
 * cannot be compared never expires, a key under two names counts twice, a name like `constructor` is found where nothing was put.
 * All lists are bounded: this runs on bytes whose signatures are not known yet.
 */

export type MetadataKind = 'root' | 'timestamp' | 'snapshot' | 'targets';

type Json = Record<string, unknown>;
type Note = (field: string, rule: string) => void;

export const METADATA_LIMITS = { signatures: 100, keys: 200, roles: 1_000, metaFiles: 10_000, targets: 2_000 } as const;
const TOP_ROLES = ['root', 'timestamp', 'snapshot', 'targets'];
const HASH_CHARS: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };
const MAX_NAMED = 5;

/** Throws a TrustRefusal `METADATA_MALFORMED` that names up to five fields. */
export function checkMetadata(kind: MetadataKind, bytes: Uint8Array, file: string): void {
  const problems: string[] = [];
  const note: Note = (field, rule) => problems.push(`${field} ${rule}`);
  checkEnvelope(kind, readJson(bytes, note), note);
  if (problems.length === 0) return;
  const more = problems.length > MAX_NAMED ? ` and ${problems.length - MAX_NAMED} more` : '';
  throw refused('METADATA_MALFORMED', file, problems.slice(0, MAX_NAMED).join('; ') + more);
}

function readJson(bytes: Uint8Array, note: Note): unknown {
  try {
    // Bytes that are no text, or text with a mark in front, would not be the same bytes when they are written down again.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)) as unknown;
  } catch {
    note('the file', 'is not JSON in UTF-8');
    return undefined;
  }
}

function checkEnvelope(kind: MetadataKind, value: unknown, note: Note): void {
  if (value === undefined) return;
  if (!isObject(value)) return note('the file', 'has to be an object');
  checkSignatures(value['signatures'], note);
  const { signed } = value;
  if (!isObject(signed)) return note('signed', 'has to be an object');
  checkHeader(kind, signed, note);
  if (kind === 'root') checkRoot(signed, note);
  if (kind === 'timestamp') checkMeta(signed['meta'], ['snapshot.json'], 1, note);
  if (kind === 'snapshot') checkMeta(signed['meta'], ['targets.json'], METADATA_LIMITS.metaFiles, note);
  if (kind === 'snapshot') checkWithdrawn(signed[WITHDRAWN_FIELD], note);
  if (kind === 'targets') checkTargets(signed, note);
}

function checkSignatures(signatures: unknown, note: Note): void {
  if (!isList(signatures, METADATA_LIMITS.signatures))
    return note('signatures', `has to be a list of at most ${METADATA_LIMITS.signatures}`);
  const seen = new Set<string>();
  for (const [i, signature] of signatures.entries()) {
    const field = `signatures[${i}]`;
    if (!isObject(signature)) note(field, 'has to be an object');
    else if (!isName(signature['keyid'])) note(`${field}.keyid`, 'has to be a name');
    else if (seen.has(signature['keyid'])) note(`${field}.keyid`, 'is there twice');
    else if (typeof signature['sig'] !== 'string' || signature['sig'].length > 4_096)
      note(`${field}.sig`, 'has to be a text of at most 4096 characters');
    else seen.add(signature['keyid']);
  }
}

function checkHeader(kind: MetadataKind, signed: Json, note: Note): void {
  if (signed['_type'] !== kind) note('signed._type', `has to be "${kind}"`);
  const { spec_version: spec, version, expires } = signed;
  if (typeof spec !== 'string' || !/^1\.\d{1,3}(\.\d{1,3})?$/.test(spec))
    note('signed.spec_version', 'has to be 1.x or 1.x.y');
  if (!isCount(version, 1)) note('signed.version', 'has to be a whole number from 1');
  if (!isInstant(expires)) note('signed.expires', 'has to be a moment as 2030-01-31T12:00:00Z');
}

function checkRoot(signed: Json, note: Note): void {
  if (signed['consistent_snapshot'] !== true) note('signed.consistent_snapshot', 'has to be true');
  checkKeys('signed.keys', signed['keys'], note);
  const { roles } = signed;
  if (!isObject(roles)) return note('signed.roles', 'has to be an object');
  for (const role of TOP_ROLES) checkSigners(`signed.roles.${role}`, roles[role], signed['keys'], note);
  const others = Object.keys(roles).filter((role) => ![...TOP_ROLES, 'mirrors'].includes(role));
  if (others.length > 0) note('signed.roles', 'has to name root, timestamp, snapshot and targets only');
}

function checkKeys(field: string, keys: unknown, note: Note): void {
  const entries = entriesOf(keys, METADATA_LIMITS.keys);
  if (!entries) return note(field, `has to be an object of at most ${METADATA_LIMITS.keys}`);
  for (const [id, key] of entries) {
    const at = `${field}.${shown(id)}`;
    if (!isName(id)) note(at, 'is no name for a key');
    if (!isObject(key)) note(at, 'has to be an object');
    else if (!isName(key['keytype']) || !isName(key['scheme'])) note(at, 'has to have a keytype and a scheme');
    else if (publicPartOf(key) === undefined) note(`${at}.keyval.public`, 'has to be a text of 1 to 8192 characters');
  }
}

function publicPartOf(key: unknown): string | undefined {
  const keyval = isObject(key) ? key['keyval'] : undefined;
  const text = isObject(keyval) ? keyval['public'] : undefined;
  return typeof text === 'string' && text !== '' && text.length <= 8_192 ? text : undefined;
}

/** Who has to sign. The same key under two names would count twice towards the threshold. */
function checkSigners(field: string, role: unknown, keys: unknown, note: Note): void {
  if (!isObject(role)) return note(field, 'has to be an object');
  const { keyids, threshold } = role;
  if (!isCount(threshold, 1)) note(`${field}.threshold`, 'has to be a whole number from 1');
  if (!isList(keyids, METADATA_LIMITS.keys) || !keyids.every(isName))
    return note(`${field}.keyids`, `has to be a list of at most ${METADATA_LIMITS.keys} names`);
  if (new Set(keyids).size !== keyids.length) note(`${field}.keyids`, 'names a key twice');
  const known = keyids.flatMap((id) => (isObject(keys) && Object.hasOwn(keys, id) ? [publicPartOf(keys[id])] : []));
  if (new Set(known).size !== known.length) note(`${field}.keyids`, 'has the same key under two names');
}

function checkMeta(meta: unknown, needed: readonly string[], max: number, note: Note): void {
  const entries = entriesOf(meta, max);
  if (!entries) return note('signed.meta', `has to be an object of at most ${max}`);
  for (const name of needed) {
    if (!Object.hasOwn(meta as Json, name)) note('signed.meta', `has to name ${name}`);
  }
  for (const [name, file] of entries) {
    const at = `signed.meta.${shown(name)}`;
    if (!isName(name) || !name.endsWith('.json')) note(at, 'is no name of metadata');
    if (!isObject(file)) note(at, 'has to be an object');
    else {
      if (!isCount(file['version'], 1)) note(`${at}.version`, 'has to be a whole number from 1');
      if (file['length'] !== undefined && !isCount(file['length'], 1))
        note(`${at}.length`, 'has to be a number of bytes from 1');
      if (file['hashes'] !== undefined) checkHashes(`${at}.hashes`, file['hashes'], note);
    }
  }
}

function checkHashes(field: string, hashes: unknown, note: Note): void {
  const entries = entriesOf(hashes, 4);
  if (!entries || entries.length === 0) return note(field, 'has to have a sha256 or sha512');
  for (const [name, hash] of entries) {
    const chars = Object.hasOwn(HASH_CHARS, name) ? HASH_CHARS[name] : undefined;
    if (chars === undefined)
      note(`${field}.${shown(name)}`, 'is no hash that is known here; known are sha256 and sha512');
    else if (typeof hash !== 'string' || hash.length !== chars || !/^[0-9a-f]+$/.test(hash))
      note(`${field}.${name}`, `has to have ${chars} digits of 0-9 and a-f`);
  }
}

function checkTargets(signed: Json, note: Note): void {
  const entries = entriesOf(signed['targets'], METADATA_LIMITS.targets);
  if (!entries) note('signed.targets', `has to be an object of at most ${METADATA_LIMITS.targets}`);
  for (const [path, target] of entries ?? []) {
    const at = `signed.targets.${shown(path)}`;
    if (!isTargetPath(path)) note(at, 'is no path of a target');
    if (!isObject(target)) note(at, 'has to be an object');
    else {
      if (!isCount(target['length'], 0)) note(`${at}.length`, 'has to be a number of bytes');
      checkHashes(`${at}.hashes`, target['hashes'], note);
      if (target['custom'] !== undefined && !isObject(target['custom'])) note(`${at}.custom`, 'has to be an object');
    }
  }
  if (signed['delegations'] !== undefined) checkDelegations(signed['delegations'], note);
}

/** Ours, beside what the specification names. */
function checkWithdrawn(withdrawn: unknown, note: Note): void {
  if (withdrawn === undefined || (isList(withdrawn, MAX_WITHDRAWN) && withdrawn.every(isRelease))) return;
  note(`signed.${WITHDRAWN_FIELD}`, `has to be a list of at most ${MAX_WITHDRAWN} texts as product/version`);
}

function isRelease(value: unknown): boolean {
  return typeof value === 'string' && value.length <= 256 && /^[^/]+\/[^/]+$/.test(value);
}

function checkDelegations(delegations: unknown, note: Note): void {
  const field = 'signed.delegations';
  if (!isObject(delegations)) return note(field, 'has to be an object');
  checkKeys(`${field}.keys`, delegations['keys'], note);
  if (delegations['succinct_roles'] !== undefined) note(`${field}.succinct_roles`, 'is not supported; use roles');
  const { roles } = delegations;
  if (!isList(roles, METADATA_LIMITS.roles))
    return note(`${field}.roles`, `has to be a list of at most ${METADATA_LIMITS.roles}`);
  const seen = new Set<unknown>();
  for (const [i, role] of roles.entries()) {
    const at = `${field}.roles[${i}]`;
    checkSigners(at, role, delegations['keys'], note);
    if (!isObject(role)) continue;
    checkDelegatedRole(at, role, note);
    if (seen.has(role['name'])) note(`${at}.name`, 'is there twice');
    seen.add(role['name']);
  }
}

function checkDelegatedRole(at: string, role: Json, note: Note): void {
  const { name, terminating, paths, path_hash_prefixes: prefixes } = role;
  if (!isName(name)) note(`${at}.name`, 'has to be a name of at most 256 characters');
  else if (TOP_ROLES.includes(name)) note(`${at}.name`, `is ${quoted(name)}, which is a role of its own`);
  if (typeof terminating !== 'boolean') note(`${at}.terminating`, 'has to be true or false');
  if ((paths === undefined) === (prefixes === undefined)) note(at, 'has to have either paths or path_hash_prefixes');
  if (paths !== undefined && !(isList(paths, METADATA_LIMITS.targets) && paths.every(isPathPattern)))
    note(`${at}.paths`, 'has to be a list of patterns with * and ? only');
  if (prefixes !== undefined && !(isList(prefixes, METADATA_LIMITS.targets) && prefixes.every(isHashPrefix)))
    note(`${at}.path_hash_prefixes`, 'has to be a list of digits of 0-9 and a-f');
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: unknown, max: number): value is unknown[] {
  return Array.isArray(value) && value.length <= max;
}

function entriesOf(value: unknown, max: number): [string, unknown][] | undefined {
  if (!isObject(value)) return undefined;
  const entries = Object.entries(value);
  return entries.length <= max ? entries : undefined;
}

function isCount(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}

/** A moment that exists: 30 February is read as 2 March by the runtime. */
function isInstant(value: unknown): value is string {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value)) return false;
  const at = Date.parse(value);
  return !Number.isNaN(at) && new Date(at).toISOString() === value.replace('Z', '.000Z');
}

/** No control characters, and nothing that every object has (`constructor`, `__proto__`). */
export function isName(value: unknown): value is string {
  // eslint-disable-next-line no-control-regex -- they are what is refused
  return typeof value === 'string' && /^[^\u0000-\u001f\u007f]{1,256}$/u.test(value) && !(value in {});
}

function isTargetPath(path: string): boolean {
  // eslint-disable-next-line no-control-regex -- they are what is refused
  if (path.length > 1_024 || /[\u0000-\u001f\u007f\\]/.test(path) || path in {}) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** What other patterns mean depends on who reads them, so a delegation could cover more here than where it was signed. */
function isPathPattern(value: unknown): boolean {
  return typeof value === 'string' && value.length <= 1_024 && /^[^[\]{}()!\\]+$/.test(value) && !value.includes('**');
}

function isHashPrefix(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{1,64}$/.test(value);
}

function shown(name: string): string {
  return quoted(name).slice(1, -1);
}
