import { hostEdgeV1, installerV1 } from '@lastcall/contracts';
import { checkText, collect, invalid, isRejected, reject, type Rejected } from '@lastcall/kernel';
import {
  bindRpc,
  nameOf,
  pageOf,
  readPage,
  type ReadPage,
  type RpcBinding,
  type ServiceContext,
} from '@lastcall/runtime';
import type { Collection, Document } from '@lastcall/store';
import { updateAgents } from './agent-updates.js';
import type { AskingHosts } from './asking-hosts.js';
import {
  BY_INSTALLATION,
  hostIdOf,
  isConnected,
  type Documents,
  type PlanDocument,
  type QueueDocument,
} from './documents.js';
import { hostOf, type HostEdge } from './host-edge.js';
import { unknownHost, type HostKeys } from './host-keys.js';
import type { Joining } from './joining.js';
import type { Orders } from './orders.js';
import type { Plans } from './plans.js';
import { hostsAtWork, hostToWire, planToWire } from './wire.js';

/*
 * Both edges: operators ask and make join tokens, agents join and connect.
 */

export interface RpcParts {
  readonly context: ServiceContext<object>;
  readonly documents: Documents;
  readonly joining: Joining;
  readonly keys: HostKeys;
  readonly orders: Orders;
  readonly plans: Plans;
  readonly edge: HostEdge;
  readonly asking: AskingHosts;
}

export function createRpc(parts: RpcParts): readonly RpcBinding[] {
  const { joining, keys, edge, asking } = parts;
  return [
    bindRpc(installerV1.InstallerServiceService, {
      createJoinToken: (request) => joining.createToken(request),
      getHost: ({ name }) => getHost(parts, name),
      listHosts: (request) => listHosts(parts, request),
      getPlan: ({ name }) => getPlan(parts, name),
      updateAgents: (request) => updateAgents(parts, request),
      releaseQuarantine: (request) => releaseQuarantine(parts, request),
      cutOffHost: async (request) => {
        const cutOff = await keys.cutOff(request);
        return isRejected(cutOff) ? cutOff : getHost(parts, request.name);
      },
      listPlans: async (request) => {
        const { plans } = parts.documents;
        const page = await listOf(plans, request, 'descending', ({ id, data }) => planToWire(id, data));
        return isRejected(page) ? page : { plans: page.items, nextPageToken: page.nextPageToken };
      },
    }),
    bindRpc(hostEdgeV1.HostEdgeServiceService, {
      join: (request) => joining.join(request),
      connect: (stream, context) => edge.connect(stream, context),
      rotateKey: ({ publicKey }, { principal }) => keys.rotate(hostOf(principal?.subject ?? ''), publicKey),
      catchUp: (_, { principal }) => standing(asking.catchUp(hostOf(principal?.subject ?? ''))),
      getCatchUp: (_, { principal }) => standing(asking.look(hostOf(principal?.subject ?? ''))),
    }),
  ];
}

async function standing(
  answer: Promise<hostEdgeV1.CatchUpStanding | Rejected>,
): Promise<hostEdgeV1.GetCatchUpResponse | Rejected> {
  const found = await answer;
  return isRejected(found) ? found : { standing: found };
}

async function listOf<T extends object, R>(
  collection: Collection<T>,
  request: { readonly parent: string; readonly pageSize: number; readonly pageToken: string },
  order: 'ascending' | 'descending',
  toItem: (document: Document<T>) => R,
): Promise<ReadPage<R> | Rejected> {
  const parent = nameOf('installation', request.parent, 'parent');
  const page = pageOf(request);
  if (isRejected(parent)) return parent;
  if (isRejected(page)) return page;
  const where = { installation: parent.installation };
  return readPage(collection, { index: BY_INSTALLATION, where, order }, page, toItem);
}

async function getHost(
  { context, documents }: RpcParts,
  name: string,
): Promise<installerV1.GetHostResponse | Rejected> {
  const id = nameOf('host', name);
  if (isRejected(id)) return id;
  const key = hostIdOf(id.installation, id.host);
  const [found, queue, now] = await Promise.all([
    documents.hosts.get(key),
    documents.queues.get(key),
    context.store.now(),
  ]);
  return found ? { host: hostToWire(found.data, queue?.data, now) } : unknownHost(name);
}

const DATA = {
  [installerV1.QuarantinedData.RESTORE]: 'restore',
  [installerV1.QuarantinedData.KEEP]: 'keep',
} as const;
const MAX_REASON_CHARS = 1_000;

async function releaseQuarantine(
  { context, documents, plans }: RpcParts,
  request: installerV1.ReleaseQuarantineRequest,
): Promise<installerV1.ReleaseQuarantineResponse | Rejected> {
  const id = nameOf('host', request.name);
  if (isRejected(id)) return id;
  const data = DATA[request.data as keyof typeof DATA];
  const isNone = data === undefined && request.data !== installerV1.QuarantinedData.UNSPECIFIED;
  const wrong = collect(
    checkText('reason', request.reason, { min: 1, max: MAX_REASON_CHARS, lines: false }),
    isNone ? { field: 'data', description: `is ${request.data}; allowed are RESTORE and KEEP` } : undefined,
  );
  if (wrong.length > 0) return invalid(wrong);
  const host = await documents.hosts.get(hostIdOf(id.installation, id.host));
  if (!host) return unknownHost(request.name);
  const released = await plans.release(id, data);
  // One that was given up while it caught up begins anew, at once when it is there.
  if (!isRejected(released) && released.order === '' && isConnected(host.data, await context.store.now())) {
    const { installedVersion: version = '', fence = 0 } = (await documents.queues.get(host.id))?.data.queue ?? {};
    await plans.hostReturned({ ...id, version, fence });
  }
  return released;
}

async function listHosts(
  { context, documents }: RpcParts,
  request: installerV1.ListHostsRequest,
): Promise<installerV1.ListHostsResponse | Rejected> {
  const page = await listOf(documents.hosts, request, 'ascending', (document) => document);
  if (isRejected(page)) return page;
  const now = await context.store.now();
  const queues = await Promise.all(page.items.map(({ id }) => documents.queues.get(id)));
  const hosts = page.items.map(({ data }, i) => hostToWire(data, queues[i]?.data, now));
  return { hosts, nextPageToken: page.nextPageToken };
}

async function getPlan({ documents }: RpcParts, name: string): Promise<installerV1.GetPlanResponse | Rejected> {
  const id = nameOf('plan', name);
  if (isRejected(id)) return id;
  const found = await documents.plans.get(id.run);
  if (found?.data.installation !== id.installation) {
    const message = `there is no plan ${name}; a plan begins when the checks of its run have passed`;
    return reject('not-found', 'NOT_FOUND', message, { facts: { name } });
  }
  return { plan: planToWire(id.run, found.data, await queuesOf(documents, found.data)) };
}

async function queuesOf({ queues }: Documents, plan: PlanDocument): Promise<ReadonlyMap<string, QueueDocument>> {
  const hosts = hostsAtWork(plan);
  const found = await Promise.all(hosts.map((host) => queues.get(hostIdOf(plan.installation, host))));
  return new Map(found.flatMap((document) => (document ? [[document.data.host, document.data]] : [])));
}
