import { join } from 'node:path';
import { Defect } from '@lastcall/kernel';
import { keyIdOf, publicKeyFromHex, rootKeysOf, type KeySet, type RootKeys, type TufKey } from '@lastcall/trust';
import type { OfflineTrust } from '../domain/repository.js';
import { writeOnce } from '../files.js';
import { forgetKeys, heldKeys, keySetOf, rootKeysFor, type RoleKeys, type TufPolicy } from './keys.js';
import { parseMetadata, rootPath } from './roots.js';

/*
 * Who signs what, and which of these keys are here. Either all of them (one site, nothing set up), or only those of snapshot and
 * timestamp: since the hand-over, which the head of the repository records.
 */

export interface Authority {
  readonly root: RootKeys;
  /** Signs for products, by delegation from `targets`. */
  readonly releases: KeySet;
  readonly snapshotKeys: readonly TufKey[];
  readonly timestampKeys: readonly TufKey[];
  /** Keys of all roles; absent since the hand-over. */
  readonly own?: RoleKeys;
}

export function ownAuthority(own: RoleKeys, policy: TufPolicy): Authority {
  return {
    root: rootKeysFor(own, policy),
    releases: keySetOf(own, policy, 'releases'),
    snapshotKeys: own.snapshot,
    timestampKeys: own.timestamp,
    own,
  };
}

function releaseKeysOf({ releases }: OfflineTrust): KeySet {
  return { keys: releases.keys.map(publicKeyFromHex), threshold: releases.threshold };
}

export function toOfflineTrust(rootText: string, releases: KeySet): OfflineTrust {
  return {
    root: { version: parseMetadata(rootText).signed.version, text: rootText },
    releases: { keys: releases.keys.map((key) => key.keyval.public), threshold: releases.threshold },
  };
}

export async function offlineAuthority(keysDir: string, trust: OfflineTrust): Promise<Authority> {
  const root = rootKeysOf(parseMetadata(trust.root.text).signed);
  const held = async (role: 'snapshot' | 'timestamp'): Promise<readonly TufKey[]> => {
    const wanted = new Set(root[role].keys.map(keyIdOf));
    const keys = (await heldKeys(keysDir, role)).filter((key) => wanted.has(key.id));
    if (keys.length >= root[role].threshold) return keys;
    throw new Defect(
      `the catalog's key for ${role} is not in ${keysDir}; bring it back from a backup, or give the catalog a new one with ` +
        '"lastcall keys apply --new-online-keys"',
    );
  };
  return {
    root,
    releases: releaseKeysOf(trust),
    snapshotKeys: await held('snapshot'),
    timestampKeys: await held('timestamp'),
  };
}

/** What follows a hand-over or a next root and may be repeated: the root's file, and the keys here that nobody trusts any more. */
export async function settle(metadataDir: string, keysDir: string, { root }: OfflineTrust): Promise<void> {
  await writeOnce(rootPath(metadataDir, root.version), Buffer.from(root.text));
  await forgetKeys(keysDir);
}

export function keysDirOf(dir: string): string {
  return join(dir, 'keys');
}
