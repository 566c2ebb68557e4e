import { installationOf } from './names.js';
import { Poison } from './poison.js';
import * as wire from './events-v1.js';
import { hasImpossibleTime } from './wire.js';

/**
 * The one table of events: what is said, by whom, and who listens. Subjects, consumers' filters, the choreography in the
 * README and the tests of it all come from here.
 */

export type ServiceName = 'catalog' | 'scheduler' | 'preflight' | 'session' | 'installer';

interface Codec<M> {
  encode(message: M): { finish(): Uint8Array };
  decode(input: Uint8Array): M;
}

interface EventSpec<M> {
  /** Area of the subject; the service that owns the contract. */
  readonly owner: ServiceName;
  /** Who says it; the owner unless listed. */
  readonly publishers: readonly ServiceName[];
  readonly consumers: readonly ServiceName[];
  readonly codec: Codec<M>;
}

function event<M>(
  owner: ServiceName,
  codec: Codec<M>,
  consumers: readonly ServiceName[],
  publishers: readonly ServiceName[] = [owner],
): EventSpec<M> {
  return { owner, publishers, consumers, codec };
}

export const EVENTS = {
  InstallationChanged: event('catalog', wire.InstallationChanged, ['session']),
  InstalledReleaseChanged: event('catalog', wire.InstalledReleaseChanged, ['session']),
  ReleaseWithdrawn: event('catalog', wire.ReleaseWithdrawn, ['scheduler']),
  TokenRevoked: event('catalog', wire.TokenRevoked, ['catalog', 'scheduler', 'preflight', 'session', 'installer']),
  HostJoined: event('installer', wire.HostJoined, ['catalog']),

  RunPlanned: event('scheduler', wire.RunPlanned, ['session', 'preflight']),
  RunStarted: event('scheduler', wire.RunStarted, ['preflight', 'session']),
  RunCancelRequested: event('scheduler', wire.RunCancelRequested, ['installer']),
  RunCancelled: event('installer', wire.RunCancelled, ['preflight', 'session', 'scheduler']),
  RunFinished: event('scheduler', wire.RunFinished, ['scheduler', 'catalog', 'preflight']),

  PreflightPassed: event('preflight', wire.PreflightPassed, ['installer', 'scheduler']),
  PreflightFailed: event('preflight', wire.PreflightFailed, ['session', 'scheduler']),
  RehearsalPassed: event('preflight', wire.RehearsalPassed, ['scheduler']),
  RehearsalFailed: event('preflight', wire.RehearsalFailed, ['scheduler']),
  StagingCompleted: event('installer', wire.StagingCompleted, ['session', 'preflight', 'scheduler']),
  StagingFailed: event('installer', wire.StagingFailed, ['session', 'scheduler']),
  GateClosed: event('session', wire.GateClosed, ['scheduler']),
  NoticeSent: event('session', wire.NoticeSent, ['scheduler']),
  SessionsDrained: event('session', wire.SessionsDrained, ['preflight', 'scheduler']),
  MaintenanceBegun: event('session', wire.MaintenanceBegun, ['scheduler']),
  DrainFailed: event('session', wire.DrainFailed, ['installer', 'scheduler']),
  BackupTaken: event('preflight', wire.BackupTaken, ['session', 'installer', 'scheduler']),
  BackupFailed: event('preflight', wire.BackupFailed, ['session', 'installer', 'scheduler']),
  DrainConfirmed: event('session', wire.DrainConfirmed, ['installer', 'scheduler']),
  InstallStarted: event('installer', wire.InstallStarted, ['scheduler']),
  HostUpdated: event('installer', wire.HostUpdated, ['catalog', 'session', 'scheduler']),
  HostCatchUpBegun: event('installer', wire.HostCatchUpBegun, ['session']),
  HostCatchUpFailed: event('installer', wire.HostCatchUpFailed, ['session']),
  InstallationUpdated: event('installer', wire.InstallationUpdated, ['catalog', 'session', 'scheduler']),
  InstallationRolledBack: event('installer', wire.InstallationRolledBack, ['catalog', 'session', 'scheduler']),
  InstallationQuarantined: event('installer', wire.InstallationQuarantined, ['catalog', 'session', 'scheduler']),
  CommandsStarted: event('installer', wire.CommandsStarted, ['scheduler']),
  CommandsRun: event('installer', wire.CommandsRun, ['scheduler']),
  CommandsFailed: event('installer', wire.CommandsFailed, ['scheduler']),
  HostReleased: event('installer', wire.HostReleased, ['session']),
  FirstStartProven: event('session', wire.FirstStartProven, ['scheduler']),
  GateReopened: event('session', wire.GateReopened, ['scheduler']),

  HostOrderIssued: event('installer', wire.HostOrderIssued, ['installer'], ['preflight', 'installer', 'session']),
  HostOrderProgressed: event('installer', wire.HostOrderProgressed, ['scheduler', 'preflight']),
  HostOrderCompleted: event('installer', wire.HostOrderCompleted, ['preflight', 'installer', 'session']),
} as const;

