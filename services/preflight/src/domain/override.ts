import { checkText, collect, DAY_MS, invalid, quoted, reject, type Rejected, type Violation } from '@lastcall/kernel';
import { CHECKS } from './checks/registry.js';
import { isBlocking } from './evaluate.js';
import type { Check, Override } from './facts.js';

/*
 * A person's word that a check need not hold up the runs of a job. Owns which checks can be overridden, for how long, and what it does to
 * a report: the verdict stays, and the override stands beside it.
 */

export const MAX_OVERRIDE_MS = 7 * DAY_MS;
export const MAX_REASON_CHARS = 1_000;

export interface WantedOverride {
  readonly check: string;
  /** Empty: any. */
  readonly host: string;
  readonly reason: string;
  /** Undefined: not said. */
  readonly expiresAt: number | undefined;
}

/** What is wrong with it, everything at once. `hosts` are those of the installation. */
export function refuseOverride(wanted: WantedOverride, hosts: readonly string[], now: number): Rejected | undefined {
  const { check, host, reason, expiresAt } = wanted;
  const module = CHECKS.find((c) => c.name === check);
  const overridable = CHECKS.filter((c) => c.neverOverridden === undefined).map((c) => c.name);
  const wrong: Violation[] = collect(
    module
      ? undefined
      : { field: 'override.check', description: `is ${quoted(check)}; allowed are ${overridable.join(', ')}` },
    host === '' || hosts.includes(host)
      ? undefined
      : { field: 'override.host', description: `${quoted(host)} is no host of the installation (${hosts.join(', ')})` },
    checkText('override.reason', reason, { min: 1, max: MAX_REASON_CHARS }),
    wrongExpiry(expiresAt, now),
  );
  if (wrong.length > 0) return invalid(wrong);
  if (module?.neverOverridden === undefined) return undefined;
  const message = `${check} can never be overridden: ${module.neverOverridden}; do what its remedy says. Others can be: ${overridable.join(', ')}`;
  return reject('refused', 'NEVER_OVERRIDDEN', message, { facts: { check } });
}

function wrongExpiry(expiresAt: number | undefined, now: number): Violation | undefined {
  const field = 'override.expire_time';
  if (expiresAt === undefined || Number.isNaN(expiresAt)) {
    return { field, description: 'is missing; an override holds until a time that is at most 7 days away' };
  }
  if (expiresAt > now && expiresAt <= now + MAX_OVERRIDE_MS) return undefined;
  const latest = new Date(now + MAX_OVERRIDE_MS).toISOString();
  return { field, description: `is out of range; allowed is a time in the future until ${latest} (7 days)` };
}

/** Whether it holds at that time. */
export function isStanding({ expiresAt, revokedAt }: Override, at: number): boolean {
  return revokedAt === undefined && at < expiresAt;
}

/** The checks with what a person has said about those that block. */
export function withOverrides(checks: readonly Check[], overrides: readonly Override[], at: number): readonly Check[] {
  const standing = overrides.filter((o) => isStanding(o, at));
  return checks.map((check) => {
    if (!isBlocking(check) || !canBeOverridden(check.check)) return check;
    const found = standing.find((o) => o.check === check.check && (o.host === '' || o.host === check.host));
    return found ? { ...check, override: found } : check;
  });
}

/** Whatever is stored: a check that nobody can override is not. */
function canBeOverridden(check: string): boolean {
  return CHECKS.some((c) => c.name === check && c.neverOverridden === undefined);
}
