import {
  backupMode,
  catalogV1,
  hostRole,
  identityV1,
  installationKind,
  jobType,
  preflightV1,
  runOutcome,
  schedulerV1,
  sessionV1,
  type commonV1,
} from '@lastcall/contracts';

/* Enum values of the wire in the words of the glossary. One of a newer server is `unknown`. */

/** `JOB_STATE_ENABLED` → `enabled`. */
function word(json: string, prefix: string): string {
  return json.startsWith(prefix) ? json.slice(prefix.length).toLowerCase().replaceAll('_', '-') : 'unknown';
}

export const roleWord = (role: commonV1.HostRole): string => hostRole.fromWire(role) ?? 'unknown';
export const kindWord = (kind: commonV1.InstallationKind): string => installationKind.fromWire(kind) ?? 'unknown';
export const jobTypeWord = (type: commonV1.JobType): string => jobType.fromWire(type) ?? 'unknown';
export const backupWord = (mode: commonV1.BackupMode): string => backupMode.fromWire(mode) ?? 'take';

/** Empty while a run is active. */
export const outcomeWord = (outcome: commonV1.RunOutcome): string => runOutcome.fromWire(outcome) ?? '';

export const releaseStateWord = (state: catalogV1.ReleaseState): string =>
  word(catalogV1.releaseStateToJSON(state), 'RELEASE_STATE_');
export const waveStateWord = (state: catalogV1.WaveState): string =>
  word(catalogV1.waveStateToJSON(state), 'WAVE_STATE_');
export const standingWord = (standing: catalogV1.WaveStanding): string =>
  word(catalogV1.waveStandingToJSON(standing), 'WAVE_STANDING_');
export const fileChangeWord = (kind: catalogV1.FileChangeKind): string =>
  word(catalogV1.fileChangeKindToJSON(kind), 'FILE_CHANGE_KIND_');
export const jobStateWord = (state: schedulerV1.JobState): string =>
  word(schedulerV1.jobStateToJSON(state), 'JOB_STATE_');
export const gateWord = (state: sessionV1.GateState): string => word(sessionV1.gateStateToJSON(state), 'GATE_STATE_');
export const noticeKindWord = (kind: sessionV1.NoticeKind): string =>
  word(sessionV1.noticeKindToJSON(kind), 'NOTICE_KIND_');
export const notificationKindWord = (kind: schedulerV1.NotificationKind): string =>
  word(schedulerV1.notificationKindToJSON(kind), 'NOTIFICATION_KIND_');
export const deliveryStateWord = (state: schedulerV1.DeliveryState): string =>
  word(schedulerV1.deliveryStateToJSON(state), 'DELIVERY_STATE_');
export const tokenRoleWord = (role: identityV1.Role): string => word(identityV1.roleToJSON(role), 'ROLE_');

/** How a session ended; `inside` while it has not, or when nobody knows. */
export function departureWord(departure: sessionV1.Departure): string {
  if (departure === sessionV1.Departure.UNSPECIFIED) return 'inside';
  return word(sessionV1.departureToJSON(departure), 'DEPARTURE_');
}

export function verdictWord(verdict: preflightV1.Verdict): string {
  if (verdict === preflightV1.Verdict.UNSPECIFIED) return 'pending';
  return word(preflightV1.verdictToJSON(verdict), 'VERDICT_');
}

/** `installations/berlin/jobs/nightly` → `nightly`. */
export function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}