export type EventType = keyof typeof EVENTS;
export type EventMessage<T extends EventType> = ReturnType<(typeof EVENTS)[T]['codec']['decode']>;
export const EVENT_TYPES = Object.keys(EVENTS) as readonly EventType[];

/** An event that a document is about to say; the store gives it its id, source and sequence. */
export interface OutgoingEvent {
  readonly type: EventType;
  readonly installation: string;
  readonly data: Uint8Array;
  /** W3C trace context of its run: the event belongs to that trace, whatever has led to it. */
  readonly traceparent?: string;
}

/** An event on its way: the CloudEvents attributes and the protobuf bytes. */
export interface EventEnvelope {
  /** `{source}@{sequence}`; what inboxes and the duplicate window compare. */
  readonly id: string;
  /** A type of the table, or one that a newer peer knows. */
  readonly type: string;
  /** `{service}/{collection}/{document}`. */
  readonly source: string;
  /** Version of the source document at which it was said; grows. */
  readonly sequence: number;
  readonly installation: string;
  /** When it was said, milliseconds since the epoch, by the store's clock. */
  readonly time: number;
  readonly data: Uint8Array;
  /** W3C trace context of whoever caused it. */
  readonly traceparent?: string;
  readonly tracestate?: string;
}

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(EVENTS, type);
}

/** Encodes an event for the outbox. */
export function outgoing<T extends EventType>(type: T, installation: string, message: EventMessage<T>): OutgoingEvent {
  const codec = EVENTS[type].codec as unknown as Codec<EventMessage<T>>;
  const traceparent = aboutRun(message).traceparent;
  return { type, installation, data: codec.encode(message).finish(), ...(traceparent && { traceparent }) };
}

/** The run and the host that an event is about, by its spec or its order; what is not said is left away. */
export function aboutRun(message: object): { run?: string; host?: string; traceparent?: string } {
  const { run, order, host } = message as { run?: unknown; order?: unknown; host?: unknown };
  const [spec, asked] = [textsOf(run), textsOf(order)];
  const about = {
    run: spec['run'] ?? asked['run'],
    host: asked['host'] ?? textsOf({ host })['host'],
    traceparent: spec['traceparent'] ?? asked['traceparent'],
  };
  return textsOf(about);
}

/** Every installation that an event names: by its run, its order, or itself. */
export function installationsNamed(message: object): readonly string[] {
  const { run, order, installation } = message as { run?: unknown; order?: unknown; installation?: unknown };
  const own = typeof installation === 'string' ? installation : installationOf(textsOf(installation)['name'] ?? '');
  const named = [textsOf(run)['installation'], textsOf(order)['installation'], own];
  return named.filter((one): one is string => one !== undefined && one !== '');
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(typeof value === 'object' && value !== null ? value : {});
  return Object.fromEntries(entries.filter(([, text]) => typeof text === 'string' && text !== ''));
}

/** Decodes the message of an envelope. Unreadable bytes are poison: they will be no better next time. */
export function decodeEvent<T extends EventType>(type: T, envelope: EventEnvelope): EventMessage<T> {
  const message = decoded(type, envelope);
  if (hasImpossibleTime(message)) throw new Poison(`event ${envelope.id} has a time in it that no clock shows`);
  return message;
}

function decoded<T extends EventType>(type: T, envelope: EventEnvelope): EventMessage<T> {
  try {
    return EVENTS[type].codec.decode(envelope.data) as EventMessage<T>;
  } catch (cause) {
    throw new Poison(`the bytes of event ${envelope.id} are no ${type}`, { cause });
  }
}

/** Events that a service takes in, in the table's order. */
export function consumedBy(service: ServiceName): readonly EventType[] {
  return EVENT_TYPES.filter((type) => EVENTS[type].consumers.includes(service));
}
