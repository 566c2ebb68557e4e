import type { OfflineRole, TrustFile } from '@lastcall/trust';

/* What a change of keys does to clients, before it is done. */

const EFFECT: Readonly<Record<OfflineRole, string>> = {
  root: 'Clients take the next root at their next look, because the keys before and the keys after have both signed it; those that pinned any earlier root follow too. No host has to join again.',
  targets:
    'The list of products is signed again by the keys that are left; clients take it at their next look. Nothing is downloaded again.',
  releases:
    'Every list of releases is signed again by the keys that are left; clients take them at their next look. No release is published or downloaded again.',
};

/** Lines for people. */
export function explainReplacement(
  trust: TrustFile,
  role: OfflineRole,
  name: string,
  by: string,
  why: 'rotated' | 'revoked',
): readonly string[] {
  const { threshold, keys } = trust.roles[role];
  const others = keys.filter((key) => key.name !== name).map((key) => key.name);
  return [
    `${name} will sign no more; ${by} takes its place. ${threshold} of ${[...others, by].join(', ')} must sign for ${role}.`,
    EFFECT[role],
    ...(why === 'revoked' ? revokedLines(role, name, threshold) : []),
    `Needed for it: signatures of ${needed(role, threshold)}.`,
    'Nothing changes for anybody before "lastcall keys apply" is done.',
  ];
}

function revokedLines(role: OfflineRole, name: string, threshold: number): string[] {
  const lines = [
    `A client that cannot reach the catalog believes ${name} until it can. Alone it could never sign anything: ${threshold} keys must.`,
  ];
  if (role === 'releases')
    lines.push(
      'What was signed with it is signed again: look at "lastcall release list" for what nobody of you published.',
    );
  if (threshold === 1)
    lines[0] = `Whoever has ${name} can sign for ${role} alone until clients have taken the change. Do it now.`;
  return lines;
}

function needed(role: OfflineRole, threshold: number): string {
  const signers: Readonly<Record<OfflineRole, string>> = {
    root: `${threshold} of the root keys before and ${threshold} of those after`,
    targets: 'the root keys, and of the targets keys as they are then',
    releases: 'the targets keys, and of the releases keys as they are then',
  };
  return signers[role];
}

export const HAND_OVER_LINES: readonly string[] = [
  'From now on these keys sign who may sign what, the products and the releases; the catalog signs snapshot and timestamp only.',
  'Clients take the next root at their next look: the key that they believe until now signs it too. No host has to join again.',
  'The catalog deletes its own keys for root, targets and releases. There is no way back to a catalog that signs by itself.',
  'Each publication needs these keys from then on. Keep copies of the key files, and the passphrase, in two places.',
];
