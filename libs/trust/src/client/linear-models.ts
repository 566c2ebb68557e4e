import { MetaFile, Snapshot, TargetFile, Targets } from '@tufjs/models';
import { Delegations } from '@tufjs/models/dist/delegations.js';
import { DelegatedRole } from '@tufjs/models/dist/role.js';

/*
 * The models of the library copy a whole list for each of its entries: a role of 1,000 targets takes a second at each look. What is read and what it
 * means stays the library's: it is given everything but the long lists, and those are put together here in one pass, entry by entry by
 * the library's own readers. A list that is not as it should be is left to the library, which refuses it in its own words.
 */

type Json = Parameters<typeof Targets.fromJSON>[0];
type Entries = Readonly<Record<string, Json>>;

/** Once for the process; a second time changes nothing but costs a little. */
export function makeModelsLinear(): void {
  const readTargets = Targets.fromJSON.bind(Targets);
  Targets.fromJSON = (data) => {
    const { targets } = data;
    if (!isRecord(targets)) return readTargets(data);
    const read = readTargets({ ...data, targets: {} });
    return new Targets({ ...read, targets: mapEntries(targets, (file, path) => TargetFile.fromJSON(path, file)) });
  };
  const readSnapshot = Snapshot.fromJSON.bind(Snapshot);
  Snapshot.fromJSON = (data) => {
    const { meta } = data;
    if (!isRecord(meta)) return readSnapshot(data);
    const read = readSnapshot({ ...data, meta: {} });
    return new Snapshot({ ...read, meta: mapEntries(meta, (file) => MetaFile.fromJSON(file)) });
  };
  const readDelegations = Delegations.fromJSON.bind(Delegations);
  Delegations.fromJSON = (data) => {
    const { roles } = data;
    if (!Array.isArray(roles) || !roles.every(isObject)) return readDelegations(data);
    const read = readDelegations({ ...data, roles: [] });
    const byName = roles.map((role) => DelegatedRole.fromJSON(role)).map((role) => [role.name, role] as const);
    const map = Object.fromEntries(byName);
    if (Object.keys(map).length < roles.length) return readDelegations(data);
    return new Delegations({ ...read, roles: map });
  };
  writeLinearly(Targets.prototype, 'targets');
  writeLinearly(Snapshot.prototype, 'meta');
}

/** `toJSON` of the library for everything but the list. */
function writeLinearly<List extends string>(
  model: { toJSON: (this: Readonly<Record<List, Readonly<Record<string, { toJSON(): Json }>>>>) => Json },
  list: List,
): void {
  const write = model.toJSON;
  model.toJSON = function () {
    const rest = Object.assign(Object.create(model) as typeof this, this, { [list]: {} });
    return { ...write.call(rest), [list]: mapEntries(this[list], (entry) => entry.toJSON()) };
  };
}

function mapEntries<From, To>(entries: Readonly<Record<string, From>>, map: (entry: From, name: string) => To) {
  return Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, map(entry, name)]));
}

function isRecord(value: unknown): value is Entries {
  return isObject(value) && Object.values(value).every(isObject);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
