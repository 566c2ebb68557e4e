import { atToDate, formatName, schedulerV1 } from '@lastcall/contracts';
import { isRejected, randomId, reject, type Rejected } from '@lastcall/kernel';
import {
  nameOf,
  notFound,
  pageOf,
  readPage,
  type RpcContext,
  type RpcHandlers,
  type ServiceContext,
} from '@lastcall/runtime';
import { pagesOf, type Document } from '@lastcall/store';
import { randomBytes } from 'node:crypto';
import type { SchedulerSettings } from '../settings.js';
import type { Catalog } from '../spec.js';
import {
  BY_INSTALLATION,
  BY_TARGET,
  targetDocumentId,
  type Channel,
  type DeliveryDocument,
  type NotificationDocuments,
  type TargetDocument,
} from './documents.js';
import { NOTIFICATION_KINDS, testNotification } from './notification.js';
import type { Notifications } from './notifications.js';
import { parseTarget } from './parse-target.js';
import { secretOf } from './webhook.js';

/*
 * Operators' edge: who is told, and what became of it. A secret goes in, or is made and shown once; it never comes out again.
 */

export interface NotificationParts {
  readonly context: Pick<ServiceContext<SchedulerSettings>, 'settings' | 'store'>;
  readonly documents: NotificationDocuments;
  readonly notifications: Notifications;
  readonly catalog: Pick<Catalog, 'place'>;
}

type Handlers = Pick<
  RpcHandlers<schedulerV1.SchedulerServiceService>,
  | 'createNotificationTarget'
  | 'getNotificationTarget'
  | 'listNotificationTargets'
  | 'deleteNotificationTarget'
  | 'testNotificationTarget'
  | 'listNotificationDeliveries'
>;

const MAX_TARGETS = 20;
const SECRET_BYTES = 32;
const PAGE = 500;

export function notificationHandlers(parts: NotificationParts): Handlers {
  return {
    createNotificationTarget: (request) => createTarget(parts, request),
    getNotificationTarget: async ({ name }) => {
      const found = await targetNamed(parts, name);
      return isRejected(found) ? found : { target: targetToWire(found.data) };
    },
    listNotificationTargets: (request) => listTargets(parts, request),
    deleteNotificationTarget: ({ name }) => deleteTarget(parts, name),
    testNotificationTarget: (request, context) => testTarget(parts, request, context),
    listNotificationDeliveries: (request) => listDeliveries(parts, request),
  };
}

async function targetNamed({ documents }: NotificationParts, name: string, field = 'name') {
  const id = nameOf('notificationTarget', name, field);
  if (isRejected(id)) return id;
  return (
    (await documents.targets.get(targetDocumentId(id.installation, id.target))) ?? notFound('notification target', name)
  );
}

async function createTarget(parts: NotificationParts, request: schedulerV1.CreateNotificationTargetRequest) {
  const parent = nameOf('installation', request.parent, 'parent');
  if (isRejected(parent)) return parent;
  const parsed = parseTarget(request.target, request.targetId);
  if (isRejected(parsed)) return parsed;
  const { installation } = parent;
  // One that does not exist is refused by the catalog.
  await parts.catalog.place(installation);
  const refused = await refusedTarget(parts, installation, parsed.channel);
  if (refused) return refused;
  const { channel, secret } = withSecret(parsed.channel);
  const target = request.targetId;
  const data = { ...parsed, channel, installation, target, createdAt: await parts.context.store.now() };
  const existed = await parts.documents.targets.insertMany([{ id: targetDocumentId(installation, target), data }]);
  if (existed.length > 0) {
    const message = `there is a notification target ${target} already; choose another name, or delete that one`;
    return reject('already-exists', 'ALREADY_EXISTS', message);
  }
  return { target: targetToWire(data), secret };
}

async function refusedTarget({ documents, context }: NotificationParts, installation: string, { kind }: Channel) {
  if (kind === 'mail' && context.settings.smtpUrl === '') {
    return reject('refused', 'NO_SMTP', 'no SMTP server is set; start Lastcall with LASTCALL_SMTP_URL=smtp://…');
  }
  const count = await documents.targets.count({ index: BY_INSTALLATION, where: { installation } });
  if (count < MAX_TARGETS) return undefined;
  return reject(
    'too-many',
    'TOO_MANY',
    `${installation} has ${count} notification targets; at most ${MAX_TARGETS} are allowed`,
  );
}

