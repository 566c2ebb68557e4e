import { cleanText, HOUR_MS, SECOND_MS } from '@lastcall/kernel';
import { createDueDuty, type DueDuty, type ServiceContext } from '@lastcall/runtime';
import type { Document } from '@lastcall/store';
import { formatName } from '@lastcall/contracts';
import { settleAll } from '../claims.js';
import type { SchedulerSettings } from '../settings.js';
import {
  deliveryChange,
  DUE,
  targetDocumentId,
  type Channel,
  type DeliveryDocument,
  type NotificationDocuments,
} from './documents.js';
import { sendMail } from './mail.js';
import { postWebhook } from './webhook.js';

/*
 * Sends what is due. An attempt is claimed first, so that of several replicas one sends it, and what a killed one had begun comes to its
 * turn again. Targets get it at least once, always under the same id.
 */

type Context = Pick<ServiceContext<SchedulerSettings>, 'store' | 'settings' | 'log' | 'random'>;

const MAX_DELAY_MS = HOUR_MS;
/** Beyond the timeout of an attempt, for the writes around it. */
const LOST_AFTER_MS = 10 * SECOND_MS;
const ERROR_CHARS = 300;

type Waiting = Document<DeliveryDocument>;

export function createDeliverer(context: Context, documents: NotificationDocuments): DueDuty {
  const { store } = context;
  const duty: DueDuty = createDueDuty({
    ...{ name: 'notification-deliverer', everyMs: 5_000, store, collection: documents.deliveries, index: DUE },
    dueAtOf: ({ state }) => (state.phase === 'waiting' ? state.dueAt : undefined),
    lookTogether: async (due, _, signal) => {
      const byTarget = Map.groupBy(due, ({ data }) => targetDocumentId(data.installation, data.target));
      const retries = [...byTarget.values()].map(async (queue) => {
        const retryAt = await deliverQueue(context, documents, queue, signal);
        if (retryAt !== undefined) duty.dueAt(retryAt);
      });
      await settleAll(retries);
    },
  });
  return duty;
}

/**
 * To one target, one after the other, oldest first. When it does not take one, the others wait with that one: a target that hangs costs a
 * round one timeout, and stands in the way of no other. Answers when it is tried again.
 */
async function deliverQueue(
  context: Context,
  documents: NotificationDocuments,
  queue: readonly Waiting[],
  signal: AbortSignal,
): Promise<number | undefined> {
  for (const [i, waiting] of queue.entries()) {
    if (signal.aborted) return undefined;
    const until = await deliver(context, documents, waiting, signal);
    if (until === undefined) continue;
    const at = await context.store.now();
    for (const { id } of queue.slice(i + 1)) {
      await documents.deliveries.change(id, (current) => deliveryChange(current, { type: 'postpone', at, until }));
    }
    return until;
  }
  return undefined;
}

/** One attempt, when it is due and nobody else is at it. Answers when the target is tried again; undefined: it took it, or it is not tried. */
async function deliver(
  context: Context,
  { deliveries, targets }: NotificationDocuments,
  { id, data }: Waiting,
  signal: AbortSignal,
): Promise<number | undefined> {
  const at = await context.store.now();
  const lostAt = at + context.settings.notifyTimeoutMs + LOST_AFTER_MS;
  const claimed = await deliveries.change(id, (current) => deliveryChange(current, { type: 'claim', at, lostAt }));
  if (claimed?.state.phase === 'dead') sayDead(context, id, claimed);
  if (claimed?.state.phase !== 'waiting') return undefined;
  const target = await targets.get(targetDocumentId(data.installation, data.target));
  // Deleted while it was on its way: there is nobody to tell.
  if (!target) return void (await deliveries.remove(id));
  const error = await attempt(context, id, claimed, target.data.channel, signal);
  return settle(context, deliveries, id, claimed.state.attempts, error);
}

/** Answers when the target is tried again: the failure of a last attempt holds up what comes behind it as any other. */
async function settle(
  context: Context,
  deliveries: NotificationDocuments['deliveries'],
  id: string,
  attempts: number,
  error: string | undefined,
): Promise<number | undefined> {
  const at = await context.store.now();
  if (error === undefined) {
    await deliveries.change(id, (current) => deliveryChange(current, { type: 'deliver', at }));
    return undefined;
  }
  const retryAt = at + delayMs(context, attempts);
  const failed = { type: 'fail', attempt: attempts, at, retryAt, error } as const;
  const after = await deliveries.change(id, (current) => deliveryChange(current, failed));
  if (after?.state.phase === 'dead') sayDead(context, id, after);
  return retryAt;
}

/** Half of it is certain, so that a target that is down is not asked all the time. */
function delayMs({ settings, random }: Context, attempts: number): number {
  const most = Math.min(MAX_DELAY_MS, settings.notifyRetryMs * 2 ** (attempts - 1));
  return Math.floor((most / 2) * (1 + random()));
}

/** Why it failed; undefined when the target has it. */
async function attempt(
  context: Context,
  id: string,
  { notification, createdAt }: DeliveryDocument,
  channel: Channel,
  stopping: AbortSignal,
): Promise<string | undefined> {
  const { settings, store } = context;
  const timeout = AbortSignal.timeout(settings.notifyTimeoutMs);
  const signal = AbortSignal.any([timeout, stopping]);
  try {
    if (channel.kind === 'webhook') {
      await postWebhook({ id, ...channel, body: bodyOf(notification, createdAt) }, await store.now(), signal);
    } else {
      if (settings.smtpUrl === '') return 'no SMTP server is set: LASTCALL_SMTP_URL';
      const { title: subject, text } = notification;
      const message = { id, from: settings.smtpFrom, to: channel.to, subject, text };
      await sendMail(settings.smtpUrl, message, settings.notifyTimeoutMs, signal);
    }
    return undefined;
  } catch (error) {
    if (timeout.aborted) return `no answer within ${Math.round(settings.notifyTimeoutMs / 100) / 10} s`;
    if (stopping.aborted) return 'the service was stopped';
    return errorText(error);
  }
}

/** The same bytes at every attempt. */
function bodyOf(
  { kind, installation, title, text, facts }: DeliveryDocument['notification'],
  createdAt: number,
): string {
  const timestamp = new Date(createdAt).toISOString();
  return JSON.stringify({ type: kind, timestamp, data: { installation, title, text, ...facts } });
}

/** `fetch failed` says nothing; its cause has a code. Neither has the address of a webhook. */
function errorText(error: unknown): string {
  const { message = '', cause } = error as { message?: string; cause?: { code?: string } };
  return cleanText((cause?.code ?? message).replaceAll(/\s+/g, ' '), ERROR_CHARS) || 'it failed without a word';
}

function sayDead({ log }: Context, delivery: string, { installation, target, state }: DeliveryDocument): void {
  const name = formatName('notificationTarget', { installation, target });
  const error = state.phase === 'dead' ? state.lastError : '';
  log.error({ target: name, delivery, error }, 'a notification was given up');
}
