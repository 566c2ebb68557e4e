import type { EventEnvelope, ServiceName } from '@lastcall/contracts';
import { derivedId } from '@lastcall/kernel';
import type { Collection, Store } from '@lastcall/store';
import type { Telemetry } from '../telemetry/telemetry.js';

/*
 * Events that a consumer could not take in, in its own database. Owned by the runtime, the same for each service. One that is
 * handed over again and fails again stays.
 */

export interface DeadLetter {
  readonly id: string;
  readonly service: ServiceName;
  readonly event: EventEnvelope;
  readonly reason: string;
  readonly createdAt: number;
  /** Grows; what pages go by. */
  readonly order: string;
}

/** As it is kept: JSON has no bytes. */
interface DeadLetterData {
  readonly event: Omit<EventEnvelope, 'data'> & { readonly data: string };
  readonly reason: string;
  readonly createdAt: number;
  readonly order: string;
}

export interface DeadLetters {
  readonly service: ServiceName;
  keep(event: EventEnvelope, reason: string): Promise<void>;
  find(id: string): Promise<DeadLetter | undefined>;
  /** Newest first, those before `below`. */
  list(limit: number, below: string | undefined): Promise<readonly DeadLetter[]>;
  remove(id: string): Promise<void>;
  count(): Promise<number>;
}

const MAX_REASON_CHARS = 4_000;

export async function openDeadLetters(service: ServiceName, store: Store, telemetry: Telemetry): Promise<DeadLetters> {
  const documents: Collection<DeadLetterData> = await store.collection<DeadLetterData>({
    name: 'dead_letters',
    fields: ({ order }) => ({ order }),
    indexes: [{ name: 'newest', fields: ['order'] }],
  });
  const count = (): Promise<number> => documents.count({ index: 'newest' });
  const report = async (): Promise<void> => telemetry.set('dead_letters', await count(), { service });
  await report();
  return {
    service,
    keep: async (event, reason) => {
      const id = derivedId('dl', service, event.id);
      await documents.change(id, (current, { now }) =>
        current ? { keep: undefined } : { write: toData(id, event, reason, now), result: undefined },
      );
      await report();
    },
    find: async (id) => {
      const found = await documents.get(id);
      return found && fromData(service, id, found.data);
    },
    list: async (limit, below) => {
      const range = below === undefined ? {} : { range: { field: 'order', below } };
      const { items } = await documents.query({ index: 'newest', order: 'descending', limit, ...range });
      return items.map(({ id, data }) => fromData(service, id, data));
    },
    remove: async (id) => {
      await documents.remove(id);
      await report();
    },
    count,
  };
}

/** Sorts by time, then by id, and is never the same twice. */
export function orderOf(at: number, id: string): string {
  return `${String(at).padStart(15, '0')}.${id}`;
}

function toData(id: string, event: EventEnvelope, reason: string, now: number): DeadLetterData {
  return {
    event: { ...event, data: Buffer.from(event.data).toString('base64') },
    reason: reason.slice(0, MAX_REASON_CHARS),
    createdAt: now,
    order: orderOf(now, id),
  };
}

function fromData(service: ServiceName, id: string, { event, ...rest }: DeadLetterData): DeadLetter {
  return { id, service, event: { ...event, data: Buffer.from(event.data, 'base64') }, ...rest };
}
