import type { installerV1 } from '@lastcall/contracts';
import { hostRole, preflightV1, sessionV1, type catalogV1 } from '@lastcall/contracts';
import { gateWord, lastPart } from '../render/words.js';
import { span, time } from '../render/time.js';
import { count } from '../render/text.js';
import { good, wrong, type Finding } from './finding.js';

/* One installation: its gate, its hosts, its backups. */

export interface Seen {
  readonly installation: catalogV1.Installation;
  /** Undefined: could not be asked, which has its own finding. */
  readonly gate: sessionV1.Gate | undefined;
  readonly hosts: readonly installerV1.Host[] | undefined;
  /** The newest. */
  readonly plan: installerV1.Plan | undefined;
  readonly report: preflightV1.Report | undefined;
  /** Newest first, as many as one page has. */
  readonly backups: readonly preflightV1.Backup[] | undefined;
}

const MAX_SHUT_MS = 2 * 3_600_000;
const MAX_BACKUP_AGE_MS = 48 * 3_600_000;
/** Holidays of a person; a server or terminal server that is away is wrong at once. */
const MAX_WORKSTATION_AWAY_MS = 21 * 86_400_000;

export function judgeInstallation(seen: Seen, at: number): Finding[] {
  const id = lastPart(seen.installation.name);
  const findings = [
    ...judgeGate(id, seen, at),
    ...(seen.hosts ?? []).flatMap((host) => judgeHost(id, host, seen, at)),
    ...judgeQuarantine(id, seen.plan),
    ...judgeClocks(id, seen),
    ...judgeBackups(id, seen, at),
  ];
  return findings.length > 0 ? findings : [good(id, summary(seen))];
}

function summary({ gate, hosts }: Seen): string {
  const connected = hosts?.filter((host) => host.connected).length ?? 0;
  const ofHosts = hosts && `${connected} of ${count(hosts.length, 'host')} connected`;
  return [gate && `gate ${gateWord(gate.state)}`, ofHosts].filter(Boolean).join(', ');
}

function judgeGate(id: string, { gate }: Seen, at: number): Finding[] {
  if (!gate) return [];
  const about = `${id} gate`;
  const why = gate.reason ? `: ${gate.reason}` : '';
  if (gate.alarm) {
    const remedy = `A person has to decide: "lastcall run report -i ${id}" says what failed, "lastcall gate open -i ${id} --reason …" opens when it is put right.`;
    return [wrong(about, `in alarm${why}`, remedy)];
  }
  const shut = Object.entries(gate.shutHosts).map(([host, reason]) =>
    wrong(
      `${id} ${host}`,
      `stays shut for its users: ${reason}`,
      `Start the client there once ("lastcall gate first-start ${id} ${host}"), or see "lastcall gate show -i ${id}".`,
    ),
  );
  const forMs = gate.closedAt ? at - gate.closedAt.getTime() : 0;
  if (gate.state === sessionV1.GateState.OPEN || forMs < MAX_SHUT_MS) return shut;
  const remedy = gate.run
    ? `See what the run is at: "lastcall run show ${gate.run} -i ${id}".`
    : `A person shut it; when that is over: "lastcall gate open -i ${id} --reason …".`;
  return [wrong(about, `${gateWord(gate.state)} for ${span(forMs)}${why}`, remedy), ...shut];
}

function judgeHost(id: string, host: installerV1.Host, { installation }: Seen, at: number): Finding[] {
  const about = `${id} ${lastPart(host.name)}`;
  const findings: Finding[] = [];
  const failure = host.agentUpdate?.failure;
  if (failure) {
    const remedy = `Put that right and repeat: "lastcall host update-agent ${lastPart(host.name)} -i ${id} --version ${host.agentUpdate?.version}".`;
    findings.push(
      wrong(about, `its agent could not be updated to ${host.agentUpdate?.version}: ${failure.message}`, remedy),
    );
  }
  const away = host.lastSeenTime ? at - host.lastSeenTime.getTime() : Infinity;
  const allowed = hostRole.fromWire(host.role) === 'workstation' ? MAX_WORKSTATION_AWAY_MS : 0;
  if (host.connected || away < allowed) return findings;
  const seen = host.lastSeenTime
    ? `since ${time(host.lastSeenTime, installation.timeZone || 'UTC')}`
    : 'and was never seen';
  const remedy =
    'Look whether it runs, its service lastcall-agent is started, and the address of the services can be reached from it.';
  return [...findings, wrong(about, `its agent (${host.agentVersion || 'unknown'}) is not connected ${seen}`, remedy)];
}

function judgeQuarantine(id: string, plan: installerV1.Plan | undefined): Finding[] {
  const tasks = plan?.tasks.filter(({ state }) => state === 'quarantined') ?? [];
  return tasks.map(({ host, failure }) => {
    const remedy = `Put it right and bring it back: "lastcall host release-quarantine ${host} -i ${id} --reason …".`;
    return wrong(
      `${id} ${host}`,
      `is quarantined since run ${lastPart(plan?.name ?? '')}: ${failure?.message ?? ''}`,
      remedy,
    );
  });
}

/** Of hosts: asked by preflight, so as old as the newest report. */
function judgeClocks(id: string, { report, installation }: Seen): Finding[] {
  const checks = report?.checks ?? [];
  return checks
    .filter(({ check, verdict }) => check === 'clock' && verdict === preflightV1.Verdict.FAILED)
    .map(({ host, found, remedy, answeredAt }) => {
      const when = time(answeredAt, installation.timeZone || 'UTC') ?? 'when it was asked last';
      return wrong(
        `${id} ${host}`,
        `its clock was ${found} at ${when}`,
        `${remedy}. Ask again: "lastcall preflight check -i ${id}".`,
      );
    });
}

function judgeBackups(id: string, { backups, hosts }: Seen, at: number): Finding[] {
  // Data is where a server is; before one has joined there is nothing to back up.
  if (!backups || !hosts?.some((host) => hostRole.fromWire(host.role) === 'server')) return [];
  const proven = backups.find(
    (b) => b.verified && !b.failure && !b.pending && !b.deleting && !b.deleteTime && !b.verifyFailure,
  );
  const age = proven?.takenAt ? at - proven.takenAt.getTime() : Infinity;
  if (age <= MAX_BACKUP_AGE_MS) return [];
  const found = Number.isFinite(age) ? `the last proven backup is ${span(age)} old` : 'there is no proven backup';
  const remedy = `Take one: "lastcall backup take -i ${id}"; a job of type data-backup takes one each night. "lastcall backup list -i ${id}" says what failed.`;
  return [wrong(`${id} backup`, found, remedy)];
}
