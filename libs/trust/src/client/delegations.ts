import { sha256Hex } from '@lastcall/kernel';

/*
 * Which roles may speak of a path. `*` and `?` of a pattern stand for anything but a slash, and nothing else in a pattern means more than itself:
 * what a delegation covers must not depend on the reader's idea of wildcards.
 */

export interface Delegation {
  readonly role: string;
  /** No other role of the same delegator is asked after this one. */
  readonly terminating: boolean;
}

/** As the library has parsed it. */
interface Delegations {
  readonly roles?: Readonly<
    Record<string, { name: string; terminating: boolean; paths?: string[]; pathHashPrefixes?: string[] }>
  >;
}

/** In the order of the delegator, up to the first that terminates. */
export function findDelegations(delegations: Delegations | undefined, path: string): readonly Delegation[] {
  const found: Delegation[] = [];
  for (const { name, terminating, paths, pathHashPrefixes } of Object.values(delegations?.roles ?? {})) {
    const covers =
      paths?.some((pattern) => matchesPattern(path, pattern)) ??
      pathHashPrefixes?.some((prefix) => sha256Hex(path).startsWith(prefix));
    if (!covers) continue;
    found.push({ role: name, terminating });
    if (terminating) break;
  }
  return found;
}

/** Roles that may speak of something below a folder of one name; by hashes it may be any. */
export function rolesBelow(delegations: Delegations | undefined, folder: string): readonly string[] {
  return Object.values(delegations?.roles ?? {})
    .filter(({ paths }) => !paths || paths.some((pattern) => matchesName(folder, pattern.split('/')[0] ?? '')))
    .map(({ name }) => name);
}

export function matchesPattern(path: string, pattern: string): boolean {
  const names = path.split('/');
  const patterns = pattern.split('/');
  return names.length === patterns.length && names.every((name, i) => matchesName(name, patterns[i] ?? ''));
}

/** In steps of name times pattern at worst: a regular expression of many stars can take for ever. */
function matchesName(name: string, pattern: string): boolean {
  let at = 0;
  let [star, resume] = [-1, 0];
  for (let i = 0; i < name.length;) {
    if (pattern[at] === '*') {
      star = at++;
      resume = i;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++resume;
    } else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
