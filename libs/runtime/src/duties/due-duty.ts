import type { Collection, Document, Store } from '@lastcall/store';
import { logContextOf, withLogContext, type Known } from '../log-context.js';
import type { Duty } from '../service.js';

/*
 * A duty over an index of due times: looks after everything whose time has come by the store's clock, and answers when the next
 * one is due. Any replica may do it; what is looked after must bear that two do.
 */

/** A duty that can be told of a new due time. */
export interface DueDuty extends Duty {
  /** Something is due at this time; wakes the duty when it would come too late. */
  dueAt(at: number): void;
}

export type DueDutyOptions<T extends object> = CommonOptions<T> & (Look<T> | LookTogether<T>);

interface CommonOptions<T extends object> {
  readonly name: string;
  readonly everyMs: number;
  readonly store: Store;
  readonly collection: Collection<T>;
  /** Index over the due time alone. */
  readonly index: string;
  readonly dueAtOf: (data: NoInfer<T>) => number | undefined;
  /** What the log says with each line that is written while a document is looked after. */
  readonly about?: (document: Document<T>) => Known;
}

interface Look<T> {
  /** Takes the due time away or moves it, or the document comes again at once. `now` is the store's clock. */
  readonly look: (document: Document<T>, now: number) => Promise<void>;
}

interface LookTogether<T> {
  /** The same for a page of them, where they share a write or an order. One that fails must hold up no other; the signal ends what takes long. */
  readonly lookTogether: (documents: readonly Document<T>[], now: number, signal: AbortSignal) => Promise<void>;
}

const PAGE = 100;
const AT_ONCE = 16;
const NOTHING: Known = {};
const NEVER = Number.MAX_SAFE_INTEGER;

export function createDueDuty<T extends object>(options: DueDutyOptions<T>): DueDuty {
  const { name, everyMs, store, collection, index, dueAtOf, about = () => NOTHING } = options;
  let nextAt = NEVER;
  const duty: DueDuty = {
    name,
    everyMs,
    runOnce: async (signal) => {
      nextAt = NEVER;
      const now = await store.now();
      const { items } = await collection.query({ index, limit: PAGE });
      const later = items.findIndex(({ data }) => (dueAtOf(data) ?? now) > now);
      const due = later < 0 ? items : items.slice(0, later);
      if ('look' in options)
        await lookAtAll(
          due,
          (document) => withLogContext(logContextOf(about(document)), () => options.look(document, now)),
          signal,
        );
      else if (due.length > 0) await options.lookTogether(due, now, signal);
      const found = items[later] && dueAtOf(items[later].data);
      nextAt = Math.min(nextAt, found ?? (items.length === PAGE ? now : NEVER));
      return nextAt === NEVER ? undefined : nextAt;
    },
    dueAt: (at) => {
      if (at >= nextAt) return;
      nextAt = at;
      duty.wake?.();
    },
  };
  return duty;
}

/** Beside each other: what is due at the same instant does not queue up, and one that fails holds up no other. */
async function lookAtAll<T>(
  documents: readonly T[],
  look: (document: T) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const failures: unknown[] = [];
  const queue = documents.values();
  const worker = async (): Promise<void> => {
    for (const document of queue) {
      if (signal.aborted) return;
      await look(document).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, documents.length) }, worker));
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} due documents failed`);
}
