import type { Bus } from '@lastcall/bus';
import type {
  EventEnvelope,
  EventMessage,
  EventType,
  Principal,
  RequestOf,
  ResponseOf,
  ServiceDefinition,
  ServiceName,
} from '@lastcall/contracts';
import type { Clock, Rejected } from '@lastcall/kernel';
import type { Store } from '@lastcall/store';
import type { ChannelTls, UnaryClient } from '@lastcall/sdk';
import type { AgentKeys } from './auth/authenticator.js';
import type { Logger } from './logging.js';
import type { AuditedCall } from './operations/audit-trail.js';
import type { z } from 'zod';
import type { Attributes, GaugeName, HistogramName, TraceContext } from './telemetry/telemetry.js';

/*
 * What a service is to the runtime. The same value runs alone (`main.ts`) and beside the others in one process
 * (`lastcall up`); it never learns which.
 */

export interface ServiceModule<S extends object> {
  readonly name: ServiceName;
  /** Settings of this service beyond the common ones. Keys are camelCase; `fooBar` is read from LASTCALL_FOO_BAR. */
  readonly settings: z.ZodType<S>;
  /** Declares collections and wires the parts. Nothing runs before the runtime starts it. */
  create(context: ServiceContext<S>): Promise<ServiceParts>;
}

/** A module whose settings do not matter, in lists of modules. */
export type AnyServiceModule = ServiceModule<object>;

export interface ServiceContext<S> {
  readonly settings: S;
  /** This service's own database. */
  readonly store: Store;
  /** The database's time as this process knows it: the same for all replicas, whatever their machines say. */
  readonly clock: Clock;
  readonly bus: Bus;
  readonly log: Logger;
  /** Typed client of another service, with this service's credential, deadlines and retries. */
  client<D extends ServiceDefinition>(definition: D): UnaryClient<D>;
  /** Folder for files of this service. */
  readonly dataDir: string;
  /** Folder with the keys and credentials of this process: `signing-key.pem`, `keys.json`, `{service}.token`. */
  readonly identityDir: string;
  /** Base address of the catalog's HTTP edge (signed metadata and blobs) as hosts reach it, `http://host:port`. */
  readonly catalogUrl: string;
  /** What this process shows and trusts, as it is now, for calls that `client` does not make; undefined: plain text, or the system's authorities. */
  readonly tls: (() => ChannelTls) | undefined;
  /** Number in [0, 1); injected so that tests can repeat a run. */
  random(): number;
  /** Whether a credential has been revoked since it was admitted; for streams that outlive the check at their beginning. */
  isRevoked(token: string): boolean;
  /** Records a change that this service makes by itself, before it is made. What callers change is recorded by the runtime. */
  audit(call: AuditedCall): Promise<void>;
  /** Trace of the call or event that is being handled; empty outside one, and where telemetry is off. */
  traceContext(): TraceContext;
  /** Whether somebody reads the telemetry; what is counted for it alone need not be counted otherwise. */
  readonly isObserved: boolean;
  /** Sets a gauge of the telemetry; the service is added to the attributes. Costs nothing where telemetry is off. */
  gauge(name: GaugeName, value: number, attributes: Attributes): void;
  /** Adds one to a histogram, in seconds; the service is added to the attributes. */
  measure(name: HistogramName, seconds: number): void;
}

export interface ServiceParts {
  readonly rpc: readonly RpcBinding[];
  readonly http?: readonly HttpRoute[];
  /** One handler for each event that the table lists for this service; the start fails when they differ. */
  readonly consumers: EventHandlers;
  readonly duties: readonly Duty[];
  /** Public keys of agents, where this service knows them. */
  readonly agentKeys?: AgentKeys;
  /** Ends what the parts above do not cover: open streams, for example. */
  stop?(): Promise<void>;
}

/** Handlers of a service: idempotent; they resolve when their effect is durable. */
export type EventHandlers = {
  readonly [T in EventType]?: (message: EventMessage<T>, envelope: EventEnvelope) => Promise<void>;
};

