import type { EventEnvelope } from '@lastcall/contracts';
import { isRejected, reject, run as runDecider, type Rejected, type RunSpec } from '@lastcall/kernel';
import type { Change, Collection, StepContext } from '@lastcall/store';
import { BY_INSTALLATION, type PlanDocument } from './documents.js';
import { catchUp, type CatchUpCommand, type CatchUpState } from './domain/catch-up.js';
import {
  hostsIn,
  isRunning,
  orderOf,
  policyOf,
  stepsUnderway,
  type FinishedOrder,
  type PlanCommand,
  type PlanState,
  type RunningPlan,
} from './domain/plan-state.js';
import { plan } from './domain/plan.js';
import { catchUpEventsToWire, orderDeadline, planEventsToWire } from './plan-events.js';
import type { HostKey } from './orders.js';
import type { InstallerSettings } from './settings.js';

/*
 * The plan of each run, one document each: state, events and what is due in one write.
 */

export interface Plans {
  apply(
    run: Pick<RunSpec, 'run' | 'installation'>,
    command: (at: number) => PlanCommand,
    envelope: EventEnvelope,
  ): Promise<void>;
  finishOrder(run: string, finished: (at: number) => FinishedOrder, envelope: EventEnvelope): Promise<void>;
  /** Brings a quarantined host back once more; answers run and order. */
  release(host: HostKey, data: 'restore' | 'keep' | undefined): Promise<ReleasedHost | Rejected>;
  /** The run that is changing this installation, or is about to; undefined for none. */
  active(installation: string): Promise<string | undefined>;
  /** The plan's own deadline may have passed. */
  expire(run: string): Promise<void>;
  /** A host is connected and has this version; it catches up if its installation was updated without it. */
  hostReturned(host: ReturnedHost): Promise<void>;
  /** Hosts that may have to catch up, now that this plan has ended. */
  lateHostsOf(plan: PlanDocument): readonly string[];
  /** All hosts that are connected have been looked after. */
  lookedAfter(run: string): Promise<void>;
}

export interface ReleasedHost {
  readonly run: string;
  readonly order: string;
}

export interface ReturnedHost {
  readonly installation: string;
  readonly host: string;
  readonly version: string;
  /** Highest that the host was given. */
  readonly fence: number;
}

/** Plans that are looked through for the one that a host has to catch up with. */
const RECENT = 10;

export interface PlansOptions {
  readonly plans: Collection<PlanDocument>;
  readonly settings: InstallerSettings;
  readonly onDue: (at: number) => void;
}

type Step = (current: PlanDocument | undefined, context: StepContext) => Change<PlanDocument, number | undefined>;

export function createPlans({ plans, settings, onDue }: PlansOptions): Plans {
  const write = async (run: string, envelope: EventEnvelope | undefined, step: Step): Promise<void> => {
    const taken = envelope ? await plans.take(run, envelope, step) : await plans.change(run, step);
    const dueAt = typeof taken === 'object' ? (taken.taken ? taken.result : undefined) : taken;
    if (dueAt !== undefined) onDue(dueAt);
  };
  return {
    apply: ({ run, installation }, command, envelope) =>
      write(run, envelope, (current, { now }) =>
        applied(current ?? { installation, createdAt: now, state: plan.initial }, command(now), settings, now),
      ),
    finishOrder: (run, finished, envelope) =>
      write(run, envelope, (current, { now }) => (current ? finishedIn(current, finished(now), settings, now) : KEEP)),
    expire: (run) =>
      write(run, undefined, (current, { now }) =>
        current && isOverdue(current, now) ? applied(current, { type: 'expire', at: now }, settings, now) : KEEP,
      ),
    active: async (installation) => {
      const recent = (await plans.query(recentOf(installation))).items;
      return recent.find(({ data: { state } }) => isRunning(state) || state.phase === 'staged')?.id;
    },
    release: (host, data) => releaseHost(plans, host, data, settings),
    hostReturned: async (returned) => {
      const run = await planToCatchUpWith(plans, returned);
      if (run === undefined) return;
      await write(run, undefined, (current, { now }) =>
        current ? returnedTo(current, returned, settings, now) : KEEP,
      );
    },
    lateHostsOf: lateHosts,
    lookedAfter: (run) =>
      write(run, undefined, (current) => {
        if (!current || isRunning(current.state) || current.dueAt === undefined) return KEEP;
        const { dueAt: _, ...rest } = current;
        return { write: rest, result: undefined };
      }),
  };
}

const KEEP = { keep: undefined } as const;

/** A run that changed nothing may have stood in the way of a host that was late for the one before. */
function lateHosts({ state, catchUps }: PlanDocument): readonly string[] {
  if (state.phase !== 'none' && isSettledWithoutChange(state)) return state.run.hosts.map((h) => h.host);
  return Object.entries(catchUps ?? {}).flatMap(([host, late]) => (late.phase === 'waiting' ? [host] : []));
}

function isOverdue({ dueAt }: PlanDocument, now: number): boolean {
  return dueAt !== undefined && dueAt <= now;
}

function applied(
  current: PlanDocument,
  command: PlanCommand,
  settings: InstallerSettings,
  now: number,
): Change<PlanDocument, number | undefined> {
  const decision = runDecider(plan, current.state, command);
  if (isRejected(decision) || decision.events.length === 0) return KEEP;
  const { state } = decision;
  if (state.phase === 'none') return KEEP;
  const events = decision.events.flatMap((event) => planEventsToWire(event, state, settings));
  const next = scheduled({ installation: current.installation, createdAt: current.createdAt, state }, settings, now);
  return { write: next, events, result: next.dueAt };
}

