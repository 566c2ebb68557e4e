import type { EventEnvelope, EventType } from '@lastcall/contracts';
import type { Consumer } from './port.js';

/*
 * What the suites of the bus share: events, and a consumer that records. Tests only.
 */

/** Short waits, so that five deliveries take milliseconds. */
export const QUICK = {
  retryDelaysMs: [1, 2, 3, 4],
  faultPatienceMs: 60_000,
  maxDelayMs: 20,
  ackWaitMs: 1_000,
  reconnectWaitMs: 50,
} as const;

export function makeEvent(source: string, sequence: number, more: Partial<EventEnvelope> = {}): EventEnvelope {
  return {
    id: `${source}@${sequence}`,
    type: 'RunStarted',
    source,
    sequence,
    installation: 'encore-berlin',
    time: Date.UTC(2026, 0, 1, 12, 0, 0, sequence),
    data: new Uint8Array([1, 2, 3, sequence % 256]),
    ...more,
  };
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** Something that a test waits for. */
export class Gate {
  private pass: () => void = () => undefined;
  readonly opened = new Promise<void>((resolve) => {
    this.pass = resolve;
  });

  open(): void {
    this.pass();
  }
}

/** Records what a consumer is given, and lets a test wait until something holds. */
export class Recorder {
  /** Ids, in the order in which their handlers began. */
  readonly begun: string[] = [];
  /** Ids whose handlers resolved. */
  readonly done: string[] = [];
  readonly events: EventEnvelope[] = [];
  readonly dead: { event: EventEnvelope; reason: string }[] = [];
  /** Handlers that run now. */
  running = 0;
  private readonly waiting = new Set<() => void>();

  consumer(
    name: string,
    types: readonly EventType[],
    behaviour: {
      handle?: (event: EventEnvelope) => Promise<void>;
      deadLetter?: (event: EventEnvelope, reason: string) => Promise<void>;
    } = {},
  ): Consumer {
    return {
      name,
      types,
      handle: (event) => this.handle(event, behaviour.handle),
      deadLetter: async (event, reason) => {
        await behaviour.deadLetter?.(event, reason);
        this.dead.push({ event, reason });
        this.tell();
      },
    };
  }

  /** Resolves as soon as the condition holds; it is looked at whenever something was recorded. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.waiting.delete(look);
        resolve();
      };
      this.waiting.add(look);
    });
  }

  tell(): void {
    for (const look of [...this.waiting]) look();
  }

  private async handle(event: EventEnvelope, behaviour?: (event: EventEnvelope) => Promise<void>): Promise<void> {
    this.begun.push(event.id);
    this.events.push(event);
    this.running += 1;
    this.tell();
    try {
      await behaviour?.(event);
      this.done.push(event.id);
    } finally {
      this.running -= 1;
      this.tell();
    }
  }
}
