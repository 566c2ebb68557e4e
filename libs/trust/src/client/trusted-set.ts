import { WITHDRAWN_FIELD } from '@lastcall/kernel';
import { LengthOrHashMismatchError, UnsignedMetadataError } from '@tufjs/models/dist/error.js';
import { BadVersionError, EqualVersionError, ExpiredMetadataError } from 'tuf-js/dist/error.js';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { checkMetadata, isName } from './check-metadata.js';
import { findDelegations, rolesBelow, type Delegation } from './delegations.js';
import { makeModelsLinear } from './linear-models.js';
import { refused, type TrustCode } from './refusal.js';

/*
 * What is trusted, and what may become trusted: the rules of the client workflow (specification of TUF 1.0, section 5), without disk or network.
 * The rules and the cryptography are those of tuf-js; here is the form that is checked before, one delegator for each role, and a code
 * for what was refused. What was accepted can be read back as it came: a serialisation of our own would have another hash.
 */

makeModelsLinear();

/** What signed metadata says of another file. */
export interface FileMeta {
  readonly version: number;
  /** Bytes, where it is said. */
  readonly length: number | undefined;
}

export interface TargetMeta {
  readonly path: string;
  readonly length: number;
  readonly hashes: Readonly<Record<string, string>>;
  /** What the signer says of it besides. */
  readonly custom: Readonly<Record<string, unknown>>;
}

/** What a role of targets says of one path. */
export interface TargetsAnswer {
  readonly target: TargetMeta | undefined;
  readonly delegations: readonly Delegation[];
}

export interface TrustedSet {
  rootVersion(): number;
  acceptRoot(bytes: Buffer): void;
  /** What this host has seen already. Of a key that is not trusted any more it is forgotten: section 5.3.11. */
  recallTimestamp(bytes: Buffer): void;
  acceptTimestamp(bytes: Buffer): void;
  /** Whether it is the one that the timestamp names, so that none has to be fetched. */
  recallSnapshot(bytes: Buffer): boolean;
  acceptSnapshot(bytes: Buffer): void;
  snapshotMeta(): FileMeta;
  /** Undefined: the snapshot does not know the role. */
  roleMeta(role: string): FileMeta | undefined;
  /** Whether the snapshot says that a release (`product/version`) must not be taken, whatever the lists say. */
  isWithdrawn(release: string): boolean;
  recallTargets(bytes: Buffer, role: string, delegator: string): boolean;
  acceptTargets(bytes: Buffer, role: string, delegator: string): void;
  isLoaded(role: string): boolean;
  /** Throws when the role was loaded by the word of another delegator. */
  checkDelegator(role: string, delegator: string): void;
  ask(role: string, path: string): TargetsAnswer;
  /** Paths below a folder that the role names, and roles that may name some; each of them may be wrong, so `ask` decides. */
  lookBelow(role: string, folder: string): { readonly paths: readonly string[]; readonly roles: readonly string[] };
  /** Everything accepted or recalled, by role. */
  accepted(): ReadonlyMap<string, Buffer>;
}

