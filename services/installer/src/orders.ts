import {
  atToDate,
  dateToAt,
  failureToWire,
  hostOrderV1,
  outgoing,
  Poison,
  type EventEnvelope,
  type hostEdgeV1,
  type OutgoingEvent,
} from '@lastcall/contracts';
import { isRejected, randomId, run as runDecider } from '@lastcall/kernel';
import type { Change, Collection } from '@lastcall/store';
import { boundNote, boundResult } from './bounds.js';
import { hostIdOf, type AgentUpdate, type HostProgress, type QueueDocument } from './documents.js';
import {
  hostQueue,
  queueDueAt,
  type HostQueue,
  type HostQueueCommand,
  type HostQueueEvent,
  type OpenOrder,
  type Order,
} from './domain/host-queue.js';

/*
 * The queues of the hosts: turns what the domain decided into the events of an order, in one write each. Whoever issues an
 * order learns of its end from `HostOrderCompleted`, which is said exactly once.
 */

export interface HostKey {
  readonly installation: string;
  readonly host: string;
}

export interface Orders {
  issue(order: hostOrderV1.HostOrder | undefined, envelope: EventEnvelope): Promise<void>;
  /** Orders a host to replace its agent, unless it is at that already. The order has the fence of the last run, so that a later one overtakes it. */
  updateAgent(host: HostKey, version: string, validMs: number): Promise<void>;
  accept(host: HostKey, order: string): Promise<void>;
  progress(host: HostKey, order: string, progress: hostOrderV1.OrderProgress): Promise<void>;
  /** Resolves when the result is durable. */
  finish(host: HostKey, result: hostEdgeV1.AgentResult): Promise<void>;
  hello(host: HostKey, installedVersion: string, fence: number): Promise<void>;
  expire(queueId: string): Promise<void>;
  /** In the order in which the host has to do them. */
  openOf(host: HostKey): Promise<readonly OpenOrder[]>;
}

export interface OrdersOptions {
  readonly queues: Collection<QueueDocument>;
  readonly resultGraceMs: number;
  /** An order was queued for this host. */
  readonly onQueued: (host: HostKey) => void;
  /** Something became due at this time. */
  readonly onDue: (at: number) => void;
}

interface Telling {
  readonly progress?: HostProgress;
  readonly result?: hostOrderV1.OrderResult;
}

const MAX_STEP_CHARS = 40;

export function createOrders({ queues, resultGraceMs, onQueued, onDue }: OrdersOptions): Orders {
  const step =
    (host: HostKey, command: (now: number) => HostQueueCommand, telling: Telling = {}) =>
    (current: QueueDocument | undefined, { now }: { now: number }) =>
      applied(current ?? { ...host, queue: hostQueue.initial }, command(now), { ...telling, now, resultGraceMs });
  const change = (host: HostKey, command: (now: number) => HostQueueCommand, telling?: Telling) =>
    queues.change(hostIdOf(host.installation, host.host), step(host, command, telling));
  return {
    issue: async (wire, envelope) => {
      const { host, order } = parseOrder(wire);
      const id = hostIdOf(host.installation, host.host);
      await queues.take(
        id,
        envelope,
        step(host, (at) => ({ type: 'issue', order, at })),
      );
      onDue(order.deadlineAt);
      onQueued(host);
    },
    updateAgent: async (host, version, validMs) => {
      const order = randomId('agent');
      let deadlineAt = 0;
      await queues.change(hostIdOf(host.installation, host.host), (current, { now }) => {
        const before = current ?? { ...host, queue: hostQueue.initial };
        const { agentUpdate, queue } = before;
        if (agentUpdate?.version === version && agentUpdate.endedAt === undefined) return { keep: undefined };
        deadlineAt = now + validMs;
        const wire = hostOrderV1.HostOrder.fromPartial({
          ...{ ...host, order, fence: Math.max(queue.fence, 1), deadline: atToDate(deadlineAt), issuedBy: 'installer' },
          action: { $case: 'updateAgent', value: { version } },
        });
        const asked = { ...before, agentUpdate: { order, version } };
        return applied(asked, { type: 'issue', order: parseOrder(wire).order, at: now }, { now, resultGraceMs });
      });
      if (deadlineAt > 0) onDue(deadlineAt);
      onQueued(host);
    },
    accept: async (host, order) => {
      await change(host, () => ({ type: 'accept', order }));
    },
    progress: async (host, order, { step: said, done, total, note }) => {
      const name = said.slice(0, MAX_STEP_CHARS);
      const counted = { done: Number(done), total: Number(total) };
      const telling = { progress: { order, step: name, ...counted, ...(note !== '' && { note: boundNote(note) }) } };
      await change(host, () => ({ type: 'progress', order, step: name }), telling);
    },
    finish: async (host, { order, result }) => {
      const { failure, installedVersion, wire } = boundResult(result, host.host);
      const said = { ...(failure && { failure }), ...(installedVersion !== undefined && { installedVersion }) };
      await change(host, () => ({ type: 'finish', order, ...said }), { result: wire });
    },
    hello: async (host, installedVersion, fence) => {
      await change(host, () => ({ type: 'hello', installedVersion, fence }));
    },
    expire: (queueId) =>
      queues.change(queueId, (current, { now }) =>
        current
          ? applied(current, { type: 'expire', at: now, graceMs: resultGraceMs }, { now, resultGraceMs })
          : { keep: undefined },
      ),
    openOf: async (host) => {
      const found = await queues.get(hostIdOf(host.installation, host.host));
      return found?.data.queue.open ?? [];
    },
  };
}