/** Due when its orders should long have been answered; at once when it has ended and somebody may have to catch up. */
function scheduled(document: PlanDocument, settings: InstallerSettings, now: number): PlanDocument {
  const { state } = document;
  if (isRunning(state)) return { ...document, dueAt: phaseDeadline(state, settings) + settings.planPatienceMs };
  if (isSettledWithoutChange(state)) return { ...document, dueAt: now };
  const late = state.phase === 'updated' ? hostsIn(state.tasks, 'absent') : [];
  if (late.length === 0) return document;
  const catchUps = Object.fromEntries(late.map((host): [string, CatchUpState] => [host, catchUp.initial]));
  return { ...document, catchUps, dueAt: now };
}

/** `since` is when the newest of the orders was given, so none of them has more time than this. */
function phaseDeadline(state: RunningPlan, settings: InstallerSettings): number {
  const { phase, since, run, tasks } = state;
  const { settleMs } = policyOf(state);
  const deadlines = stepsUnderway(tasks).map((step) => orderDeadline(step, since, run, { ...settings, settleMs }));
  return Math.max(since, ...deadlines) + (phase === 'staging' ? 0 : settings.resultGraceMs);
}

function finishedIn(
  current: PlanDocument,
  finished: FinishedOrder,
  settings: InstallerSettings,
  now: number,
): Change<PlanDocument, number | undefined> {
  const { state } = current;
  if (state.phase !== 'updated') return applied(current, { type: 'finish-order', ...finished }, settings, now);
  const { run, toVersion: wanted } = state.run;
  return caughtUp(current, finished.host, { type: 'finish-order', run, wanted, ...finished }, settings);
}

function returnedTo(
  current: PlanDocument,
  { host, version, fence }: ReturnedHost,
  settings: InstallerSettings,
  at: number,
): Change<PlanDocument, number | undefined> {
  if (current.state.phase !== 'updated') return KEEP;
  const { run, toVersion: wanted, fence: own } = current.state.run;
  // Runs that came later and changed nothing may have raised the host's fence; one that is still to come has a higher one.
  const newest = Math.max(own, fence);
  return caughtUp(current, host, { type: 'return', run, host, version, wanted, fence: newest, at }, settings);
}

function caughtUp(
  current: PlanDocument,
  host: string,
  command: CatchUpCommand,
  settings: InstallerSettings,
): Change<PlanDocument, number | undefined> {
  const before = current.catchUps?.[host];
  if (!before || current.state.phase !== 'updated') return KEEP;
  const decision = runDecider(catchUp, before, command);
  if (isRejected(decision) || decision.events.length === 0) return KEEP;
  const { run } = current.state;
  const from = 'fromVersion' in before ? before.fromVersion : run.fromVersion;
  return {
    write: { ...current, catchUps: { ...current.catchUps, [host]: decision.state } },
    events: decision.events.flatMap((event) => catchUpEventsToWire(event, run, from, settings)),
    result: undefined,
  };
}

/** Of the plan that it was quarantined in, as long as nothing newer has changed the installation. */
async function releaseHost(
  plans: Collection<PlanDocument>,
  { installation, host }: HostKey,
  data: 'restore' | 'keep' | undefined,
  settings: InstallerSettings,
): Promise<ReleasedHost | Rejected> {
  const recent = (await plans.query(recentOf(installation))).items;
  const found = recent.find(({ data: { state } }) => !isSettledWithoutChange(state));
  if (!found) return notQuarantined(host);
  let answer: ReleasedHost | Rejected = notQuarantined(host);
  await plans.change(found.id, (current, { now }) => {
    if (!current) return KEEP;
    const decision = runDecider(plan, current.state, { type: 'release', host, at: now, ...(data && { data }) });
    if (isRejected(decision)) {
      answer = decision;
      return KEEP;
    }
    const { state, events } = decision;
    const task = state.phase === 'none' ? undefined : state.tasks[host];
    answer = { run: found.id, order: orderOf(task) ?? '' };
    if (state.phase === 'none' || events.length === 0) return KEEP;
    const said = events.flatMap((event) => planEventsToWire(event, state, settings));
    return { write: { ...current, state }, events: said, result: undefined };
  });
  return answer;
}

function recentOf(installation: string) {
  return { index: BY_INSTALLATION, where: { installation }, order: 'descending', limit: RECENT } as const;
}

function notQuarantined(host: string): Rejected {
  const message = `host ${host} is not quarantined by the last run that changed anything; see: lastcall run list`;
  return reject('refused', 'NOT_QUARANTINED', message, { facts: { host } });
}

/** The newest plan that updated the installation, unless a newer one is under way or has left a person's work. */
async function planToCatchUpWith(
  plans: Collection<PlanDocument>,
  { installation, host }: ReturnedHost,
): Promise<string | undefined> {
  for (const { id, data } of (await plans.query(recentOf(installation))).items) {
    if (isSettledWithoutChange(data.state)) continue;
    if (data.state.phase !== 'updated') return undefined;
    return data.catchUps?.[host]?.phase === 'waiting' ? id : undefined;
  }
  return undefined;
}

function isSettledWithoutChange({ phase }: PlanState): boolean {
  return phase === 'cancelled' || phase === 'rolled-back' || phase === 'none';
}
