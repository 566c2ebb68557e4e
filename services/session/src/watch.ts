import type { Bus, Subscription } from '@lastcall/bus';
import { BROADCASTS } from '@lastcall/contracts';
import type { Logger } from '@lastcall/runtime';
import { pagesOf } from '@lastcall/store';
import { CHANGED, type Documents } from './documents.js';
import type { GateRecord } from './gates.js';

/*
 * The newest state of each gate that somebody at this replica is interested in. A broadcast says that one has changed; a look at the
 * store every second finds it when the broadcast was lost. Who follows sees states, never messages, so nothing is missed for good.
 */

export interface WatchOptions {
  readonly bus: Bus;
  readonly documents: Documents;
  readonly log: Logger;
  /** Called with each newer state. */
  follow(record: GateRecord): void;
}

interface Waiting {
  readonly promise: Promise<void>;
  wake(): void;
}

const TOPIC = BROADCASTS.session.gates;
/** Writers' times differ, and a write may be seen later than one with a later time. */
const OVERLAP_MS = 10_000;
const PAGE = 200;

export class Watch {
  private readonly newest = new Map<string, GateRecord>();
  private readonly waiting = new Map<string, Waiting>();
  private seenUntil = 0;
  private subscription: Subscription | undefined;

  constructor(private readonly options: WatchOptions) {}

  /** Registers the interest; ignores what is older than what is known. */
  see(record: GateRecord): void {
    const before = this.newest.get(record.id);
    if (before && before.version >= record.version) return;
    this.newest.set(record.id, record);
    this.options.follow(record);
    this.wake(record.id);
  }

  /** Says everywhere that this gate has changed. */
  changed(record: GateRecord): void {
    const { bus, log } = this.options;
    if (this.newest.has(record.id)) this.see(record);
    bus
      .broadcast(TOPIC, Buffer.from(record.id, 'utf8'))
      .catch((err: unknown) => log.warn({ err }, 'other replicas see a change of the gate a little later'));
  }

  known(installation: string): GateRecord | undefined {
    return this.newest.get(installation);
  }

  /** Resolves at the next change of the gate, and at the next look at the latest. */
  next(installation: string): Promise<void> {
    let waiter = this.waiting.get(installation);
    if (!waiter) {
      waiter = createWaiting();
      this.waiting.set(installation, waiter);
    }
    return waiter.promise;
  }

  /** Reads what has changed since the last look. */
  async look(now: number): Promise<void> {
    // Also wakes those whose caller has gone away meanwhile.
    this.wakeAll();
    if (this.newest.size === 0) return;
    const from = (this.seenUntil || now) - OVERLAP_MS;
    const range = { field: 'changed_at', from };
    for await (const page of pagesOf(this.options.documents.gates, { index: CHANGED, range, limit: PAGE })) {
      for (const record of page) if (this.newest.has(record.id)) this.see(record);
    }
    this.seenUntil = now;
  }

  async start(): Promise<void> {
    const { bus, log } = this.options;
    this.subscription = await bus.listen(TOPIC, (data) => {
      this.refresh(Buffer.from(data).toString('utf8')).catch((err: unknown) =>
        log.warn({ err }, 'a change of the gate is seen a little later'),
      );
    });
  }

  async stop(): Promise<void> {
    await this.subscription?.stop();
    this.wakeAll();
  }

  private async refresh(installation: string): Promise<void> {
    if (!this.newest.has(installation)) return;
    const record = await this.options.documents.gates.get(installation);
    if (record) this.see(record);
  }

  private wake(installation: string): void {
    const waiter = this.waiting.get(installation);
    this.waiting.delete(installation);
    waiter?.wake();
  }

  private wakeAll(): void {
    for (const installation of [...this.waiting.keys()]) this.wake(installation);
  }
}

/** One promise for everybody who waits. */
function createWaiting(): Waiting {
  let wake = (): void => undefined;
  const promise = new Promise<void>((resolve) => (wake = resolve));
  return { promise, wake: () => wake() };
}
