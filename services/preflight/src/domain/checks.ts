import type { RunHost } from '@lastcall/kernel';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import { antivirusChecks } from './antivirus-checks.js';
import { bytes, ok, no, skipped, unknown, type Answered } from './check-text.js';
import {
  newestBackup,
  serverOf,
  type BackupBasis,
  type Check,
  type HostAnswer,
  type HostFacts,
  type Occasion,
  type Requirements,
} from './facts.js';
import { isAtLeast } from './versions.js';

/*
 * Every check of a report from what the hosts answered. Owns the rules of readiness; asks nobody. A question without an
 * answer is `unknown` and blocks, except on a host that may follow later: that one is left out and catches up.
 */

/** Further apart than this, times in reports and due times cannot be compared. */
const MAX_CLOCK_DIFFERENCE_MS = 5 * MINUTE_MS;

export interface Evaluation {
  readonly checks: readonly Check[];
  /** Hosts that follow later. */
  readonly absentHosts: readonly string[];
  readonly backup: BackupBasis;
}

export function evaluate(
  occasion: Occasion,
  answers: Readonly<Record<string, HostAnswer | undefined>>,
  at: number,
): Evaluation {
  const absentHosts: string[] = [];
  const checks = occasion.hosts.flatMap((host) => {
    const answer = answers[host.host];
    const behind = answer?.kind === 'facts' && isBehind(occasion, answer.facts);
    if (host.mayFollowLater && (answer?.kind !== 'facts' || behind)) {
      absentHosts.push(host.host);
      return [followsLater(host, answer, at)];
    }
    return hostChecks(occasion, host, answer, at);
  });
  return {
    checks: [...installationChecks(occasion, answers, at), ...checks],
    absentHosts,
    backup: backupBasis(occasion, answers),
  };
}

function isBehind(occasion: Occasion, facts: HostFacts): boolean {
  return occasion.fromVersion !== '' && facts.installedVersion !== occasion.fromVersion;
}

function followsLater(host: RunHost, answer: HostAnswer | undefined, at: number): Check {
  const found =
    answer?.kind === 'facts'
      ? `has version ${answer.facts.installedVersion || 'none'}`
      : (answer?.failure.message ?? 'did not answer');
  return skipped(
    { check: 'host-online', host: host.host, asked: 'the host answers' },
    `${found}; it follows later`,
    answer?.at ?? at,
  );
}

function installationChecks(
  occasion: Occasion,
  answers: Readonly<Record<string, HostAnswer | undefined>>,
  at: number,
): Check[] {
  const servers = occasion.hosts.filter((h) => h.role === 'server').map((h) => h.host);
  const subject = { check: 'hosts', host: '', asked: 'exactly one host with the role server has joined' };
  const hosts =
    servers.length === 1
      ? ok(subject, `${occasion.hosts.length} hosts; the server is ${servers[0]}`, at)
      : no(
          subject,
          servers.length === 0 ? 'none' : servers.join(', '),
          'Join the server: lastcall host join-token --role server',
          at,
        );
  const more = occasion.dataFrom ? [restorePoint(occasion, occasion.dataFrom, at)] : [];
  if (occasion.backupMode === 'made-elsewhere') more.push(backupAge(occasion, answers, at));
  return [hosts, ...more];
}

/** Where the data of an older version comes from. */
function restorePoint(
  { requirements }: Occasion,
  { restorePoint: name, backup }: NonNullable<Occasion['dataFrom']>,
  at: number,
): Check {
  const version = requirements?.version ?? '';
  const asked = `${name} is a proven backup of version ${version} or older`;
  const subject = { check: 'restore-point', host: '', asked };
  const remedy = `Name another one (lastcall backup list)`;
  if (!backup?.verified) return no(subject, 'no proven backup of this name is known', remedy, at);
  const found = `of version ${backup.version}, ${new Date(backup.takenAt).toISOString()}`;
  return isAtLeast(version, backup.version) ? ok(subject, found, at) : no(subject, found, remedy, at);
}

