import { dateToAt, jobType, type EventEnvelope, type EventMessage } from '@lastcall/contracts';
import { isRejected, randomId, RejectedError, run as runDecider } from '@lastcall/kernel';
import { createDueDuty, type DueDuty, type Logger } from '@lastcall/runtime';
import { pagesOf, type Change, type Collection, type CollectionSpec, type Document, type Store } from '@lastcall/store';
import type { Notice } from '../domain/gate-state.js';
import { policyOf } from '../domain/installation.js';
import {
  isForgotten,
  noPlan,
  planDueAt,
  planner,
  type PlanCommand,
  type PlanEnd,
  type PlanState,
} from '../domain/plan.js';
import type { Gates } from '../gates.js';

/*
 * What the jobs are going to do, by job, and the announcements of it. A plan is written first with what is to be said; then the gate
 * takes it, which tells everybody; then the plan notes that it was said. Any replica may do each step, and a repetition is harmless:
 * the notice has the same id.
 */

export interface PlanDocument {
  readonly installation: string;
  /** Of the event that said it last. */
  readonly sequence: number;
  readonly saidAt: number;
  readonly plan: PlanState;
  readonly dueAt: number;
}

const DUE = 'due';
const BY_INSTALLATION = 'by_installation';

export const plansSpec: CollectionSpec<PlanDocument> = {
  name: 'plans',
  fields: ({ installation, dueAt }) => ({ installation, due_at: dueAt }),
  indexes: [
    { name: DUE, fields: ['due_at'] },
    { name: BY_INSTALLATION, fields: ['installation'] },
  ],
};

export interface Plans {
  /** A job says what it is going to do. */
  hear(message: EventMessage<'RunPlanned'>, envelope: EventEnvelope): Promise<void>;
  /** The settings of the installation may have changed: how long before a run its users are told. */
  reschedule(installation: string): Promise<void>;
  readonly duty: DueDuty;
}

export interface PlansOptions {
  readonly store: Store;
  readonly plans: Collection<PlanDocument>;
  readonly gates: Gates;
  /** How soon after a job was taken back it may be planned again, so that nobody is told that it was cancelled. */
  readonly settleMs: number;
  readonly log: Logger;
}

interface Parts extends PlansOptions {
  readonly duty: DueDuty;
}

const EVERY_MS = 10_000;
const PAGE = 200;
/** Between two announcements to one installation: every replica has looked at its gate meanwhile. */
const APART_MS = 3_000;

export function createPlans(options: PlansOptions): Plans {
  const { store, plans, gates, settleMs } = options;
  const duty = createDueDuty({
    name: 'announcements',
    everyMs: EVERY_MS,
    store,
    collection: plans,
    index: DUE,
    dueAtOf: ({ dueAt }) => dueAt,
    look: (document, now) => look(parts, document, now),
  });
  const parts: Parts = { ...options, duty };

  return {
    hear: async (message, envelope) => {
      const { installation, job } = message;
      const id = `${installation}/${job}`;
      const beforeMs = await announceBeforeMs(gates, installation);
      const said = { sequence: envelope.sequence, saidAt: envelope.time };
      const taken = await plans.take(id, envelope, (current, { now }): Stepped => {
        if (current && !isNewer(said, current)) return { keep: undefined };
        const plan = current?.plan ?? noPlan;
        return stepped(
          { installation, ...said, plan, dueAt: 0 },
          commandFor(message, { beforeMs, notice: randomId('n'), at: now }, settleMs),
          beforeMs,
          now,
        );
      });
      if (!taken.taken) return;
      await deliver(parts, id, taken.result);
      // Settings that changed since they were read found no such plan to reschedule.
      await deliver(parts, id, await announce(parts, installation, id));
    },
    reschedule: async (installation) => {
      for await (const page of pagesOf(plans, { index: BY_INSTALLATION, where: { installation }, limit: PAGE })) {
        for (const { id } of page) await deliver(parts, id, await announce(parts, installation, id));
      }
    },
    duty,
  };
}

/** Nobody is told where nobody is logged off. */
async function announceBeforeMs(gates: Gates, installation: string): Promise<readonly number[]> {
  const facts = (await gates.get(installation))?.data.facts;
  return facts?.kind === 'multi-user' && !facts.deleted ? policyOf(facts).announceBeforeMs : [];
}

