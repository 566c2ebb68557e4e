import { run as runDecider, isRejected, type Rejected } from '@lastcall/kernel';
import type { Change, Collection, CollectionSpec, Store } from '@lastcall/store';
import { delivery, type DeliveryCommand, type DeliveryState } from '../domain/delivery.js';
import type { Notification, NotificationKind } from './notification.js';

/*
 * Who is told outside, and what is on its way to them.
 */

export type Channel =
  | { readonly kind: 'webhook'; readonly url: string; readonly secret: string }
  | { readonly kind: 'mail'; readonly to: readonly string[] };

export interface TargetDocument {
  readonly installation: string;
  readonly target: string;
  readonly title: string;
  readonly channel: Channel;
  /** Empty: everything. */
  readonly kinds: readonly NotificationKind[];
  readonly createdAt: number;
}

export interface DeliveryDocument {
  readonly installation: string;
  readonly target: string;
  readonly notification: Notification;
  readonly createdAt: number;
  readonly state: DeliveryState;
}

export const BY_INSTALLATION = 'by_installation';
export const BY_TARGET = 'by_target';
export const DUE = 'due';
export const ENDED = 'ended';

const targets: CollectionSpec<TargetDocument> = {
  name: 'notification_targets',
  fields: ({ installation, target }) => ({ installation, target }),
  indexes: [{ name: BY_INSTALLATION, fields: ['installation', 'target'], unique: true }],
};

const deliveries: CollectionSpec<DeliveryDocument> = {
  name: 'notification_deliveries',
  fields: ({ installation, target, createdAt, state }) => ({
    target_id: targetDocumentId(installation, target),
    created_at: createdAt,
    due_at: state.phase === 'waiting' ? state.dueAt : undefined,
    ended_at: 'endedAt' in state ? state.endedAt : undefined,
  }),
  indexes: [
    { name: BY_TARGET, fields: ['target_id', 'created_at'] },
    { name: DUE, fields: ['due_at'] },
    { name: ENDED, fields: ['ended_at'] },
  ],
};

export interface NotificationDocuments {
  readonly targets: Collection<TargetDocument>;
  readonly deliveries: Collection<DeliveryDocument>;
}

export async function openNotificationDocuments(store: Store): Promise<NotificationDocuments> {
  return { targets: await store.collection(targets), deliveries: await store.collection(deliveries) };
}

export function targetDocumentId(installation: string, target: string): string {
  return `${installation}/${target}`;
}

/** The delivery after the command, undefined when it changes nothing. */
export function deliveryChange(
  current: DeliveryDocument | undefined,
  command: DeliveryCommand,
): Change<DeliveryDocument, DeliveryDocument | undefined> {
  if (!current) return { keep: undefined };
  const decision: { state: DeliveryState; events: readonly unknown[] } | Rejected = runDecider(
    delivery,
    current.state,
    command,
  );
  if (isRejected(decision) || decision.events.length === 0) return { keep: undefined };
  const write = { ...current, state: decision.state };
  return { write, result: write };
}
