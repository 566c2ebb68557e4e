import { assertNever, DAY_MS, type Decider } from '@lastcall/kernel';
import type { Notice, NoticeKind } from './gate-state.js';

/*
 * What a job is going to do to the users of an installation, and what they have been told of it.
 *
 * What it keeps, whatever comes in whatever order and how often:
 * - Each time before the run is announced once: those that have passed already together, in one announcement, and none once the run
 *   is due.
 * - Users hear that it was moved or cancelled only when they had heard of it. A job that is changed is taken back first and planned anew
 *   after that: whoever had heard of it hears that it was moved, or nothing when its time is the same, and not that it was cancelled.
 * - What is to be said (`saying`) stays until it has been said, or is overtaken; a crash between the two repeats the same notice.
 *
 * How long before the run they are told comes with each command: the settings may change while the plan stands.
 */

export interface PlannedRun {
  readonly startAt: number;
  readonly product: string;
  /** Empty: the newest at that time. */
  readonly version: string;
  /** What the job says to users; may be empty. */
  readonly message: string;
  /** A maintenance window, no update. Absent: an update. */
  readonly isMaintenance?: true;
}

export type PlanEnd = 'cancelled' | 'started' | 'postponed';

interface Told {
  /** What has not been handed to the gate yet. */
  readonly saying?: Notice;
}

interface Planned {
  readonly run: PlannedRun;
  /** Whether users have heard of it. */
  readonly announced: boolean;
  /** The times before the run from this one on are done with; absent: none is. */
  readonly doneBeforeMs?: number;
}

export type PlanState =
  | (Told & {
      readonly phase: 'none';
      readonly endedAt: number;
      /** What users had heard of, and when they are told that it is cancelled unless it is planned again. */
      readonly lapsed?: Planned & { readonly tellAt: number };
    })
  | (Told & Planned & { readonly phase: 'planned' });

type PlannedState = Extract<PlanState, { phase: 'planned' }>;

/** How long before the run users are told. */
interface Before {
  readonly beforeMs: readonly number[];
  /** Id for a notice, if one comes of it. */
  readonly notice: string;
  readonly at: number;
}

export type PlanCommand =
  | (Before & { readonly type: 'plan'; readonly run: PlannedRun })
  /** `settleMs`: how soon after it was cancelled it may be planned again, so that nobody is told. */
  | (Before & { readonly type: 'end'; readonly end: PlanEnd; readonly settleMs: number })
  /** A time before the run may have come. */
  | (Before & { readonly type: 'announce' })
  | { readonly type: 'note-said'; readonly notice: string };

export type PlanEvent =
  | { readonly type: 'planned'; readonly run: PlannedRun; readonly isMoved: boolean }
  | { readonly type: 'announced'; readonly notice: Notice; readonly doneBeforeMs: number }
  /** Of the new time. */
  | { readonly type: 'told-moved'; readonly notice: Notice; readonly doneBeforeMs?: number }
  | { readonly type: 'ended'; readonly at: number }
  /** It ended, and those who had heard of it are to be told. */
  | { readonly type: 'lapsed'; readonly at: number; readonly tellAt: number }
  | { readonly type: 'told-cancelled'; readonly notice: Notice }
  | { readonly type: 'said' };

export const noPlan: PlanState = { phase: 'none', endedAt: 0 };

function decide(state: PlanState, command: PlanCommand): readonly PlanEvent[] {
  switch (command.type) {
    case 'plan':
      return plan(state, command);
    case 'end':
      return end(state, command);
    case 'announce':
      return announce(state, command);
    case 'note-said':
      return state.saying?.id === command.notice ? [{ type: 'said' }] : [];
    default:
      return assertNever(command);
  }
}

type Planning = Extract<PlanCommand, { type: 'plan' }>;

function plan(state: PlanState, command: Planning): readonly PlanEvent[] {
  const { run, at } = command;
  const before = state.phase === 'planned' ? state : state.lapsed;
  if (state.phase === 'planned' && isSame(state.run, run)) return [];
  const isMoved = before !== undefined && before.run.startAt !== run.startAt;
  const planned: PlanEvent = { type: 'planned', run, isMoved };
  // Whoever logs off for it in this moment is told by the final notice.
  const tells = command.beforeMs.length > 0 && run.startAt > at;
  if (!isMoved || !before.announced || !tells) return [planned, ...announce(evolve(state, planned), command)];
  const done = passed(run, undefined, command);
  const notice = noticeOf('moved', run, command);
  return [planned, { type: 'told-moved', notice, ...(done !== undefined && { doneBeforeMs: done }) }];
}

function isSame(a: PlannedRun, b: PlannedRun): boolean {
  const isSameWork = a.product === b.product && a.version === b.version && a.isMaintenance === b.isMaintenance;
  return a.startAt === b.startAt && isSameWork && a.message === b.message;
}

function end(state: PlanState, command: Extract<PlanCommand, { type: 'end' }>): readonly PlanEvent[] {
  if (state.phase === 'none') return [];
  const { at, settleMs } = command;
  if (command.end !== 'cancelled' || !state.announced) return [{ type: 'ended', at }];
  // Nobody should wait for a run at its time that does not come.
  const tellAt = Math.min(at + settleMs, Math.max(at, state.run.startAt));
  const lapsed: PlanEvent = { type: 'lapsed', at, tellAt };
  return [lapsed, ...announce(evolve(state, lapsed), command)];
}

