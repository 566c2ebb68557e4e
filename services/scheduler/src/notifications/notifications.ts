import { derivedId } from '@lastcall/kernel';
import { pagesOf, type Document, type Store } from '@lastcall/store';
import {
  BY_INSTALLATION,
  targetDocumentId,
  type DeliveryDocument,
  type NotificationDocuments,
  type TargetDocument,
} from './documents.js';
import type { Notification } from './notification.js';

/*
 * Puts notifications on their way: one delivery for each target of the installation that wants to know. The id of a delivery is derived
 * from what it says, so that the same thing said again after a crash is the same delivery.
 */

export interface Notifications {
  /** Durable when it resolves. Idempotent. */
  tell(notification: Notification): Promise<void>;
  /** To this target, whatever it wants to know. Answers the delivery. */
  tellOne(target: TargetDocument, notification: Notification): Promise<Document<DeliveryDocument>>;
}

const PAGE = 100;

export function createNotifications(
  { targets, deliveries }: NotificationDocuments,
  store: Pick<Store, 'now'>,
  wake: () => void,
): Notifications {
  const queue = async (wanted: readonly TargetDocument[], notification: Notification): Promise<string[]> => {
    const now = await store.now();
    const fresh = wanted.map(({ installation, target }) => ({
      id: derivedId('m', targetDocumentId(installation, target), notification.kind, notification.subject),
      data: {
        ...{ installation, target, notification, createdAt: now },
        state: { phase: 'waiting', attempts: 0, dueAt: now, lastError: '' } as const,
      },
    }));
    if (fresh.length > 0) await deliveries.insertMany(fresh);
    wake();
    return fresh.map(({ id }) => id);
  };
  return {
    tell: async (notification) => {
      const where = { installation: notification.installation };
      for await (const page of pagesOf(targets, { index: BY_INSTALLATION, where, limit: PAGE })) {
        const wanted = page
          .map(({ data }) => data)
          .filter(({ kinds }) => kinds.length === 0 || kinds.includes(notification.kind));
        await queue(wanted, notification);
      }
    },
    tellOne: async (target, notification) => {
      const [id = ''] = await queue([target], notification);
      const found = await deliveries.get(id);
      if (!found) throw new Error(`the delivery ${id} is gone`);
      return found;
    },
  };
}
