import type { Duty } from '@lastcall/runtime';
import type { Collection, Document, Store } from '@lastcall/store';
import { DUE, hostIdOf, isConnected, type Documents, type PlanDocument } from './documents.js';
import { isRunning } from './domain/plan-state.js';
import type { Orders } from './orders.js';
import type { Plans } from './plans.js';

/*
 * What has to happen although nobody says anything: orders whose hosts are silent, plans whose time is up, hosts that are
 * connected and late, and join tokens that nobody used.
 */

const PAGE = 100;
const TOKEN_SWEEP_MS = 10 * 60_000;

/** A duty over an index of due times. */
export interface DueDuty extends Duty {
  /** Something is due at this time; wakes the duty when it would come too late. */
  dueAt(at: number): void;
}

function createDueDuty<T extends object>(
  name: string,
  everyMs: number,
  store: Store,
  documents: { readonly collection: Collection<T>; readonly dueAtOf: (data: NoInfer<T>) => number | undefined },
  look: (document: Document<T>, now: number) => Promise<void>,
): DueDuty {
  let nextAt = Number.MAX_SAFE_INTEGER;
  const duty: DueDuty = {
    name,
    everyMs,
    runOnce: async (signal) => {
      nextAt = Number.MAX_SAFE_INTEGER;
      const now = await store.now();
      const { items } = await documents.collection.query({ index: DUE, limit: PAGE });
      let soonest = items.length === PAGE ? now : Number.MAX_SAFE_INTEGER;
      for (const document of items) {
        const dueAt = documents.dueAtOf(document.data) ?? now;
        if (dueAt > now) {
          soonest = dueAt;
          break;
        }
        if (signal.aborted) return now;
        await look(document, now);
      }
      nextAt = Math.min(nextAt, soonest);
      return nextAt === Number.MAX_SAFE_INTEGER ? undefined : nextAt;
    },
    dueAt: (at) => {
      if (at >= nextAt) return;
      nextAt = at;
      duty.wake?.();
    },
  };
  return duty;
}

export interface Duties {
  readonly orders: DueDuty;
  readonly plans: DueDuty;
  readonly tokens: Duty;
}

export interface DutyParts {
  readonly store: Store;
  readonly documents: Documents;
  readonly orders: Orders;
  readonly plans: Plans;
}

export function createDuties({ store, documents, orders, plans }: DutyParts): Duties {
  const { queues, tokens } = documents;
  const dueAtOf = (data: { readonly dueAt?: number }): number | undefined => data.dueAt;
  return {
    orders: createDueDuty('order-closer', 5_000, store, { collection: queues, dueAtOf }, ({ id }) => orders.expire(id)),
    plans: createDueDuty('plan-closer', 5_000, store, { collection: documents.plans, dueAtOf }, (document, now) =>
      lookAfterPlan(documents, plans, document, now),
    ),
    tokens: createDueDuty(
      'join-token-sweeper',
      TOKEN_SWEEP_MS,
      store,
      { collection: tokens, dueAtOf: (token) => token.expiresAt },
      async ({ id, version }) => {
        await tokens.remove(id, version);
      },
    ),
  };
}

async function lookAfterPlan(
  { hosts, queues }: Documents,
  plans: Plans,
  { id, data }: Document<PlanDocument>,
  now: number,
): Promise<void> {
  if (isRunning(data.state)) return plans.expire(id);
  const { installation } = data;
  for (const host of plans.lateHostsOf(data)) {
    const key = hostIdOf(installation, host);
    const [found, queue] = await Promise.all([hosts.get(key), queues.get(key)]);
    if (!found || !isConnected(found.data, now)) continue;
    const { installedVersion: version = '', fence = 0 } = queue?.data.queue ?? {};
    await plans.hostReturned({ installation, host, version, fence });
  }
  await plans.lookedAfter(id);
}