/** What the backup of this run starts from. */
function backupBasis(occasion: Occasion, answers: Readonly<Record<string, HostAnswer | undefined>>): BackupBasis {
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
function isNeedless(demands: Requirements | undefined, canBackUp: boolean | undefined): boolean {
  return demands !== undefined && !demands.changesData && canBackUp === false;
}

function backupAge(occasion: Occasion, answers: Readonly<Record<string, HostAnswer | undefined>>, at: number): Check {
  const hours = Math.round(occasion.backupMaxAgeMs / HOUR_MS);
  const subject = { check: 'backup-age', host: '', asked: `a proven backup that is at most ${hours} hours old` };
  const remedy = 'Take one: lastcall backup take';
  const { newest: backup } = backupBasis(occasion, answers);
  if (!backup) return no(subject, 'no proven backup is known', remedy, at);
  const ageMs = at - backup.takenAt;
  const found = `${backup.restorePoint}, ${(ageMs / HOUR_MS).toFixed(1)} hours old`;
  return ageMs <= occasion.backupMaxAgeMs && ageMs > -DAY_MS ? ok(subject, found, at) : no(subject, found, remedy, at);
}

function hostChecks(occasion: Occasion, host: RunHost, answer: HostAnswer | undefined, at: number): Check[] {
  const online = { check: 'host-online', host: host.host, asked: 'the host answers' };
  if (answer?.kind !== 'facts') {
    const why = answer?.failure.message ?? 'no answer in time';
    return [unknown(online, why, 'Start the host and its agent: lastcall host list shows who is connected', at)];
  }
  const { facts } = answer;
  const questions = occasion.requirements
    ? [...releaseQuestions(occasion, occasion.requirements, host, facts)]
    : [...backupQuestions(occasion, undefined, host, facts)];
  const checks = questions.map((q) => answerQuestion(q, host.host, facts, answer.at));
  const antivirus = occasion.requirements ? antivirusChecks(occasion.requirements, host.host, facts, answer.at) : [];
  return [ok(online, 'answered', answer.at), clockCheck(host.host, facts, answer.at), ...checks, ...antivirus];
}

function clockCheck(host: string, facts: HostFacts, at: number): Check {
  const subject = { check: 'clock', host, asked: 'the clock differs by at most 5 minutes' };
  if (facts.clockAt === undefined) return unknown(subject, 'not said', 'Update the agent', at);
  const seconds = Math.round((facts.clockAt - at) / 1000);
  const found = `${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead'}`;
  return Math.abs(facts.clockAt - at) <= MAX_CLOCK_DIFFERENCE_MS
    ? ok(subject, found, at)
    : no(subject, found, 'Set the clock of the host, by NTP for example', at);
}

/** One demand on one fact. */
interface Question extends Answered {
  readonly check: string;
  readonly asked: string;
  /** Names of the facts that it needs, as the contract has them. */
  readonly needs: readonly string[];
  readonly remedy: string;
}

function answerQuestion(question: Question, host: string, facts: HostFacts, at: number): Check {
  const subject = { check: question.check, host, asked: question.asked };
  if (question.skip !== undefined) return skipped(subject, question.skip, at);
  if (question.met === undefined) {
    const reasons = question.needs.map((name) => facts.unknown[name]).filter((reason) => reason !== undefined);
    return unknown(subject, reasons.join('; ') || 'the host could not find out', question.remedy, at);
  }
  return question.met ? ok(subject, question.found, at) : no(subject, question.found, question.remedy, at);
}

function* releaseQuestions(
  occasion: Occasion,
  demands: Requirements,
  host: RunHost,
  facts: HostFacts,
): Generator<Question> {
  if (occasion.fromVersion !== '') yield installedVersion(occasion, facts);
  if (demands.agentVersion !== '') yield agentVersion(demands, facts);
  if (demands.os.length > 0) yield operatingSystem(demands, facts);
  if (demands.cpuCount > 0) yield cpus(demands, facts);
  if (demands.memoryBytes > 0) yield memory(demands, facts);
  yield stageDisk(demands, facts);
  if (host.role !== 'server') return;
  if (demands.dataVersion !== '') yield dataVersion(occasion, demands);
  if (demands.ports.length > 0) yield ports(demands, facts);
  if (occasion.backupMode === 'take') yield* backupQuestions(occasion, demands, host, facts);
}

function installedVersion({ fromVersion }: Occasion, facts: HostFacts): Question {
  return {
    check: 'installed-version',
    asked: `version ${fromVersion} is installed, as on the others`,
    needs: ['installed_version'],
    met: facts.installedVersion === undefined ? undefined : facts.installedVersion === fromVersion,
    found: facts.installedVersion || 'none',
    remedy: 'Wait until the host has caught up, or install that version: lastcall-agent install',
  };
}

function agentVersion(demands: Requirements, facts: HostFacts): Question {
  return {
    check: 'agent-version',
    asked: `agent ${demands.agentVersion} or newer`,
    needs: ['agent_version'],
    met: facts.agentVersion === undefined ? undefined : isAtLeast(facts.agentVersion, demands.agentVersion),
    found: facts.agentVersion ?? '',
    remedy: 'Update the agent on this host',
  };
}

function operatingSystem(demands: Requirements, { os, osVersion }: HostFacts): Question {
  const fits = demands.os.filter((d) => d.os === os);
  return {
    check: 'operating-system',
    asked: demands.os.map((d) => `${d.os}${d.version === '' ? '' : ` ${d.version} or newer`}`).join(' or '),
    needs: ['os', 'os_version'],
    met:
      os === undefined || (osVersion === undefined && fits.some((d) => d.version !== ''))
        ? undefined
        : fits.some((d) => d.version === '' || isAtLeast(osVersion ?? '', d.version)),
    found: `${os} ${osVersion ?? ''}`.trim(),
    remedy: 'Update the operating system, or take another host',
  };
}

function cpus(demands: Requirements, facts: HostFacts): Question {
  return {
    check: 'cpu',
    asked: `${demands.cpuCount} logical processors`,
    needs: ['cpu_count'],
    met: facts.cpuCount === undefined ? undefined : facts.cpuCount >= demands.cpuCount,
    found: String(facts.cpuCount),
    remedy: 'Give the host more processors',
  };
}

function memory(demands: Requirements, facts: HostFacts): Question {
  return {
    check: 'memory',
    asked: `${bytes(demands.memoryBytes)} of memory`,
    needs: ['memory_bytes'],
    met: facts.memoryBytes === undefined ? undefined : facts.memoryBytes >= demands.memoryBytes,
    found: bytes(facts.memoryBytes ?? 0),
    remedy: 'Give the host more memory',
  };
}

function stageDisk(demands: Requirements, facts: HostFacts): Question {
  const needed = demands.stageFreeBytes + (facts.staged ? 0 : demands.treeBytes);
  return {
    check: 'disk-stage',
    asked: `${bytes(needed)} free where versions are staged`,
    needs: ['stage_free_bytes'],
    met: facts.stageFreeBytes === undefined ? undefined : facts.stageFreeBytes >= needed,
    found: `${bytes(facts.stageFreeBytes ?? 0)}${facts.staged ? '; already staged' : ''}`,
    remedy: 'Free some disk space on this host',
  };
}

function dataVersion({ fromVersion }: Occasion, demands: Requirements): Question {
  return {
    check: 'data-version',
    asked: `data of version ${demands.dataVersion} or newer`,
    needs: ['installed_version'],
    met: fromVersion === '' ? undefined : isAtLeast(fromVersion, demands.dataVersion),
    found: fromVersion,
    remedy: `Update to a version between first; ${demands.version} cannot take over older data`,
  };
}

function ports(demands: Requirements, facts: HostFacts): Question {
  const known = new Map((facts.ports ?? []).map((p) => [p.port, p.usable]));
  const taken = demands.ports.filter((port) => known.get(port) === false);
  const unsure = demands.ports.some((port) => !known.has(port));
  return {
    check: 'ports',
    asked: `TCP ports ${demands.ports.join(', ')} are free, or used by the application itself`,
    needs: ['ports'],
    met: taken.length > 0 ? false : unsure ? undefined : true,
    found: taken.length > 0 ? `${taken.join(', ')} in use by another program` : 'free',
    remedy: 'Stop the program that uses the port',
  };
}

function* backupQuestions(
  occasion: Occasion,
  demands: Requirements | undefined,
  host: RunHost,
  facts: HostFacts,
): Generator<Question> {
  const holder = serverOf(occasion.hosts) ?? occasion.hosts[0];
  if (holder?.host !== host.host) return;
  const needless = isNeedless(demands, facts.canBackUp);
  const nothing = 'the installed release has no backup command and this update changes no data';
  yield {
    check: 'backup',
    asked: 'the installed release can back its data up',
    needs: ['can_back_up'],
    met: facts.canBackUp,
    ...(needless ? { skip: nothing } : {}),
    found: facts.canBackUp ? 'it has a backup command' : 'its manifest has no backup command',
    remedy: 'Make a backup elsewhere and say so in the job (made-elsewhere)',
  };
  if (needless) return;
  const known = facts.backupFreeBytes !== undefined && facts.dataBytes !== undefined;
  const needed = (facts.dataBytes ?? 0) + (demands?.backupFreeBytes ?? 0);
  yield {
    check: 'disk-backup',
    asked: `${bytes(needed)} free where backups are kept`,
    needs: ['backup_free_bytes', 'data_bytes'],
    met: known ? (facts.backupFreeBytes ?? 0) >= needed : undefined,
    found: bytes(facts.backupFreeBytes ?? 0),
    remedy: 'Free some disk space, or delete old backups',
  };
}
