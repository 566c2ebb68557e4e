import { keyIdOf, type KeySet } from './keys.js';
import { rootKeysOf, targetsOf, type RootKeys, type SignedPart } from './metadata.js';
import { unsignedPayloads, type SigningPayload, type SigningRequest } from './signing-request.js';

/*
 * What a signature under a request would say, in words, read from what would be signed and not from what the request says about itself.
 */

/** Names of keys by id. */
export type KeyNames = ReadonlyMap<string, string>;

export function describeRequest(request: SigningRequest, names: KeyNames): readonly string[] {
  const root = request.payloads.find(({ role }) => role === 'root');
  const lists = request.payloads.filter(({ role }) => role.startsWith('releases-'));
  const delegating = request.payloads.filter(({ role }) => role.startsWith('product-'));
  const top = request.payloads.find(({ role }) => role === 'targets');
  return [
    `Prepared ${request.preparedAt} by the catalog ${request.catalog.slice(0, 12)}.`,
    ...(root ? rootLines(request, root, names) : []),
    ...(top ? topLines(request, top, names) : []),
    ...delegating.map(({ role, signed }) => `${role} ${version(signed)}: which list has which versions`),
    ...lists.flatMap(listLines),
  ];
}

function version({ version: number, expires }: SignedPart): string {
  return `version ${number}, until ${expires.slice(0, 10)}`;
}

function rootLines({ root }: SigningRequest, { signed }: SigningPayload, names: KeyNames): string[] {
  const [before, after] = [rootKeysOf(root.signed), rootKeysOf(signed)];
  const roles = ['root', 'targets', 'snapshot', 'timestamp'] as const;
  return [
    `root ${version(signed)}: who clients believe from now on`,
    ...roles.map((role) => `  ${role}: ${setWords(after[role], names)}${changeWords(before, after, role, names)}`),
  ];
}

function setWords({ keys, threshold }: KeySet, names: KeyNames): string {
  return `${threshold} of ${keys.map((key) => nameOf(keyIdOf(key), names)).join(', ')}`;
}

function nameOf(id: string, names: KeyNames): string {
  return names.get(id) ?? `key ${id.slice(0, 12)}`;
}

function changeWords(before: RootKeys, after: RootKeys, role: keyof RootKeys, names: KeyNames): string {
  const [was, is] = [before[role].keys.map(keyIdOf), after[role].keys.map(keyIdOf)];
  const gone = was.filter((id) => !is.includes(id));
  const came = is.filter((id) => !was.includes(id));
  const say = (word: string, ids: string[]): string[] =>
    ids.length === 0 ? [] : [`${word} ${ids.map((id) => nameOf(id, names)).join(', ')}`];
  const changes = [...say('new:', came), ...say('no longer:', gone)];
  return changes.length === 0 ? '' : ` (${changes.join('; ')})`;
}

function topLines({ releases }: SigningRequest, { signed }: SigningPayload, names: KeyNames): string[] {
  const { delegations } = signed as unknown as { delegations?: { roles?: { name: string }[] } };
  const products = (delegations?.roles ?? []).map(({ name }) => name.replace(/^product-/, ''));
  const list = products.length === 0 ? 'no product yet' : products.join(', ');
  return [`targets ${version(signed)}: ${setWords(releases, names)} sign for ${list}`];
}

function listLines({ role, signed, before }: SigningPayload): string[] {
  const [was, is] = [before ? releasesOf(before.signed) : new Map<string, string>(), releasesOf(signed)];
  const added = [...is].filter(([release, facts]) => was.get(release) !== facts);
  const gone = [...was.keys()].filter((release) => !is.has(release));
  return [
    `${role} ${version(signed)}: ${is.size} release${is.size === 1 ? '' : 's'}`,
    ...added.map(([release, facts]) => `  ${was.has(release) ? 'OTHER FILES FOR' : 'adds'} ${release}:\n${facts}`),
    ...gone.map((release) => `  takes back ${release}`),
  ];
}

/** `encore 11.1.0` with a line for each of its targets. */
function releasesOf(signed: SignedPart): ReadonlyMap<string, string> {
  const releases = new Map<string, string>();
  for (const { path, sha256 } of targetsOf(signed).values()) {
    const [product = '', number = '', file = ''] = path.split('/');
    const name = `${product} ${number}`;
    const line = `    ${file} sha256 ${sha256}`;
    releases.set(name, [...(releases.get(name)?.split('\n') ?? []), line].join('\n'));
  }
  return releases;
}

/** What is still missing, in one line; empty when nothing is. */
export function missingWords(request: SigningRequest): string {
  const missing = unsignedPayloads(request).map(({ role, signed, needed }) => `${role} (${signed} of ${needed})`);
  const [first, second, ...others] = missing;
  if (first === undefined) return '';
  return [first, ...(second ? [second] : []), ...(others.length > 0 ? [`${others.length} more`] : [])].join(', ');
}