function withSecret(channel: Channel): { channel: Channel; secret: string } {
  if (channel.kind !== 'webhook' || channel.secret !== '') return { channel, secret: '' };
  const secret = secretOf(randomBytes(SECRET_BYTES));
  return { channel: { ...channel, secret }, secret };
}

async function listTargets({ documents }: NotificationParts, request: schedulerV1.ListNotificationTargetsRequest) {
  const parent = nameOf('installation', request.parent, 'parent');
  const page = pageOf(request);
  if (isRejected(parent)) return parent;
  if (isRejected(page)) return page;
  const where = { installation: parent.installation };
  const found = await readPage(documents.targets, { index: BY_INSTALLATION, where }, page, (d) => targetToWire(d.data));
  return isRejected(found) ? found : { targets: found.items, nextPageToken: found.nextPageToken };
}

/** First the target, so that nothing new is put on its way; a crash in between leaves deliveries that find nobody. */
async function deleteTarget(parts: NotificationParts, name: string): Promise<Rejected | object> {
  const found = await targetNamed(parts, name);
  if (isRejected(found)) return found;
  const { targets, deliveries } = parts.documents;
  await targets.remove(found.id);
  for await (const page of pagesOf(deliveries, { index: BY_TARGET, where: { target_id: found.id }, limit: PAGE })) {
    await deliveries.removeMany(page.map(({ id }) => id));
  }
  return {};
}

async function testTarget(
  parts: NotificationParts,
  { name }: schedulerV1.TestNotificationTargetRequest,
  { principal }: RpcContext,
) {
  const found = await targetNamed(parts, name);
  if (isRejected(found)) return found;
  const { installation, target } = found.data;
  const notification = testNotification(installation, target, randomId('t'), principal?.subject ?? '');
  return { delivery: deliveryToWire(await parts.notifications.tellOne(found.data, notification)) };
}

async function listDeliveries(parts: NotificationParts, request: schedulerV1.ListNotificationDeliveriesRequest) {
  const target = await targetNamed(parts, request.parent, 'parent');
  const page = pageOf(request);
  if (isRejected(target)) return target;
  if (isRejected(page)) return page;
  const query = { index: BY_TARGET, where: { target_id: target.id }, order: 'descending' } as const;
  const found = await readPage(parts.documents.deliveries, query, page, deliveryToWire);
  return isRejected(found) ? found : { deliveries: found.items, nextPageToken: found.nextPageToken };
}

function targetToWire({
  installation,
  target,
  title,
  channel,
  kinds,
  createdAt,
}: TargetDocument): schedulerV1.NotificationTarget {
  return {
    name: formatName('notificationTarget', { installation, target }),
    title,
    channel:
      channel.kind === 'webhook'
        ? { $case: 'webhook', value: { url: channel.url, secret: '' } }
        : { $case: 'mail', value: { to: [...channel.to] } },
    kinds: kinds.map((kind) => schedulerV1.NotificationKind[NOTIFICATION_KINDS[kind]]),
    createTime: atToDate(createdAt),
  };
}

const STATES = {
  none: schedulerV1.DeliveryState.UNSPECIFIED,
  waiting: schedulerV1.DeliveryState.WAITING,
  delivered: schedulerV1.DeliveryState.DELIVERED,
  dead: schedulerV1.DeliveryState.DEAD,
} as const;

function deliveryToWire({
  id,
  data: { notification, createdAt, state },
}: Document<DeliveryDocument>): schedulerV1.NotificationDelivery {
  return {
    id,
    kind: schedulerV1.NotificationKind[NOTIFICATION_KINDS[notification.kind]],
    title: notification.title,
    createTime: atToDate(createdAt),
    state: STATES[state.phase],
    attempts: 'attempts' in state ? state.attempts : 0,
    nextAttemptTime: state.phase === 'waiting' ? atToDate(state.dueAt) : undefined,
    endTime: 'endedAt' in state ? atToDate(state.endedAt) : undefined,
    lastError: 'lastError' in state ? state.lastError : '',
  };
}