/** A job that was deleted and created again counts anew, so either will do. */
function isNewer(said: Pick<PlanDocument, 'sequence' | 'saidAt'>, known: PlanDocument): boolean {
  return said.sequence > known.sequence || said.saidAt > known.saidAt;
}

const ENDS: ReadonlySet<string> = new Set<PlanEnd>(['cancelled', 'started', 'postponed']);

function isEnd(end: string): end is PlanEnd {
  return ENDS.has(end);
}

type Before = Pick<Extract<PlanCommand, { type: 'plan' }>, 'beforeMs' | 'notice' | 'at'>;

function commandFor(message: EventMessage<'RunPlanned'>, before: Before, settleMs: number): PlanCommand {
  const { product, version, end } = message;
  const startAt = dateToAt(message.startTime);
  if (startAt !== undefined && end === '') {
    const isMaintenance = jobType.fromWire(message.type) === 'maintenance-window';
    const run = { startAt, product, version, message: message.message, ...(isMaintenance && { isMaintenance }) };
    return { type: 'plan', run, ...before };
  }
  // An end that only a newer scheduler knows is no reason to tell anybody.
  return { type: 'end', end: isEnd(end) ? end : 'started', settleMs, ...before };
}

type Stepped = Change<PlanDocument, PlanDocument | undefined>;

function stepped(document: PlanDocument, command: PlanCommand, beforeMs: readonly number[], now: number): Stepped {
  const decision = runDecider(planner, document.plan, command);
  if (isRejected(decision)) throw new RejectedError(decision);
  const plan = decision.state;
  const dueAt = planDueAt(plan, beforeMs, now);
  if (plan === document.plan && dueAt === document.dueAt) return { keep: document };
  const write = { ...document, plan, dueAt };
  return { write, result: write };
}

/** Undefined: there is no plan any more. */
function step(
  { plans }: Parts,
  id: string,
  beforeMs: readonly number[],
  command: (at: number) => PlanCommand,
): Promise<PlanDocument | undefined> {
  return plans.change(id, (current, { now }): Stepped =>
    current ? stepped(current, command(now), beforeMs, now) : { keep: undefined },
  );
}

/** Looks whether a time before the run has come, and when the next one does. */
async function announce(parts: Parts, installation: string, id: string): Promise<PlanDocument | undefined> {
  const beforeMs = await announceBeforeMs(parts.gates, installation);
  return step(parts, id, beforeMs, (at) => ({ type: 'announce', beforeMs, notice: randomId('n'), at }));
}

async function look(parts: Parts, { id, version, data }: Document<PlanDocument>, now: number): Promise<void> {
  if (isForgotten(data.plan, now)) await parts.plans.remove(id, version);
  else if (data.plan.saying) await deliver(parts, id, data);
  else await deliver(parts, id, await announce(parts, data.installation, id));
}

/**
 * Hands to the gate what is to be said, if anything. The gate keeps the newest announcement only, so another one waits until everybody
 * has had that one.
 */
async function deliver(parts: Parts, id: string, document: PlanDocument | undefined): Promise<void> {
  if (!document) return;
  const { gates, duty } = parts;
  const { installation, plan, dueAt } = document;
  const { saying } = plan;
  if (!saying) return duty.dueAt(dueAt);
  const result = await gates.apply(installation, ({ now: sentAt }) => {
    return { type: 'send-message', notice: { ...saying, sentAt }, apartMs: APART_MS };
  });
  if (isRejected(result)) throw new RejectedError(result);
  const { announcement } = result.gate;
  if (announcement && announcement.id !== saying.id) return wait(parts, id, saying.id, announcement.sentAt + APART_MS);
  logTold(parts.log, id, installation, saying);
  const beforeMs = await announceBeforeMs(gates, installation);
  const after = await step(parts, id, beforeMs, () => ({ type: 'note-said', notice: saying.id }));
  if (after) duty.dueAt(after.dueAt);
}

async function wait({ plans, duty }: Parts, id: string, notice: string, dueAt: number): Promise<void> {
  await plans.change(id, (current): Change<PlanDocument, undefined> => {
    if (current?.plan.saying?.id !== notice) return { keep: undefined };
    return { write: { ...current, dueAt }, result: undefined };
  });
  duty.dueAt(dueAt);
}

function logTold(log: Logger, plan: string, installation: string, { id, kind, startAt }: Notice): void {
  const start = startAt !== undefined && { start: new Date(startAt).toISOString() };
  log.info({ installation, plan, notice: id, kind, ...start }, 'users are told of a planned run');
}
