import type { Bus, Subscription } from '@lastcall/bus';
import {
  decodeEvent,
  EVENT_TYPES,
  EVENTS,
  outgoing,
  type EventEnvelope,
  type EventMessage,
  type EventType,
} from '@lastcall/contracts';
import { randomId } from '@lastcall/kernel';
import { createRecorder } from './recorder.js';

/*
 * The bus as a test uses it: says events of services that are not running, and sees everything that is said.
 */

export interface SeenEvent<T extends EventType> {
  readonly message: EventMessage<T>;
  readonly envelope: EventEnvelope;
}

export interface EventTap {
  /** Everything so far, in the order in which it came. */
  readonly envelopes: readonly EventEnvelope[];
  /** `source` is `{service}/{collection}/{document}` of a service that says it; by default a new one each time, so that nothing waits for anything. */
  publish<T extends EventType>(
    type: T,
    installation: string,
    message: EventMessage<T>,
    source?: string,
  ): Promise<EventEnvelope>;
  /** The first one that fits, of those that came already too. Default 30 s. */
  seen<T extends EventType>(
    type: T,
    fits?: (message: EventMessage<T>, envelope: EventEnvelope) => boolean,
    timeoutMs?: number,
  ): Promise<SeenEvent<T>>;
  stop(): Promise<void>;
}

export async function tapEvents(bus: Bus): Promise<EventTap> {
  const recorder = createRecorder<EventEnvelope>();
  const sequences = new Map<string, number>();
  const subscription: Subscription = await bus.consume({
    name: randomId('testkit'),
    types: EVENT_TYPES,
    handle: async (event) => recorder.add(event),
    deadLetter: async () => undefined,
  });

  return {
    envelopes: recorder.items,
    publish: async (type, installation, message, source = defaultSource(type)) => {
      const { publishers } = EVENTS[type];
      // Services do not take it in either; here it is a mistake of the test.
      if (!publishers.some((one) => source.startsWith(`${one}/`))) throw new Error(`${source} never says ${type}`);
      const sequence = (sequences.get(source) ?? 0) + 1;
      sequences.set(source, sequence);
      const { data } = outgoing(type, installation, message);
      const id = `${source}@${sequence}`;
      const envelope = { id, type, source, sequence, installation, time: Date.now(), data };
      await bus.publish(envelope);
      return envelope;
    },
    seen: async (type, fits = () => true, timeoutMs = 30_000) => {
      const envelope = await recorder.until(
        (event) => event.type === type && fits(decodeEvent(type, event), event),
        timeoutMs,
        () => `${type} that fits; there were: ${recorder.items.map((e) => e.type).join(', ') || 'no events at all'}`,
      );
      return { message: decodeEvent(type, envelope), envelope };
    },
    stop: async () => {
      recorder.close('the test has stopped');
      await subscription.stop();
    },
  };
}

function defaultSource(type: EventType): string {
  return `${EVENTS[type].publishers[0] ?? 'testkit'}/testkit/${randomId('doc')}`;
}
