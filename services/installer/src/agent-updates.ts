import { checkVersion, parseName, type installerV1 } from '@lastcall/contracts';
import { checkId, checkRange, collect, invalid, MINUTE_MS, reject, type Rejected } from '@lastcall/kernel';
import type { ServiceContext } from '@lastcall/runtime';
import { hostIdOf, type Documents } from './documents.js';
import type { Orders } from './orders.js';
import type { Plans } from './plans.js';
import { hostToWire } from './wire.js';

/*
 * Orders on demand that replace the agents of hosts. Not while a run changes the installation: its hosts have to answer. A run that begins
 * right after is no danger, because a host does one order at a time.
 */

export interface AgentUpdatesParts {
  readonly context: ServiceContext<object>;
  readonly documents: Documents;
  readonly orders: Orders;
  readonly plans: Plans;
}

const MAX_HOSTS = 1_000;
const MAX_VALID_MINUTES = 1_440;
const DEFAULT_VALID_MINUTES = 15;

export async function updateAgents(
  { context, documents, orders, plans }: AgentUpdatesParts,
  request: installerV1.UpdateAgentsRequest,
): Promise<installerV1.UpdateAgentsResponse | Rejected> {
  const { hostIds, version, validMinutes } = request;
  const parent = parseName('installation', 'parent', request.parent);
  const wrong = collect(
    parent.ok ? undefined : parent.violation,
    checkRange('host_ids', hostIds.length, 1, MAX_HOSTS, 'hosts'),
    ...hostIds.slice(0, MAX_HOSTS).map((host, i) => checkId(`host_ids[${i}]`, host)),
    checkVersion('version', version),
    checkRange('valid_minutes', validMinutes, 0, MAX_VALID_MINUTES, 'minutes (0: 15)'),
  );
  if (!parent.ok || wrong.length > 0) return invalid(wrong);
  const { installation } = parent.parts;
  const read = (host: string) => documents.hosts.get(hostIdOf(installation, host));
  const known = await Promise.all(hostIds.map(read));
  const unknown = hostIds.filter((_, i) => !known[i]);
  if (unknown.length > 0) return unknownHosts(unknown);
  const run = await plans.active(installation);
  if (run !== undefined) return runActive(run);
  const validMs = (validMinutes || DEFAULT_VALID_MINUTES) * MINUTE_MS;
  for (const host of hostIds) await orders.updateAgent({ installation, host }, version, validMs);
  const [now, queues] = await Promise.all([
    context.store.now(),
    Promise.all(hostIds.map((host) => documents.queues.get(hostIdOf(installation, host)))),
  ]);
  const hosts = known.flatMap((found, i) => (found ? [hostToWire(found.data, queues[i]?.data, now)] : []));
  return { hosts };
}

function unknownHosts(hosts: readonly string[]): Rejected {
  const names = hosts.slice(0, 10).join(', ');
  const message = `there are no hosts ${names}; hosts are listed by: lastcall host list`;
  return reject('not-found', 'NOT_FOUND', message, { facts: { hosts: names } });
}

function runActive(run: string): Rejected {
  const message = `the run ${run} is changing this installation; update the agents when it has ended: lastcall run watch`;
  return reject('refused', 'RUN_ACTIVE', message, { facts: { run } });
}
