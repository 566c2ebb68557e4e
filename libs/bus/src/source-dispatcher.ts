import type { EventEnvelope } from '@lastcall/contracts';
import type { Consumer } from './port.js';
import { afterFailedBurial, afterFailure, describe, UNTRIED, type Again, type Ordeal } from './retry-policy.js';
import type { BusLog, BusTuning } from './tuning.js';

/** An event in the hands of this process. */
export interface Delivery {
  readonly envelope: EventEnvelope;
  /** Why the event cannot be read; it goes to the dead letters without being handled. */
  readonly unreadable?: string;
  /** Must not throw. Called once, when the handler's effect, or the dead letter, is durable. */
  acknowledge(): void;
}

interface Waiting {
  readonly delivery: Delivery;
  ordeal: Ordeal;
}

interface Lane {
  readonly queue: Waiting[];
  /** `ready` stands in the list of lanes to be run; `paused` waits for its head's next delivery. */
  state: 'ready' | 'running' | 'paused';
  timer?: NodeJS.Timeout;
}

/**
 * Hands events to a consumer: those of one source one at a time in the order of their sequence, those of different
 * sources side by side. An event that failed stays at the head of its lane until it is taken in or buried.
 *
 * It owns neither durability nor fetching: an event that is not acknowledged is the bus's to bring again.
 */
export class SourceDispatcher {
  private readonly lanes = new Map<string, Lane>();
  private readonly ready: Lane[] = [];
  private readonly running = new Set<Promise<void>>();
  private count = 0;
  private stopped = false;

  constructor(
    private readonly consumer: Consumer,
    private readonly tuning: BusTuning,
    private readonly log: BusLog,
  ) {}

  /** Events that are waiting or being handled. */
  get size(): number {
    return this.count;
  }

  offer(delivery: Delivery): void {
    if (this.stopped) return;
    this.count += 1;
    const { source } = delivery.envelope;
    let lane = this.lanes.get(source);
    if (lane === undefined) {
      lane = { queue: [], state: 'ready' };
      this.lanes.set(source, lane);
      this.ready.push(lane);
    }
    insert(lane, { delivery, ordeal: { ...UNTRIED, poison: delivery.unreadable } });
    this.pump();
  }

  /** Resolves when no handler runs any more. What was not taken in stays unacknowledged. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const lane of this.lanes.values()) clearTimeout(lane.timer);
    await Promise.all(this.running);
  }

  private pump(): void {
    while (!this.stopped && this.running.size < this.tuning.parallelism) {
      const lane = this.ready.shift();
      if (lane === undefined) return;
      const run = this.runHead(lane).finally(() => {
        this.running.delete(run);
        this.pump();
      });
      this.running.add(run);
    }
  }

  private async runHead(lane: Lane): Promise<void> {
    lane.state = 'running';
    const head = lane.queue[0];
    if (head === undefined) return;
    const verdict = await this.deliver(head);
    if (verdict === undefined) this.finish(lane, head);
    else this.pause(lane, head, verdict);
  }

  private finish(lane: Lane, head: Waiting): void {
    lane.queue.shift();
    this.count -= 1;
    if (lane.queue.length === 0) {
      this.lanes.delete(head.delivery.envelope.source);
    } else {
      lane.state = 'ready';
      this.ready.push(lane);
    }
    head.delivery.acknowledge();
  }

  private pause(lane: Lane, head: Waiting, verdict: Again): void {
    head.ordeal = verdict.ordeal;
    lane.state = 'paused';
    if (this.stopped) return;
    lane.timer = setTimeout(() => {
      lane.state = 'ready';
      this.ready.push(lane);
      this.pump();
    }, verdict.afterMs);
  }

  /** Handler, then the dead letter if it must be. Undefined when the event is settled. */
  private async deliver({ delivery, ordeal }: Waiting): Promise<Again | undefined> {
    const { envelope } = delivery;
    if (ordeal.poison !== undefined) return this.bury(envelope, ordeal.poison, ordeal);
    try {
      await this.consumer.handle(envelope);
      return undefined;
    } catch (error) {
      const verdict = afterFailure(ordeal, error, Date.now(), this.tuning);
      const { id: event, type, installation } = envelope;
      const fields = { consumer: this.consumer.name, event, type, installation, err: error };
      this.log.warn(fields, verdict.kind === 'again' ? 'event failed, will come again' : 'event failed for good');
      return verdict.kind === 'again' ? verdict : this.bury(envelope, verdict.reason, verdict.ordeal);
    }
  }

  private async bury(envelope: EventEnvelope, reason: string, ordeal: Ordeal): Promise<Again | undefined> {
    try {
      await this.consumer.deadLetter(envelope, reason);
      return undefined;
    } catch (error) {
      const fields = { consumer: this.consumer.name, event: envelope.id, reason: describe(error) };
      this.log.error(fields, 'dead letter could not be kept, will be tried again');
      return afterFailedBurial(ordeal, this.tuning);
    }
  }
}

/** By sequence; never before an event that is being handled. */
function insert(lane: Lane, waiting: Waiting): void {
  const first = lane.state === 'running' ? 1 : 0;
  const { sequence } = waiting.delivery.envelope;
  let at = lane.queue.length;
  while (at > first && sequence < (lane.queue[at - 1]?.delivery.envelope.sequence ?? 0)) at -= 1;
  lane.queue.splice(at, 0, waiting);
}