/** Begins with the pinned or last trusted root. It may have expired: a newer one may come. */
export function createTrustedSet(root: Buffer): TrustedSet {
  checkMetadata('root', root, 'root.json');
  const store = guard('root.json', 'METADATA_ROLLED_BACK', () => new TrustedMetadataStore(root));
  const accepted = new Map<string, Buffer>([['root', root]]);
  const delegators = new Map<string, string>();
  const set: TrustedSet = {
    rootVersion: () => store.root.signed.version,
    acceptRoot: (bytes) => {
      const file = `${set.rootVersion() + 1}.root.json`;
      checkMetadata('root', bytes, file);
      guard(file, 'METADATA_ROLLED_BACK', () => store.updateRoot(bytes));
      accepted.set('root', bytes);
    },
    recallTimestamp: (bytes) => {
      checkMetadata('timestamp', bytes, 'timestamp.json');
      if (
        recall(
          () => store.updateTimestamp(bytes),
          () => store.timestamp,
        )
      )
        accepted.set('timestamp', bytes);
    },
    acceptTimestamp: (bytes) => {
      checkMetadata('timestamp', bytes, 'timestamp.json');
      const before = store.timestamp;
      guard('timestamp.json', 'METADATA_ROLLED_BACK', () => store.updateTimestamp(bytes));
      if (store.timestamp !== before) accepted.set('timestamp', bytes);
    },
    recallSnapshot: (bytes) => {
      checkMetadata('snapshot', bytes, 'snapshot.json');
      const isLoaded = recall(
        () => store.updateSnapshot(bytes, true),
        () => store.snapshot,
      );
      if (isLoaded) accepted.set('snapshot', bytes);
      return isLoaded && isNamedByTimestamp(store);
    },
    acceptSnapshot: (bytes) => {
      checkMetadata('snapshot', bytes, 'snapshot.json');
      const { signed } = JSON.parse(bytes.toString('utf8')) as { signed: { version: number } };
      // A version beside the point is a mix of two publications; one that names older files than were seen is a way back.
      const isMixed = signed.version !== store.timestamp?.signed.snapshotMeta.version;
      guard('snapshot.json', isMixed ? 'METADATA_MIXED' : 'METADATA_ROLLED_BACK', () => store.updateSnapshot(bytes));
      accepted.set('snapshot', bytes);
    },
    snapshotMeta: () => metaOf(store.timestamp?.signed.snapshotMeta) ?? { version: 0, length: undefined },
    roleMeta: (role) => {
      const meta = store.snapshot?.signed.meta ?? {};
      return Object.hasOwn(meta, `${role}.json`) ? metaOf(meta[`${role}.json`]) : undefined;
    },
    isWithdrawn: (release) => {
      const withdrawn = store.snapshot?.signed.unrecognizedFields?.[WITHDRAWN_FIELD];
      return Array.isArray(withdrawn) && withdrawn.includes(release);
    },
    recallTargets: (bytes, role, delegator) => {
      try {
        set.acceptTargets(bytes, role, delegator);
        return true;
      } catch {
        return false; // Another one is named now, or it has expired: it is fetched.
      }
    },
    acceptTargets: (bytes, role, delegator) => {
      const file = fileOf(role);
      checkMetadata('targets', bytes, file);
      guard(file, 'METADATA_MIXED', () => store.updateDelegatedTargets(bytes, role, delegator));
      delegators.set(role, delegator);
      accepted.set(role, bytes);
    },
    isLoaded: (role) => delegators.has(role),
    checkDelegator: (role, delegator) => {
      const before = delegators.get(role);
      if (!isName(role) || (before !== undefined && before !== delegator))
        throw refused(
          'METADATA_MALFORMED',
          fileOf(delegator),
          `it delegates to ${role}, as ${before} does; a role has one delegator`,
        );
    },
    ask: (role, path) => {
      const { targets, delegations } = store.getRole(role)?.signed ?? {};
      const target = targets && Object.hasOwn(targets, path) ? targets[path] : undefined;
      const { length, hashes, custom } = target ?? {};
      return {
        target: target && { path, length: length ?? 0, hashes: hashes ?? {}, custom: custom ?? {} },
        delegations: findDelegations(delegations, path),
      };
    },
    lookBelow: (role, folder) => {
      const { targets, delegations } = store.getRole(role)?.signed ?? {};
      const paths = Object.keys(targets ?? {}).filter((path) => path.startsWith(`${folder}/`));
      return { paths, roles: rolesBelow(delegations, folder) };
    },
    accepted: () => accepted,
  };
  return set;
}

export function fileOf(role: string): string {
  return `${encodeURIComponent(role)}.json`;
}

function metaOf(meta: { version: number; length?: number | undefined } | undefined): FileMeta | undefined {
  return meta && { version: meta.version, length: meta.length };
}

function isNamedByTimestamp({ snapshot, timestamp }: TrustedMetadataStore): boolean {
  return snapshot?.signed.version === timestamp?.signed.snapshotMeta.version;
}

/** Own metadata of an earlier time serves as the floor even when it has expired. Answers whether it does. */
function recall<T>(load: () => unknown, loaded: () => T | undefined): boolean {
  try {
    load();
  } catch {
    // Expired, superseded or signed by keys of an older root: what was loaded says which.
  }
  return loaded() !== undefined;
}

/** Runs a rule of the library and says in our words what it refused. */
function guard<T>(file: string, ofVersion: TrustCode, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof EqualVersionError) return undefined as T; // The one that is known: section 5.4.3.
    const why = error instanceof Error ? error.message : String(error);
    throw refused(codeOf(error, ofVersion), file, why.replace(/\.$/, ''), error);
  }
}

function codeOf(error: unknown, ofVersion: TrustCode): TrustCode {
  if (error instanceof UnsignedMetadataError) return 'METADATA_NOT_SIGNED';
  if (error instanceof ExpiredMetadataError) return 'METADATA_EXPIRED';
  if (error instanceof LengthOrHashMismatchError) return 'METADATA_MIXED';
  if (error instanceof BadVersionError) return ofVersion;
  // A file that an earlier snapshot had is missing in this one.
  if (error instanceof Error && /^Missing file/.test(error.message)) return 'METADATA_ROLLED_BACK';
  return 'METADATA_MALFORMED';
}
