import type { EventEnvelope } from '@lastcall/contracts';
import { Binary } from 'mongodb';
import type { FieldValue } from '../port.js';
import { envelope } from '../say.js';

/*
 * How documents and events lie in MongoDB. `data` is JSON text, as in SQLite: what comes back is what was written,
 * whatever its keys are called. What documents are found by stands beside it in `fields`.
 */

export interface StoredDocument {
  readonly _id: string;
  readonly version: number;
  /** Not there: the document was removed, and only what must be remembered of it is left. */
  readonly data?: string;
  readonly fields?: Readonly<Record<string, FieldValue>>;
  readonly outbox: readonly StoredEvent[];
  /** Ids of events that were taken in, the newest last. */
  readonly inbox: readonly string[];
  /** When it last said an event, 0 for never. */
  readonly saidAt: number;
  /** Unique for each write: what a write compares, and how a write whose answer was lost is recognised. */
  readonly writeId: string;
  /** Time of the oldest event in the outbox, while there is one. */
  readonly pendingSince?: number;
  readonly goneAt?: number;
}

/** An event in an outbox; its source is the document. */
export interface StoredEvent {
  readonly sequence: number;
  readonly time: number;
  readonly type: string;
  readonly installation: string;
  readonly data: Binary;
  readonly traceparent?: string;
  readonly tracestate?: string;
}

export interface ArchivedEvent extends StoredEvent {
  /** The event's id. */
  readonly _id: string;
  readonly source: string;
  readonly keptSince: number;
}

/** How a collection was built, in `_collections`. */
export interface StoredSpec {
  readonly _id: string;
  readonly indexes: string;
}

export function eventToStored(event: EventEnvelope): StoredEvent {
  const { sequence, time, type, installation, data, traceparent, tracestate } = event;
  const trace = { ...(traceparent ? { traceparent } : {}), ...(tracestate ? { tracestate } : {}) };
  return { sequence, time, type, installation, data: new Binary(data), ...trace };
}

export function storedToEvent(source: string, stored: StoredEvent): EventEnvelope {
  // A copy: the driver's bytes are a view of the whole answer of the server and would keep it in memory.
  const data = Uint8Array.from(stored.data.value());
  return envelope({ ...stored, source }, data, stored);
}