function parseOrder(wire: hostOrderV1.HostOrder | undefined): { readonly host: HostKey; readonly order: Order } {
  const deadlineAt = dateToAt(wire?.deadline);
  if (!wire || deadlineAt === undefined || wire.order === '' || wire.installation === '' || wire.host === '') {
    throw new Poison('HostOrderIssued lacks the order, its installation, host or deadline');
  }
  const action = { installRelease: 'install', downgradeRelease: 'install', rollBackRelease: 'roll-back' } as const;
  const known = wire.action?.$case;
  return {
    host: { installation: wire.installation, host: wire.host },
    order: {
      order: wire.order,
      run: wire.run,
      fence: wire.fence,
      deadlineAt,
      action: known !== undefined && known in action ? action[known as keyof typeof action] : 'other',
      pair: pairOf(wire),
      body: Buffer.from(hostOrderV1.HostOrder.encode(wire).finish()).toString('base64'),
    },
  };
}

/** A host that catches up may install and go back several times in one run, each attempt for itself. */
function pairOf({ order, run }: hostOrderV1.HostOrder): string {
  const attempt = /\.late-[a-z-]+-(\d+)$/.exec(order)?.[1];
  return attempt === undefined ? run : `${run}/${attempt}`;
}

export function orderFromBody({ body }: Pick<Order, 'body'>): hostOrderV1.HostOrder {
  return hostOrderV1.HostOrder.decode(Buffer.from(body, 'base64'));
}

interface Surroundings extends Telling {
  readonly now: number;
  readonly resultGraceMs: number;
}

function applied(current: QueueDocument, command: HostQueueCommand, about: Surroundings): Change<QueueDocument, void> {
  const decision = runDecider(hostQueue, current.queue, command);
  if (isRejected(decision)) return { keep: undefined };
  const { state, events } = decision;
  const progress = progressOf(current, state, about.progress);
  if (events.length === 0 && progress === current.progress) return { keep: undefined };
  const dueAt = queueDueAt(state, about.resultGraceMs);
  const { installation, host } = current;
  const agentUpdate = agentUpdateAfter(current.agentUpdate, events, about.now);
  return {
    write: {
      ...{ installation, host, queue: state },
      ...(progress && { progress }),
      ...(agentUpdate && { agentUpdate }),
      ...(dueAt !== undefined && { dueAt }),
    },
    events: events.flatMap((event) => eventsFor(installation, event, { ...about, state })),
    result: undefined,
  };
}

function agentUpdateAfter(
  update: AgentUpdate | undefined,
  events: readonly HostQueueEvent[],
  now: number,
): AgentUpdate | undefined {
  const end = events.find((event) => event.type === 'completed' && event.order.order === update?.order);
  if (!update || end?.type !== 'completed') return update;
  return { ...update, endedAt: now, ...(end.failure && { failure: end.failure }) };
}

/** Progress is kept while its order is open; a word about any other order changes nothing. */
function progressOf(current: QueueDocument, state: HostQueue, said: HostProgress | undefined) {
  const isOpen = (p: HostProgress | undefined): boolean =>
    p !== undefined && state.open.some((o) => o.order === p.order);
  if (said && isOpen(said)) return said;
  return isOpen(current.progress) ? current.progress : undefined;
}

function eventsFor(
  installation: string,
  event: HostQueueEvent,
  about: Surroundings & { readonly state: HostQueue },
): OutgoingEvent[] {
  if (event.type === 'progressed') {
    const { step = event.step, done = 0, total = 0, note = '' } = about.progress ?? {};
    const progress = { step, done: BigInt(done), total: BigInt(total), note };
    return [outgoing('HostOrderProgressed', installation, { order: orderFromBody(event.order), progress })];
  }
  if (event.type !== 'completed') return [];
  const order = orderFromBody(event.order);
  return [outgoing('HostOrderCompleted', installation, { order, result: resultOf(event, about) })];
}

function resultOf(
  event: Extract<HostQueueEvent, { type: 'completed' }>,
  about: Surroundings & { readonly state: HostQueue },
): hostOrderV1.OrderResult {
  if (event.by === 'agent' && about.result) return about.result;
  const { host } = orderFromBody(event.order);
  return hostOrderV1.OrderResult.fromPartial({
    ...(event.failure && { failure: failureToWire({ ...event.failure, host }) }),
    installedVersion: about.state.installedVersion,
    finishedAt: atToDate(about.now),
  });
}