function announce(state: PlanState, command: Before): readonly PlanEvent[] {
  if (state.phase === 'none') return tellCancelled(state, command);
  if (command.at >= state.run.startAt) return [];
  const doneBeforeMs = passed(state.run, state.doneBeforeMs, command);
  if (doneBeforeMs === undefined) return [];
  return [{ type: 'announced', notice: noticeOf('announcement', state.run, command), doneBeforeMs }];
}

function tellCancelled(
  { lapsed, endedAt }: Extract<PlanState, { phase: 'none' }>,
  command: Before,
): readonly PlanEvent[] {
  if (!lapsed || command.at < lapsed.tellAt) return [];
  if (command.beforeMs.length === 0) return [{ type: 'ended', at: endedAt }];
  // The job's words were about the run; they say nothing now.
  const run = { ...lapsed.run, message: '' };
  return [{ type: 'told-cancelled', notice: noticeOf('cancelled', run, command) }];
}

/** The nearest time before the run that has come and is not done with. */
function passed({ startAt }: PlannedRun, doneBeforeMs = Infinity, { beforeMs, at }: Before): number | undefined {
  const come = beforeMs.filter((ms) => ms < doneBeforeMs && startAt - ms <= at);
  return come.length === 0 ? undefined : Math.min(...come);
}

function noticeOf(kind: NoticeKind, run: PlannedRun, { notice: id, at: sentAt }: Before): Notice {
  const { startAt, product, version, message: text, isMaintenance } = run;
  const about = { product, version, reason: '', whatsNew: '', ...(isMaintenance && { maintenance: {} }) };
  return { id, kind, text, startAt, sentAt, ...about };
}

function evolve(state: PlanState, event: PlanEvent): PlanState {
  switch (event.type) {
    case 'planned':
      return planned(state, event);
    case 'announced':
    case 'told-moved':
      return state.phase === 'planned' ? told(state, event) : state;
    // What was about to be said of it is overtaken.
    case 'ended':
      return { phase: 'none', endedAt: event.at };
    case 'lapsed':
      return state.phase === 'planned' ? lapsed(state, event) : state;
    case 'told-cancelled':
      return state.phase === 'none' ? { phase: 'none', endedAt: state.endedAt, saying: event.notice } : state;
    case 'said': {
      const { saying: _, ...rest } = state;
      return rest;
    }
    default:
      return assertNever(event);
  }
}

function planned(state: PlanState, { run, isMoved }: Extract<PlanEvent, { type: 'planned' }>): PlanState {
  // That another one was cancelled is still to be said.
  if (state.phase === 'none' && !state.lapsed) return { phase: 'planned', run, announced: false, ...sayingOf(state) };
  const before = state.phase === 'none' ? state.lapsed : state;
  const announced = before?.announced ?? false;
  // A new time has its own times before it; what names the old one is not said any more.
  if (isMoved) return { phase: 'planned', run, announced };
  return { phase: 'planned', run, announced, ...doneOf(before), ...sayingOf(state) };
}

function doneOf(planned: Planned | undefined): Pick<Planned, 'doneBeforeMs'> {
  return planned?.doneBeforeMs === undefined ? {} : { doneBeforeMs: planned.doneBeforeMs };
}

function lapsed(state: PlannedState, { at, tellAt }: Extract<PlanEvent, { type: 'lapsed' }>): PlanState {
  const { run, announced } = state;
  return { phase: 'none', endedAt: at, lapsed: { run, announced, ...doneOf(state), tellAt } };
}

function sayingOf({ saying }: PlanState): Told {
  return saying ? { saying } : {};
}

function told(
  state: PlannedState,
  { notice, doneBeforeMs }: { readonly notice: Notice; readonly doneBeforeMs?: number },
): PlanState {
  const { doneBeforeMs: _, ...rest } = state;
  return { ...rest, announced: true, saying: notice, ...(doneBeforeMs !== undefined && { doneBeforeMs }) };
}

export const planner: Decider<PlanState, PlanCommand, PlanEvent> = { initial: noPlan, decide, evolve };

/** How long a plan is remembered after its end, so that an event that comes late does not revive it. */
export const PLAN_KEPT_MS = 7 * DAY_MS;

/** When something is to be done: said, announced, or forgotten. */
export function planDueAt(state: PlanState, beforeMs: readonly number[], at: number): number {
  if (state.saying) return state.saying.sentAt;
  if (state.phase === 'none' && state.lapsed) return state.lapsed.tellAt;
  const forgottenAt = (state.phase === 'none' ? state.endedAt : state.run.startAt) + PLAN_KEPT_MS;
  if (state.phase === 'none' || at >= state.run.startAt) return forgottenAt;
  const left = beforeMs.filter((ms) => ms < (state.doneBeforeMs ?? Infinity));
  return left.length === 0 ? forgottenAt : state.run.startAt - Math.max(...left);
}

/** Nothing will come of it any more. */
export function isForgotten(state: PlanState, at: number): boolean {
  return !state.saying && !(state.phase === 'none' && state.lapsed) && at >= planDueAt(state, [], at);
}
