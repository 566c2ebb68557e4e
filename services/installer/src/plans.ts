import type { EventEnvelope } from '@lastcall/contracts';
import { isRejected, reject, run as runDecider, type Rejected, type RunSpec } from '@lastcall/kernel';
import { ofItsInstallation } from '@lastcall/runtime';
import type { Change, Collection, Document, StepContext } from '@lastcall/store';
import {
  askedOf,
  finishedCatchUp,
  isSettledWithoutChange,
  KEEP,
  lateHosts,
  newestChange,
  planToCatchUpWith,
  recentPlans,
  returnedTo,
  startedOver,
  type ReturnedHost,
} from './catch-ups.js';
import type { PlanDocument } from './documents.js';
import { catchUp, type CatchUpState } from './domain/catch-up.js';
import {
  hostsIn,
  isRunning,
  orderOf,
  policyOf,
  stepsUnderway,
  type FinishedOrder,
  type PlanCommand,
  type RunningPlan,
} from './domain/plan-state.js';
import { plan } from './domain/plan.js';
import { orderDeadline, planEventsToWire } from './plan-events.js';
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
  /** The newest plan that has changed the installation, or is under way, or has left a person's work. */
  newestChange(installation: string): Promise<Document<PlanDocument> | undefined>;
  /** A host asks to be brought to the version of this run, whether it was late for it or not. */
  catchUp(run: string, host: ReturnedHost): Promise<void>;
  /** Hosts that may have to catch up, now that this plan has ended. */
  lateHostsOf(plan: PlanDocument): readonly string[];
  /** All hosts that are connected have been looked after. */
  lookedAfter(run: string): Promise<void>;
}

export interface ReleasedHost {
  readonly run: string;
  readonly order: string;
}

export interface PlansOptions {
  readonly plans: Collection<PlanDocument>;
  readonly settings: InstallerSettings;
  readonly onDue: (at: number) => void;
}

type Step = (current: PlanDocument | undefined, context: StepContext) => Change<PlanDocument, number | undefined>;

export function createPlans({ plans, settings, onDue }: PlansOptions): Plans {
  const write = async (run: string, envelope: EventEnvelope | undefined, step: Step): Promise<void> => {
    const taken = envelope
      ? await plans.take(run, envelope, ofItsInstallation(envelope, step))
      : await plans.change(run, step);
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
      const recent = await recentPlans(plans, installation);
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
    newestChange: (installation) => newestChange(plans, installation),
    catchUp: (run, asking) =>
      write(run, undefined, (current, { now }) => (current ? askedOf(current, asking, settings, now) : KEEP)),
    lateHostsOf: lateHosts,
    lookedAfter: (run) =>
      write(run, undefined, (current) => {
        if (!current || isRunning(current.state) || current.dueAt === undefined) return KEEP;
        const { dueAt: _, ...rest } = current;
        return { write: rest, result: undefined };
      }),
  };
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
  return finishedCatchUp(current, finished, settings);
}

/** Of the plan that it was quarantined in, as long as nothing newer has changed the installation. */
async function releaseHost(
  plans: Collection<PlanDocument>,
  { installation, host }: HostKey,
  data: 'restore' | 'keep' | undefined,
  settings: InstallerSettings,
): Promise<ReleasedHost | Rejected> {
  const found = await newestChange(plans, installation);
  if (!found) return notQuarantined(host);
  let answer: ReleasedHost | Rejected = notQuarantined(host);
  await plans.change(found.id, (current, { now }) => {
    if (!current) return KEEP;
    if (current.state.phase === 'updated') {
      const change = startedOver(current, host);
      answer = isRejected(change) ? change : { run: found.id, order: '' };
      return isRejected(change) ? KEEP : change;
    }
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

function notQuarantined(host: string): Rejected {
  const message = `host ${host} is not quarantined by the last run that changed anything; see: lastcall run list`;
  return reject('refused', 'NOT_QUARANTINED', message, { facts: { host } });
}
