import type { BackupMode, HostRole, RunHost, RunSpec } from '@lastcall/kernel';
import type * as common from './gen/lastcall/common/v1/common.js';
import { Poison } from './poison.js';
import { backupMode, dateToAt, durationToMs, hostRole, installationKind, jobType } from './wire.js';

/*
 * A run's spec as every consumer needs it: narrowed once, all missing fields named together, so that nothing behind it
 * tests for undefined. An event whose spec cannot be read is poison.
 */

function parseHost(wire: common.RunHost): RunHost | undefined {
  const role: HostRole | undefined = hostRole.fromWire(wire.role);
  return role && { host: wire.host, role, mayFollowLater: wire.mayFollowLater };
}

export function parseRunSpec(wire: common.RunSpec | undefined): RunSpec {
  if (!wire) throw new Poison('the event carries no run');
  const type = jobType.fromWire(wire.type);
  const kind = installationKind.fromWire(wire.kind);
  const hosts = wire.hosts.map(parseHost);
  const known = hosts.filter((h) => h !== undefined);
  const nominalAt = dateToAt(wire.nominalTime);
  const startedAt = dateToAt(wire.startedAt);
  const deadlineAt = dateToAt(wire.deadline);
  const mode: BackupMode = backupMode.fromWire(wire.backupMode) ?? 'take';
  const closedForMs = durationToMs(wire.closedFor);
  const isNameless = type === 'run-command' && wire.command === '';
  const isEndless = type === 'maintenance-window' && closedForMs === undefined;
  if (
    wire.run === '' ||
    wire.installation === '' ||
    type === undefined ||
    kind === undefined ||
    known.length !== hosts.length ||
    nominalAt === undefined ||
    startedAt === undefined ||
    deadlineAt === undefined ||
    isEndless ||
    isNameless
  ) {
    const missing = [
      wire.run === '' && 'run',
      wire.installation === '' && 'installation',
      type === undefined && 'type',
      kind === undefined && 'kind',
      known.length !== hosts.length && 'hosts.role',
      nominalAt === undefined && 'nominal_time',
      startedAt === undefined && 'started_at',
      deadlineAt === undefined && 'deadline',
      isEndless && 'closed_for',
      isNameless && 'command',
    ].filter((name) => name !== false);
    throw new Poison(`the run's spec lacks or has unknown values in: ${missing.join(', ')}`);
  }
  return {
    run: wire.run,
    installation: wire.installation,
    job: wire.job,
    type,
    kind,
    product: wire.product,
    fromVersion: wire.fromVersion,
    toVersion: wire.toVersion,
    hosts: known,
    reactionTimeMs: durationToMs(wire.reactionTime) ?? 0,
    message: wire.message,
    backupMode: mode,
    backupMaxAgeMs: durationToMs(wire.backupMaxAge) ?? 0,
    fence: wire.fence,
    nominalAt,
    startedAt,
    deadlineAt,
    requestedBy: wire.requestedBy,
    timeZone: wire.timeZone,
    holdsAllowed: wire.holdsAllowed,
    whatsNew: wire.whatsNew,
    ...(wire.downgrade && { downgrade: { dataFrom: wire.downgrade.dataFrom } }),
    ...(closedForMs !== undefined && { closedForMs }),
    ...(wire.command !== '' && { command: wire.command }),
    ...(wire.backupKeep > 0 && { backupKeep: wire.backupKeep }),
    ...(wire.traceparent !== '' && { traceparent: wire.traceparent }),
  };
}
