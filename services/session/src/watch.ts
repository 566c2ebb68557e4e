import type { Bus, Subscription } from '@lastcall/bus';
import type { Logger } from '@lastcall/runtime';
import { CHANGED, type Documents } from './documents.js';
import type { GateRecord, Gates } from './gates.js';

/*
 * The newest state of each gate that somebody at this replica is interested in. A broadcast says that one has changed; a look at the
 * store every second finds it when the broadcast was lost. Who follows sees states, never messages, so nothing is missed for good.
 */

export interface Watch {
  /** The newest that is known here; registers the interest. Ignores what is older. */
  see(record: GateRecord): void;
  /** Says everywhere that this gate has changed. */
  changed(record: GateRecord): void;
  known(installation: string): GateRecord | undefined;
  /** Resolves at the next change of the gate, and at the next look at the latest. */
  next(installation: string): Promise<void>;
  /** Reads what has changed since the last look. */
  look(now: number): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const TOPIC = 'session-gates';
/** Writers' times differ, and a write may be seen later than one with a later time. */
const OVERLAP_MS = 10_000;
const PAGE = 200;

interface Waiting {
  readonly promise: Promise<void>;
  wake(): void;
}

/** One promise for everybody who waits. */
function createWaiting(): Waiting {
  let wake = (): void => undefined;
  const promise = new Promise<void>((resolve) => (wake = resolve));
  return { promise, wake: () => wake() };
}

export function createWatch(
  bus: Bus,
  { gates: collection }: Documents,
  gates: Pick<Gates, 'get'>,
  log: Logger,
  follow: (record: GateRecord) => void,
): Watch {
  const known = new Map<string, GateRecord>();
  const waiting = new Map<string, Waiting>();
  let seenUntil = 0;
  let subscription: Subscription | undefined;

  function see(record: GateRecord): void {
    const before = known.get(record.id);
    if (before && before.version >= record.version) return;
    known.set(record.id, record);
    follow(record);
    wake(record.id);
  }

  function wake(installation: string): void {
    const waiter = waiting.get(installation);
    waiting.delete(installation);
    waiter?.wake();
  }

  async function refresh(installation: string): Promise<void> {
    if (!known.has(installation)) return;
    const record = await gates.get(installation);
    if (record) see(record);
  }

  return {
    see,
    changed: (record) => {
      if (known.has(record.id)) see(record);
      bus
        .broadcast(TOPIC, Buffer.from(record.id, 'utf8'))
        .catch((error: unknown) => log.warn({ err: error }, 'other replicas see a change of the gate a little later'));
    },
    known: (installation) => known.get(installation),
    next: (installation) => {
      let waiter = waiting.get(installation);
      if (!waiter) {
        waiter = createWaiting();
        waiting.set(installation, waiter);
      }
      return waiter.promise;
    },
    look: async (now) => {
      // Also wakes those whose caller has gone away meanwhile.
      for (const installation of [...waiting.keys()]) wake(installation);
      if (known.size === 0) return;
      const from = seenUntil === 0 ? now - OVERLAP_MS : seenUntil - OVERLAP_MS;
      let pageToken: string | undefined;
      do {
        const page = await collection.query({
          index: CHANGED,
          range: { field: 'changed_at', from },
          limit: PAGE,
          ...(pageToken !== undefined && { pageToken }),
        });
        for (const record of page.items) if (known.has(record.id)) see(record);
        pageToken = page.nextPageToken;
      } while (pageToken !== undefined);
      seenUntil = now;
    },
    start: async () => {
      subscription = await bus.listen(TOPIC, (data) => {
        refresh(Buffer.from(data).toString('utf8')).catch((error: unknown) =>
          log.warn({ err: error }, 'a change of the gate is seen a little later'),
        );
      });
    },
    stop: async () => {
      await subscription?.stop();
      for (const installation of [...waiting.keys()]) wake(installation);
    },
  };
}
