import { createDueDuty, type DueDuty, type Duty } from '@lastcall/runtime';
import type { Document, Store } from '@lastcall/store';
import { DUE, hostIdOf, isConnected, type Documents, type PlanDocument } from './documents.js';
import { isRunning } from './domain/plan-state.js';
import type { CommandRuns } from './command-runs.js';
import type { Orders } from './orders.js';
import type { Plans } from './plans.js';

/*
 * What has to happen although nobody says anything: orders whose hosts are silent, plans whose time is up, hosts that are
 * connected and late, and join tokens that nobody used.
 */

const TOKEN_SWEEP_MS = 10 * 60_000;

export interface Duties {
  readonly orders: DueDuty;
  readonly plans: DueDuty;
  readonly commands: DueDuty;
  readonly tokens: Duty;
}

export interface DutyParts {
  readonly store: Store;
  readonly documents: Documents;
  readonly orders: Orders;
  readonly plans: Plans;
  readonly commands: CommandRuns;
}

export function createDuties({ store, documents, orders, plans, commands }: DutyParts): Duties {
  const { queues, tokens } = documents;
  const dueAtOf = ({ dueAt }: { readonly dueAt?: number }): number | undefined => dueAt;
  return {
    orders: createDueDuty({
      ...{ name: 'order-closer', everyMs: 5_000, store, collection: queues, index: DUE, dueAtOf },
      look: ({ id }) => orders.expire(id),
    }),
    plans: createDueDuty({
      ...{ name: 'plan-closer', everyMs: 5_000, store, collection: documents.plans, index: DUE, dueAtOf },
      about: ({ id, data }) => ({ run: id, installation: data.installation }),
      look: (document, now) => lookAfterPlan(documents, plans, document, now),
    }),
    commands: createDueDuty({
      ...{ name: 'command-closer', everyMs: 5_000, store, collection: documents.commandRuns, index: DUE, dueAtOf },
      look: ({ id }) => commands.expire(id),
    }),
    tokens: createDueDuty({
      ...{ name: 'join-token-sweeper', everyMs: TOKEN_SWEEP_MS, store, collection: tokens, index: DUE },
      dueAtOf: (token) => token.expiresAt,
      look: async ({ id, version }) => {
        await tokens.remove(id, version);
      },
    }),
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
