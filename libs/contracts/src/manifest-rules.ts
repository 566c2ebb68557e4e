import type { HostRole } from '@lastcall/kernel';
import type { ManifestAction, ManifestCheck, ReleaseManifest, RoleCommands } from './manifest-shape.js';

/*
 * Rules of the manifest that a schema cannot say: what has to fit together. Each names the place that has to change.
 */

export interface RuleBreach {
  readonly path: readonly (string | number)[];
  readonly rule: string;
}

/** Everything that does not fit; none for a good manifest. */
export function checkManifest(manifest: ReleaseManifest): readonly RuleBreach[] {
  return [
    ...checkArtifacts(manifest),
    ...checkRoles(manifest),
    ...checkChecks(manifest),
    ...checkActions(manifest),
    ...checkUpdatesFrom(manifest),
  ];
}

function checkArtifacts({ artifacts }: ReleaseManifest): RuleBreach[] {
  const seen = new Set<string>();
  const breaches: RuleBreach[] = [];
  artifacts.forEach((artifact, i) => {
    const key = `${artifact.role} on ${artifact.platform}`;
    if (seen.has(key)) breaches.push({ path: ['artifacts', i, 'role'], rule: `a second artifact for ${key}` });
    seen.add(key);
    const parts = artifact.directory.split('/');
    if (artifact.directory.startsWith('/') || artifact.directory.includes('\\') || parts.includes('..')) {
      breaches.push({
        path: ['artifacts', i, 'directory'],
        rule: 'must be a folder below the manifest, written with /',
      });
    }
  });
  if (!artifacts.some((a) => a.role === 'server')) {
    breaches.push({ path: ['artifacts'], rule: 'lacks an artifact for the role server' });
  }
  return breaches;
}

function checkRoles(manifest: ReleaseManifest): RuleBreach[] {
  const roles = new Set(manifest.artifacts.map((a) => a.role));
  return (Object.entries(manifest.commands) as [HostRole, RoleCommands][]).flatMap(([role, commands]) => [
    ...(roles.has(role) ? [] : [{ path: ['commands', role], rule: `there is no artifact for the role ${role}` }]),
    ...checkCommands(role, commands),
  ]);
}

function checkCommands(role: HostRole, commands: RoleCommands): RuleBreach[] {
  const at = (name: string, rule: string): RuleBreach => ({ path: ['commands', role, name], rule });
  const breaches: RuleBreach[] = [];
  if (commands.migrate && !(commands.backup && commands.restore)) {
    breaches.push(
      at('migrate', 'changes data, so the role needs backup and restore too: a failed update must be undone'),
    );
  }
  if (commands.backup && !commands.restore) breaches.push(at('backup', 'needs a restore command beside it'));
  if (commands.backup && !commands.verifyBackup) {
    breaches.push(at('backup', 'needs a verifyBackup command beside it: a backup that nobody proved does not count'));
  }
  if (commands.restore && !commands.backup) breaches.push(at('restore', 'needs a backup command beside it'));
  if (commands.firstStart && role !== 'terminal-server') {
    breaches.push(at('firstStart', 'is for the role terminal-server only'));
  }
  if (commands.health && 'http' in commands.health && !isLocal(commands.health.http)) {
    breaches.push(
      at('health', 'must be an http address of this host: http://127.0.0.1, http://localhost or http://[::1]'),
    );
  }
  return breaches;
}

/** All of them together must fit into the time in which a host answers. */
const MAX_CHECK_TIMEOUT_MS = 10_000;

function checkChecks({ checks = [], artifacts }: ReleaseManifest): RuleBreach[] {
  return checkNamed('checks', checks, artifacts, { maxMs: MAX_CHECK_TIMEOUT_MS, most: '10s' });
}

/** A run has to end within a day, and an action has to end before it. */
const MAX_ACTION_TIMEOUT_MS = 4 * 3_600_000;

function checkActions({ actions = [], artifacts }: ReleaseManifest): RuleBreach[] {
  return checkNamed('actions', actions, artifacts, { maxMs: MAX_ACTION_TIMEOUT_MS, most: '4h' });
}

/** Commands of the vendor that have an id of their own, and a role. */
function checkNamed(
  list: 'checks' | 'actions',
  commands: readonly (ManifestCheck | ManifestAction)[],
  artifacts: ReleaseManifest['artifacts'],
  { maxMs, most }: { readonly maxMs: number; readonly most: string },
): RuleBreach[] {
  const roles = new Set(artifacts.map((a) => a.role));
  return commands.flatMap(({ id, role, timeoutMs }, i) => {
    const at = (name: string, rule: string): RuleBreach => ({ path: [list, i, name], rule });
    return [
      ...(commands.findIndex((other) => other.id === id) < i ? [at('id', `a second ${list.slice(0, -1)} ${id}`)] : []),
      ...(roles.has(role) ? [] : [at('role', `there is no artifact for the role ${role}`)]),
      ...(timeoutMs < 1 || timeoutMs > maxMs ? [at('timeout', `must be at most ${most}`)] : []),
    ];
  });
}

/** A health check asks the host itself and nobody else. */
function isLocal(address: string): boolean {
  return /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:(\d{1,5}|\$\{[A-Z_][A-Z0-9_]*\}))?(\/[^\s]*)?$/.test(address);
}

function checkUpdatesFrom({ updatesFrom, version }: ReleaseManifest): RuleBreach[] {
  const own = updatesFrom.required.indexOf(version);
  return own < 0 ? [] : [{ path: ['updatesFrom', 'required', own], rule: 'a release cannot require itself' }];
}
