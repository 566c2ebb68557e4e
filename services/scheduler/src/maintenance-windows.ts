import { backupMode, durationToMs, type schedulerV1 } from '@lastcall/contracts';
import { checkRange, DAY_MS, HOUR_MS, SECOND_MS, type JobType, type Violation } from '@lastcall/kernel';
import type { JobDefinition } from './domain/job.js';
import type { Place } from './spec.js';
import { minutes } from './window.js';

/*
 * Jobs of type maintenance-window: a notice, a logoff and a gate that stays shut for a while. They concern no host and no release.
 */

/** A run has to end within a day, its logoff included. */
const MAX_CLOSED_MS = 23 * HOUR_MS;
/** For holds, the logoff and whatever is slow. */
const SLACK_MS = 2 * HOUR_MS;
const FIELD = 'job.closed_for';

/** What is wrong with the fields that only a maintenance window has, or must not have. */
export function maintenanceViolations(wire: schedulerV1.Job, type: JobType | undefined): (Violation | undefined)[] {
  const closedForMs = durationToMs(wire.closedFor);
  if (type !== 'maintenance-window') {
    const isStray = type !== undefined && closedForMs !== undefined;
    return [isStray ? { field: FIELD, description: `is for maintenance windows only; this is a ${type}` } : undefined];
  }
  const missing = { field: FIELD, description: 'is missing; say how long the gate stays shut, 1 s to 23 h' };
  const elsewhere = backupMode.fromWire(wire.backupMode) === 'made-elsewhere';
  const others = {
    'job.version': wire.version,
    'job.service_host': wire.serviceHost,
    'job.backup_mode': elsewhere ? 'made-elsewhere' : '',
  };
  return [
    closedForMs === undefined ? missing : checkRange(FIELD, closedForMs, SECOND_MS, MAX_CLOSED_MS, 'ms (1 s to 23 h)'),
    ...Object.entries(others).map(([field, value]) =>
      value === ''
        ? undefined
        : { field, description: 'is not for a maintenance window: nothing is installed or backed up' },
    ),
  ];
}

/** What a maintenance window may take when its job does not say; undefined: it is none. */
export function defaultRunTimeMs(wire: schedulerV1.Job, type: JobType | undefined): number | undefined {
  if (type !== 'maintenance-window') return undefined;
  const wanted = (durationToMs(wire.closedFor) ?? 0) + (durationToMs(wire.reactionTime) ?? 0) + SLACK_MS;
  return Math.min(Math.max(wanted, SLACK_MS), DAY_MS);
}

/** What is wrong with it at this installation. */
export function maintenanceProblems(definition: JobDefinition, place: Place): readonly Violation[] {
  const { closedForMs = 0, maxRunTimeMs, reactionTimeMs = place.reactionTimeMs } = definition;
  const cannot = whyNoMaintenance(definition, place);
  if (cannot !== undefined) return [{ field: 'job.type', description: cannot }];
  if (definition.type !== 'maintenance-window' || reactionTimeMs + closedForMs <= maxRunTimeMs) return [];
  const needs = `with the reaction time of ${minutes(reactionTimeMs)} it takes ${minutes(reactionTimeMs + closedForMs)}`;
  const description = `${needs}, longer than its maximum run time of ${minutes(maxRunTimeMs)}; change one of the three`;
  return [{ field: FIELD, description }];
}

/** Why there is no maintenance window of this job here; undefined: there may be, or it is none. */
export function whyNoMaintenance({ type }: JobDefinition, { kind }: Pick<Place, 'kind'>): string | undefined {
  if (type !== 'maintenance-window' || kind === 'multi-user') return undefined;
  return 'a maintenance window is for installations with many users; this one has a single seat, with nobody to log off';
}

export function needsHosts({ type }: JobDefinition): boolean {
  return type !== 'maintenance-window';
}
