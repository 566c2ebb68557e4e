import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { reject, type Rejected } from '@lastcall/kernel';
import type { Collection } from '@lastcall/store';
import type { TrustedTexts } from '@lastcall/trust/client';
import { readIfThere, writeWhole } from '../files.js';
import type { Repository } from './repository.js';
import { parseMetadata } from './roots.js';
import { createSignedRoles } from './signed-roles.js';

/*
 * What another catalog has signed, as it was imported last. Owns that it is served as it came, byte for byte, and whole: every file but the timestamp
 * is named by its version and lies in a folder of its own; the timestamp and the newest root are in one document, whose write makes an import visible.
 * Only what was verified on the way from the pinned root gets here. A catalog that has this document signs nothing any more.
 */

export interface MirrorDocument {
  /** SHA-256 of the root that was pinned at the first import. */
  readonly pinnedRoot: string;
  /** Null from the first import's beginning to its end. */
  readonly head: MirrorHead | null;
}

export interface MirrorHead {
  readonly root: { readonly version: number; readonly text: string };
  readonly timestamp: { readonly version: number; readonly text: string };
  /** Version of each other role that is here, `snapshot` and `targets` among them. */
  readonly roles: Readonly<Record<string, { readonly version: number }>>;
  /** When the first of all these expires. */
  readonly expiresAt: number;
  readonly importedAt: number;
}

/** What the walk from the pinned root has accepted. */
export interface Verified {
  readonly texts: TrustedTexts;
  /** Newer than those that are here, by version; the pinned one at the first import. */
  readonly roots: ReadonlyMap<number, string>;
}

export interface Mirror {
  /** Undefined: this catalog is none. */
  read(): Promise<MirrorDocument | undefined>;
  /** What is trusted so far, for the walk. */
  trusted(head: MirrorHead): Promise<TrustedTexts>;
  /** From now on this catalog signs nothing. Once; later it has to be the same root. */
  begin(pinnedRoot: string): Promise<Rejected | undefined>;
  /** Makes it visible: all of it in one write. Refuses when something else was imported since. */
  commit(from: MirrorHead | null, verified: Verified): Promise<Rejected | undefined>;
  metadata(name: string): Promise<Buffer | undefined>;
  target(path: string): Promise<string | undefined>;
}

const DOCUMENT = 'main';

export async function openMirror(dir: string, documents: Collection<MirrorDocument>): Promise<Mirror> {
  await mkdir(dir, { recursive: true });
  const signed = createSignedRoles(dir);
  const read = async (): Promise<MirrorDocument | undefined> => (await documents.get(DOCUMENT))?.data;
  return {
    read,
    trusted: (head) => trusted(dir, head),
    begin: (pinnedRoot) =>
      documents.change(DOCUMENT, (current) => {
        if (!current) return { write: { pinnedRoot, head: null }, result: undefined };
        return { keep: current.pinnedRoot === pinnedRoot ? undefined : ofAnother(current.pinnedRoot) };
      }),
    commit: (from, verified) => commit(dir, documents, from, verified),
    metadata: async (name) => {
      const { head } = (await read()) ?? {};
      if (!head || !/^(\d{1,15}\.)?[a-z0-9-]{1,100}\.json$/.test(name)) return undefined;
      if (name === 'timestamp.json') return Buffer.from(head.timestamp.text);
      if (name === 'root.json') return Buffer.from(head.root.text);
      return /^\d/.test(name) ? readIfThere(join(dir, name)) : undefined;
    },
    target: async (path) => (await signed.find((await read())?.head ?? undefined, path))?.sha256,
  };
}

export function ofAnother(pinnedRoot: string): Rejected {
  const message = `this catalog mirrors the one whose root ${pinnedRoot} was pinned at the first import; what another one has signed needs a catalog (a data folder) of its own`;
  return reject('refused', 'MIRROR_OF_ANOTHER', message, { facts: { pinnedRoot } });
}

export function isMirror(what: string): Rejected {
  const message = `this catalog is the mirror of another one and signs nothing: ${what}`;
  return reject('refused', 'CATALOG_IS_MIRROR', message);
}

