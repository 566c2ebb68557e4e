import type { Bus, Subscription } from '@lastcall/bus';
import {
  aboutRun,
  consumedBy,
  decodeEvent,
  EVENTS,
  installationsNamed,
  isEventType,
  Poison,
  REJECTION_STATUS,
  type EventEnvelope,
  type EventType,
  type ServiceName,
} from '@lastcall/contracts';
import { Defect, RejectedError } from '@lastcall/kernel';
import { contextOfEvent } from './event-context.js';
import type { LifecyclePart } from '../lifecycle.js';
import { withLogContext } from '../log-context.js';
import type { Logger } from '../logging.js';
import type { EventHandlers } from '../service.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import type { DeadLetters } from './dead-letters.js';

/*
 * The events of one service: from the bus to its handlers. One durable consumer with the service's name. What a handler
 * throws goes back to the bus, which repeats and in the end hands it to the dead letters. TokenRevoked is the runtime's own, for
 * every service.
 */

/** Handled by the runtime itself. */
export const RUNTIME_EVENT = 'TokenRevoked' satisfies EventType;

export interface EventConsumerOptions {
  readonly service: ServiceName;
  readonly bus: Bus;
  readonly handlers: EventHandlers;
  readonly deadLetters: DeadLetters;
  revoke(token: string, expiresAt: number): Promise<void>;
  readonly log: Logger;
  readonly telemetry: Telemetry;
}

export interface EventConsumer extends LifecyclePart {
  /** Takes in one event; throws what the handler throws. */
  handle(event: EventEnvelope): Promise<void>;
}

type Handler = (message: unknown, envelope: EventEnvelope) => Promise<void>;

/** Throws a Defect when the handlers are not those that the table lists for the service. */
export function createEventConsumer(options: EventConsumerOptions): EventConsumer {
  const { service, bus, telemetry, log } = options;
  checkHandlers(service, options.handlers);
  const handlers = new Map<string, Handler>(Object.entries(options.handlers) as [string, Handler][]);
  handlers.set(RUNTIME_EVENT, revokeToken(options));
  let subscription: Subscription | undefined;

  async function take(event: EventEnvelope): Promise<void> {
    const handler = handlers.get(event.type);
    // Of a newer peer, or of an older durable consumer: not ours.
    if (!handler || !isEventType(event.type)) {
      return log.info({ event: event.id, type: event.type }, 'an event that nobody here takes in was passed over');
    }
    checkSpeaker(event.type, event.source);
    const name = `take ${event.type}`;
    const message = decodeEvent(event.type, event);
    checkInstallation(event, message);
    const attributes = { 'lastcall.service': service, 'lastcall.event': event.id, ...spanAttributes(event, message) };
    await telemetry.span({ name, kind: 'consumer', parent: event, attributes }, () => handler(message, event));
  }

  const handle = (event: EventEnvelope): Promise<void> =>
    withLogContext(contextOfEvent(event), () => takeAndCount(event));

  async function takeAndCount(event: EventEnvelope): Promise<void> {
    const labels = { service, type: event.type };
    const beganAt = performance.now();
    try {
      await take(event);
      telemetry.count('events_handled', labels);
    } catch (error) {
      if (isSettled(error)) {
        telemetry.count('events_handled', labels);
        return log.warn({ event: event.id, err: error }, 'an event was refused; repeating would change nothing');
      }
      telemetry.count('events_failed', labels);
      log.warn({ event: event.id, err: error }, 'an event could not be taken in');
      throw error;
    } finally {
      telemetry.measure('event_duration_seconds', (performance.now() - beganAt) / 1_000, labels);
    }
  }

  return {
    name: `consumer of ${service}`,
    handle,
    start: async () => {
      subscription = await bus.consume({
        name: service,
        types: [...handlers.keys()].filter(isEventType),
        handle,
        deadLetter: async (event, reason) => {
          await options.deadLetters.keep(event, reason);
          telemetry.count('events_dead_lettered', { service, type: event.type });
          log.error({ event: event.id, reason }, 'an event was given up; see "lastcall deadletter list"');
        },
      });
    },
    stop: async () => {
      await subscription?.stop();
    },
  };
}

/**
 * On the bus each service may publish in its own area only, and the subject fits the type. So what a service says stands in a document
 * of its own; otherwise it would push the numbers of somebody else's document ahead, and what that one says next would be left out.
 */
function checkSpeaker(type: EventType, source: string): void {
  const { publishers } = EVENTS[type];
  if ((publishers as readonly string[]).includes(source.split('/')[0] ?? '')) return;
  throw new Poison(`${type} is said by ${publishers.join(', ')}, and never by ${source.slice(0, 200)}`);
}

/** What is said about one installation names no other one; what a handler looks up by it is then of that installation. */
function checkInstallation({ type, installation }: EventEnvelope, message: object): void {
  const other = installationsNamed(message).find((named) => named !== installation);
  if (other === undefined) return;
  throw new Poison(`${type} is said about ${installation || 'no installation'}, and names ${other.slice(0, 100)}`);
}

function spanAttributes({ installation }: EventEnvelope, message: object): Readonly<Record<string, string>> {
  const { run, host } = aboutRun(message);
  return {
    ...(installation && { 'lastcall.installation': installation }),
    ...(run && { 'lastcall.run': run }),
    ...(host && { 'lastcall.host': host }),
  };
}

/** A rule said no; the status table says that it is done with. */
function isSettled(error: unknown): boolean {
  return error instanceof RejectedError && REJECTION_STATUS[error.rejected.code].bus === 'done';
}

function revokeToken(options: EventConsumerOptions): Handler {
  return async (_message, envelope) => {
    const { token, expiresAt } = decodeEvent(RUNTIME_EVENT, envelope);
    // Without an end the mark is kept for as long as a credential can be valid at all.
    await options.revoke(token, expiresAt?.getTime() ?? envelope.time + 3_650 * 86_400_000);
  };
}

function checkHandlers(service: ServiceName, handlers: EventHandlers): void {
  const wanted = new Set<string>(consumedBy(service).filter((type) => type !== RUNTIME_EVENT));
  const found = new Set(Object.keys(handlers));
  const missing = [...wanted].filter((type) => !found.has(type));
  const extra = [...found].filter((type) => !wanted.has(type));
  if (missing.length + extra.length === 0) return;
  throw new Defect(
    `${service} and the table of events differ: no handler for [${missing.join(', ')}], not in the table [${extra.join(', ')}]`,
  );
}
