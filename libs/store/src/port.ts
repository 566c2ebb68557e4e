import type { EventEnvelope, OutgoingEvent } from '@lastcall/contracts';
import type { Rejected } from '@lastcall/kernel';

/**
 * The port of the store: collections of versioned documents. Two implementations: SQLite and MongoDB. Services see this
 * file only; one contract suite runs on both.
 *
 * A document carries its version, its outbox and its inbox. One atomic write on one document is the state change, the
 * outgoing events and the mark of the incoming event together. There are no transactions over several documents.
 *
 * - `version` grows by one for each outgoing event, and by one for a write without any, so an event's `sequence` is the
 *   version at which it was said, and events of one document are in order.
 * - The inbox keeps the ids of the last INBOX_SIZE events that the document has taken in.
 * - `data` must survive JSON: no Date, bigint, undefined in arrays, or class instances.
 */
export interface Store {
  /** Declares a collection, its indexes included. Idempotent; the same spec each time. */
  collection<T extends object>(spec: CollectionSpec<T>): Promise<Collection<T>>;
  /** The database's clock where it has one (milliseconds since the epoch); leases and due times are compared with it. */
  now(): Promise<number>;
  /** Whether reading and writing can succeed now; for health. */
  isConnected(): boolean;
  /** Called (coalesced, in this process) after a write that put something into an outbox. */
  onOutbox(wake: () => void): () => void;
  /** Events that have not been published, oldest first within a document. */
  pendingEvents(limit: number): Promise<readonly EventEnvelope[]>;
  /** Copies the event into the archive (kept ARCHIVE_DAYS). Idempotent. */
  archive(event: EventEnvelope): Promise<void>;
  /** Takes a published event out of its outbox. Idempotent; does not change the document's version. */
  clearEvent(event: EventEnvelope): Promise<void>;
  /** Archived events from `fromAt` on, oldest first; to rebuild a lost stream. */
  archivedEvents(page: { fromAt: number; limit: number; pageToken?: string }): Promise<Page<EventEnvelope>>;
  close(): Promise<void>;
}

export const INBOX_SIZE = 128;
export const ARCHIVE_DAYS = 7;

export type FieldValue = string | number | boolean;

export interface CollectionSpec<T extends object> {
  /** [a-z_]{1,40}. */
  readonly name: string;
  /** Values by which documents are found, computed from the data at each write. Undefined: not in indexes with that field. */
  readonly fields: (data: T) => Readonly<Record<string, FieldValue | undefined>>;
  /** A document stands in an index only when it has all of its fields, so a unique index can be partial. */
  readonly indexes: readonly IndexSpec[];
}

export interface IndexSpec {
  /** [a-z_]{1,40}. */
  readonly name: string;
  readonly fields: readonly string[];
  readonly unique?: boolean;
}

export interface Document<T> {
  readonly id: string;
  readonly version: number;
  readonly data: T;
}

/** What a step wants written. */
export type Change<T, R> =
  { readonly write: T; readonly events?: readonly OutgoingEvent[]; readonly result: R } | { readonly keep: R };

export interface StepContext {
  /** The store's clock. */
  readonly now: number;
  /** Version before the change; 0 for a new document. */
  readonly version: number;
}

/** Decides what to write. Pure; may run several times when others write the same document. */
export type Step<T, R> = (current: T | undefined, context: StepContext) => Change<T, R>;

export interface Collection<T extends object> {
  readonly name: string;
  get(id: string): Promise<Document<T> | undefined>;
  /**
   * Reads, lets `step` decide, compares and sets; repeats while others write the same document (bounded, then a Fault).
   * `id` is 1–256 characters. Throws DuplicateKey when a unique index holds the key for another document.
   */
  change<R>(id: string, step: Step<T, R>): Promise<R>;
  /**
   * The same for an incoming event: does nothing and answers `taken: false` when the document has already taken it in.
   * The mark is written together with the change; a step that keeps leaves no mark.
   */
  take<R>(id: string, event: EventEnvelope, step: Step<T, R>): Promise<{ taken: true; result: R } | { taken: false }>;
  /** Inserts documents that have no events, several at once. Answers the ids that existed already and were left alone. */
  insertMany(documents: readonly { id: string; data: T }[]): Promise<readonly string[]>;
  /** Deletes. With `version`: only that one. Answers whether it was there. A document with unpublished events is a Defect. */
  remove(id: string, version?: number): Promise<boolean>;
  removeMany(ids: readonly string[]): Promise<number>;
  /** Documents by a declared index; bounded. */
  query(query: Query): Promise<Page<Document<T>>>;
  count(query: CountQuery): Promise<number>;
}

export interface Query {
  readonly index: string;
  /** Values of the leading fields of the index. */
  readonly where?: Readonly<Record<string, FieldValue>>;
  /** Bounds for the field of the index that follows those in `where`. */
  readonly range?: { readonly field: string; readonly from?: FieldValue; readonly below?: FieldValue };
  /** By the index's fields, then by id. Default ascending. */
  readonly order?: 'ascending' | 'descending';
  /** 1–1,000. */
  readonly limit: number;
  readonly pageToken?: string;
}

export type CountQuery = Omit<Query, 'limit' | 'pageToken' | 'order'> & {
  /** Counts the values of the field of the index that follows those in `where`, each once. Default: documents. */
  readonly distinct?: boolean;
};

export interface Page<T> {
  readonly items: readonly T[];
  /** Undefined at the end. Opaque; a token that was not made here is rejected with an `InvalidPageToken`. */
  readonly nextPageToken?: string;
}

/** A unique index holds the key for another document. */
export class DuplicateKey extends Error {
  override readonly name = 'DuplicateKey';
  constructor(
    readonly collection: string,
    readonly index: string,
  ) {
    super(`a document with the same ${index} exists in ${collection}`);
  }
}

export class InvalidPageToken extends Error {
  override readonly name = 'InvalidPageToken';
  constructor() {
    super('page_token is not one of this list; begin without one');
  }
}

/** Convenience for steps: what a domain decision that refused leads to. */
export function keepRejected<T>(rejected: Rejected): Change<T, Rejected> {
  return { keep: rejected };
}