const fileOf = (role: string, version: number): string => `${version}.${role}.json`;

/** A role whose file is lost is as good as never seen; what the timestamp says of it stays the floor. */
async function trusted(dir: string, { root, timestamp, roles }: MirrorHead): Promise<TrustedTexts> {
  const texts = new Map<string, Buffer>([
    ['root', Buffer.from(root.text)],
    ['timestamp', Buffer.from(timestamp.text)],
  ]);
  for (const [role, { version }] of Object.entries(roles)) {
    const bytes = await readIfThere(join(dir, fileOf(role, version)));
    if (bytes) texts.set(role, bytes);
  }
  return texts;
}

async function commit(
  dir: string,
  documents: Collection<MirrorDocument>,
  from: MirrorHead | null,
  { texts, roots }: Verified,
): Promise<Rejected | undefined> {
  const roles: Record<string, { version: number }> = {};
  for (const [version, text] of roots) await writeWhole(join(dir, fileOf('root', version)), Buffer.from(text));
  for (const [role, bytes] of texts) {
    if (role === 'root' || role === 'timestamp') continue;
    const { version } = parseMetadata(bytes).signed;
    roles[role] = { version };
    if (from?.roles[role]?.version !== version) await writeWhole(join(dir, fileOf(role, version)), bytes);
  }
  const [root, timestamp] = [versioned(texts, 'root'), versioned(texts, 'timestamp')];
  const expiresAt = Math.min(...[...texts.values()].map((bytes) => Date.parse(parseMetadata(bytes).signed.expires)));
  const refused = await documents.change(DOCUMENT, (current, { now }) => {
    if (!current || (current.head?.timestamp.version ?? 0) !== (from?.timestamp.version ?? 0))
      return { keep: meanwhile };
    const head = { root, timestamp, roles, expiresAt, importedAt: now };
    return { write: { ...current, head }, result: undefined };
  });
  if (!refused) await removeOthers(dir, [from?.roles ?? {}, roles]);
  return refused;
}

const meanwhile = reject('conflict', 'MIRROR_CHANGED', 'something else was imported in the meantime; import again');

function versioned(texts: TrustedTexts, role: string): { version: number; text: string } {
  const text = (texts.get(role) ?? '').toString();
  return { version: parseMetadata(text).signed.version, text };
}

/** A client that began with the timestamp of before may still fetch what that one names. */
async function removeOthers(dir: string, kept: readonly MirrorHead['roles'][]): Promise<void> {
  const names = kept.flatMap((roles) => Object.entries(roles).map(([role, { version }]) => fileOf(role, version)));
  for (const name of await readdir(dir)) {
    if (!names.includes(name) && !name.endsWith('.root.json')) await rm(join(dir, name), { force: true });
  }
}

/** The repository that clients see: what was imported, in a catalog that is a mirror; else what this catalog signs. */
export function mirroredOr(own: Repository, mirror: Mirror): Repository {
  const isOne = async (): Promise<boolean> => (await mirror.read()) !== undefined;
  const signs = async (): Promise<Rejected | undefined> => ((await isOne()) ? isMirror(SIGNED_ELSEWHERE) : undefined);
  return {
    publish: async (product) => ((await isOne()) ? undefined : own.publish(product)),
    keep: async () => ((await isOne()) ? undefined : own.keep()),
    renewalAt: async () => ((await isOne()) ? Number.MAX_SAFE_INTEGER : own.renewalAt()),
    metadata: async (name) => ((await isOne()) ? mirror.metadata(name) : own.metadata(name)),
    target: async (path) => ((await isOne()) ? mirror.target(path) : own.target(path)),
    prepare: async (wish) => (await signs()) ?? own.prepare(wish),
    check: async (request, release) => (await signs()) ?? own.check(request, release),
    isOffline: async () => (await isOne()) || own.isOffline(),
    signingState: async () => (await signs()) ?? own.signingState(),
  };
}

const SIGNED_ELSEWHERE = 'its keys are where that one is';
export const RELEASES_COME = 'publish there, "lastcall mirror export" there, "lastcall mirror import" here';
