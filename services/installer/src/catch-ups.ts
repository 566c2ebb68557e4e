import { isRejected, run as runDecider, type Rejected } from '@lastcall/kernel';
import type { Change, Collection, Document } from '@lastcall/store';
import { BY_INSTALLATION, type PlanDocument } from './documents.js';
import { catchUp, type CatchUpCommand } from './domain/catch-up.js';
import { policyOf, type FinishedOrder, type PlanState } from './domain/plan-state.js';
import { catchUpEventsToWire } from './plan-events.js';
import type { InstallerSettings } from './settings.js';

/*
 * Hosts that catch up, each within the document of the plan that it catches up with: with which one, and what becomes of the document.
 */

export interface ReturnedHost {
  readonly installation: string;
  readonly host: string;
  readonly version: string;
  /** Highest that the host was given. */
  readonly fence: number;
}

type PlanChange = Change<PlanDocument, number | undefined>;

export const KEEP = { keep: undefined } as const;

/** Plans that are looked through for one that is under way, or that a host has to catch up with. */
const RECENT = 10;

/** The newest first. */
export async function recentPlans(
  plans: Collection<PlanDocument>,
  installation: string,
): Promise<readonly Document<PlanDocument>[]> {
  const query = { index: BY_INSTALLATION, where: { installation }, order: 'descending', limit: RECENT } as const;
  return (await plans.query(query)).items;
}

/** The newest plan but those that have ended without a change. */
export async function newestChange(
  plans: Collection<PlanDocument>,
  installation: string,
): Promise<Document<PlanDocument> | undefined> {
  const recent = await recentPlans(plans, installation);
  return recent.find(({ data: { state } }) => !isSettledWithoutChange(state));
}

/** The newest plan that updated the installation, unless a newer one is under way or has left a person's work. */
export async function planToCatchUpWith(
  plans: Collection<PlanDocument>,
  { installation, host }: ReturnedHost,
): Promise<string | undefined> {
  const found = await newestChange(plans, installation);
  const isLate = found?.data.state.phase === 'updated' && found.data.catchUps?.[host]?.phase === 'waiting';
  return isLate ? found.id : undefined;
}

export function isSettledWithoutChange({ phase }: PlanState): boolean {
  return phase === 'cancelled' || phase === 'rolled-back' || phase === 'none';
}

/** A run that changed nothing may have stood in the way of a host that was late for the one before. */
export function lateHosts({ state, catchUps }: PlanDocument): readonly string[] {
  if (state.phase !== 'none' && isSettledWithoutChange(state)) return state.run.hosts.map((h) => h.host);
  return Object.entries(catchUps ?? {}).flatMap(([host, late]) => (late.phase === 'waiting' ? [host] : []));
}

/** It is connected again. */
export function returnedTo(
  current: PlanDocument,
  { host, version, fence }: ReturnedHost,
  settings: InstallerSettings,
  at: number,
): PlanChange {
  if (current.state.phase !== 'updated') return KEEP;
  const { run, toVersion: wanted, fence: own } = current.state.run;
  // Runs that came later and changed nothing may have raised the host's fence; one that is still to come has a higher one.
  const newest = Math.max(own, fence);
  return caughtUp(current, host, { type: 'return', run, host, version, wanted, fence: newest, at }, settings);
}

/** The same for a host that asks. One that was not late, or is done and has another version all the same, begins anew. */
export function askedOf(
  current: PlanDocument,
  asking: ReturnedHost,
  settings: InstallerSettings,
  at: number,
): PlanChange {
  const { catchUps = {} } = current;
  const before = catchUps[asking.host];
  const isNew = before === undefined || before.phase === 'done';
  // A number that its orders have not had: an order that is repeated is not carried out again.
  const attempts = isNew ? at : 0;
  const fresh = { phase: 'waiting', attempts, failures: 0 } as const;
  const document = isNew ? { ...current, catchUps: { ...catchUps, [asking.host]: fresh } } : current;
  return returnedTo(document, asking, settings, at);
}

export function finishedCatchUp(
  current: PlanDocument,
  finished: FinishedOrder,
  settings: InstallerSettings,
): PlanChange {
  if (current.state.phase !== 'updated') return KEEP;
  const { run, toVersion: wanted } = current.state.run;
  const { settleMs } = policyOf(current.state);
  return caughtUp(current, finished.host, { type: 'finish-order', run, wanted, settleMs, ...finished }, settings);
}

/** A person wants a host that was given up to be tried anew; it begins when it connects or asks. */
export function startedOver(current: PlanDocument, host: string): PlanChange | Rejected {
  const before = current.catchUps?.[host] ?? catchUp.initial;
  const decision = runDecider(catchUp, before, { type: 'start-over', host });
  if (isRejected(decision)) return decision;
  return { write: { ...current, catchUps: { ...current.catchUps, [host]: decision.state } }, result: undefined };
}

function caughtUp(
  current: PlanDocument,
  host: string,
  command: CatchUpCommand,
  settings: InstallerSettings,
): PlanChange {
  const before = current.catchUps?.[host];
  if (!before || current.state.phase !== 'updated') return KEEP;
  const decision = runDecider(catchUp, before, command);
  if (isRejected(decision) || decision.events.length === 0) return KEEP;
  const { run } = current.state;
  const from = 'fromVersion' in before ? before.fromVersion : run.fromVersion;
  const timeouts = { ...settings, settleMs: policyOf(current.state).settleMs };
  return {
    write: { ...current, catchUps: { ...current.catchUps, [host]: decision.state } },
    events: decision.events.flatMap((event) => catchUpEventsToWire(event, run, from, timeouts)),
    result: undefined,
  };
}
