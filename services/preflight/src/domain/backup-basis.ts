import {
  newestBackup,
  serverOf,
  type BackupBasis,
  type HostAnswer,
  type Occasion,
  type Requirements,
} from './facts.js';

/** What the backup of a run starts from. */
export function backupBasis(
  occasion: Occasion,
  answers: Readonly<Record<string, HostAnswer | undefined>>,
): BackupBasis {
  const server = serverOf(occasion.hosts);
  const answer = server && answers[server.host];
  const facts = answer?.kind === 'facts' ? answer.facts : undefined;
  return {
    needless: isNeedless(occasion.requirements, facts?.canBackUp),
    changesData: occasion.requirements?.changesData ?? true,
    newest: newestBackup([occasion.knownBackup, facts?.lastBackup]),
  };
}

/** Nothing to back up: neither has the installed release a way to do it, nor does the update change any data. */
export function isNeedless(demands: Requirements | undefined, canBackUp: boolean | undefined): boolean {
  return demands !== undefined && !demands.changesData && canBackUp === false;
}

/** Whether this host is the one that a backup would be taken on. */
export function holdsData(occasion: Occasion, host: string): boolean {
  return (serverOf(occasion.hosts) ?? occasion.hosts[0])?.host === host;
}