/**
 * A background duty: the runtime calls `runOnce` at the start, whenever `wake` was called, at the time that the last call
 * answered, and at least every `everyMs` (with jitter). A call that throws is logged, counted and repeated with backoff.
 */
export interface Duty {
  readonly name: string;
  readonly everyMs: number;
  /** Answers when it wants to run next (milliseconds since the epoch), or undefined. */
  runOnce(signal: AbortSignal): Promise<number | undefined>;
  /** The runtime sets this; the service calls it when there is something to do now. */
  wake?: () => void;
}

/** Who calls, and how long they wait. */
export interface RpcContext {
  /** Undefined only on public methods. */
  readonly principal: Principal | undefined;
  /** Aborted when the caller is gone, the deadline has passed, or the server stops. */
  readonly signal: AbortSignal;
  /** `ip:port` of the caller, for logs and limits. */
  readonly peer: string;
}

/** What a stream is read by where a loop costs too much: called, never awaited. */
export interface StreamReader<Req> {
  message(message: Req): void;
  /** A message is too large or cannot be read. Nothing is read after it. */
  wrong(why: Rejected): void;
  /** Once, unless `wrong` was said: the caller has no more, or is gone, or the stream was ended here. */
  end(): void;
}

/** A bidirectional stream as a handler sees it: read in a loop, or by a reader; once. A loop throws what `wrong` is told. */
export interface ServerStream<Req, Res> extends AsyncIterable<Req> {
  /** Instead of the loop, for streams by the thousand: each message as it comes, without a promise for it. */
  read(reader: StreamReader<Req>): void;
  /** False when the reader is slower than the writer: the message is queued; stop writing or drop the reader. */
  write(message: Res): boolean;
  /** The same for a message that was encoded once for many streams. */
  writeEncoded(bytes: Buffer): boolean;
  /** Bytes that wait for the reader. */
  readonly queuedBytes: number;
  /** Ends the stream after what was written. */
  end(): void;
}

/** Handlers of one gRPC service. A returned Rejected becomes its gRPC status with all its details. */
export type RpcHandlers<D extends ServiceDefinition> = {
  readonly [M in keyof D]: D[M]['requestStream'] extends true
    ? (stream: ServerStream<RequestOf<D[M]>, ResponseOf<D[M]>>, context: RpcContext) => Promise<void>
    : D[M]['responseStream'] extends true
      ? (request: RequestOf<D[M]>, context: RpcContext) => AsyncIterable<ResponseOf<D[M]>>
      : (request: RequestOf<D[M]>, context: RpcContext) => Promise<ResponseOf<D[M]> | Rejected>;
};

/** A service definition with its handlers, ready for a server. Made by `bindRpc`. */
export interface RpcBinding {
  readonly definition: ServiceDefinition;
  readonly handlers: RpcHandlers<ServiceDefinition>;
  /** Largest message of a caller, by method; for streams in both directions. Default 1 MiB. */
  readonly maxRequestBytes?: Readonly<Partial<Record<string, number>>>;
}

export function bindRpc<D extends ServiceDefinition>(
  definition: D,
  handlers: Partial<RpcHandlers<D>>,
  maxRequestBytes?: Readonly<Partial<Record<keyof D & string, number>>>,
): RpcBinding {
  const limits = maxRequestBytes && { maxRequestBytes: maxRequestBytes as NonNullable<RpcBinding['maxRequestBytes']> };
  return { definition, handlers: handlers as RpcHandlers<ServiceDefinition>, ...limits };
}

/** A route of the HTTP edge. `path` ends in `/*` for everything below; the permission table has `{method} {path}`. */
export interface HttpRoute {
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  handle(
    request: import('node:http').IncomingMessage,
    response: import('node:http').ServerResponse,
    context: RpcContext & { readonly rest: string },
  ): Promise<void>;
}
