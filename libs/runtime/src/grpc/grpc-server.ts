import { Server, status, type ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import type { MethodDefinition } from '@lastcall/contracts';
import { Fault, isRejected, orThrow, RejectedError } from '@lastcall/kernel';
import { MAX_MESSAGE_BYTES } from '@lastcall/sdk';
import type { Authenticator } from '../auth/authenticator.js';
import { admit } from '../auth/admit.js';
import type { Certificates } from '../certificates.js';
import { contextOfCall, withLogContext } from '../log-context.js';
import type { Logger } from '../logging.js';
import { auditedCall, isAudited, type AuditTrail } from '../operations/audit-trail.js';
import { changesOf } from '../operations/changes.js';
import type { RpcBinding } from '../service.js';
import type { CommonSettings } from '../settings/index.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import type { CallLimiter } from './call-limiter.js';
import { bidiCall, createBidiInterceptor, rawMethod, type BidiHandler, type ServeBidi } from './bidi-calls.js';
import {
  streamingCall,
  unaryCall,
  type CallEnd,
  type StreamingHandler,
  type Surroundings,
  type UnaryHandler,
} from './handle-calls.js';
import { OpenCalls } from './open-calls.js';
import { readRequest, refuseUnreadable } from './readable-request.js';
import { serverCredentials } from './server-credentials.js';
import { isDefect } from './status.js';

/*
 * One server on one port for all bindings of a process. Owns limits, keepalive and the graceful end: calls may finish, streams
 * are asked to come again, and what is left after the time is cut.
 */

export interface GuardedBinding {
  readonly binding: RpcBinding;
  readonly authenticator: Authenticator;
  readonly audit: AuditTrail;
}

export interface GrpcServerOptions {
  readonly settings: Pick<
    CommonSettings,
    'grpcAddress' | 'maxConnectionAgeMs' | 'maxConnectionAgeGraceMs' | 'stopTimeoutMs'
  >;
  /** Absent: plain text. */
  readonly certificates?: Certificates | undefined;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  /** Absent: no limit. */
  readonly limiter?: CallLimiter;
}

export interface GrpcServer {
  /** Binds; answers `host:port` with the real port. */
  start(bindings: readonly GuardedBinding[]): Promise<string>;
  stop(): Promise<void>;
}

export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const { settings } = options;
  const openCalls = new OpenCalls();
  const served = new Map<string, ServeBidi>();
  const server = new Server({
    interceptors: [createBidiInterceptor(served)],
    // Counters of each connection, stream and message that nothing here reads.
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.max_metadata_size': 16 * 1024,
    ...(settings.maxConnectionAgeMs > 0 && {
      'grpc.max_connection_age_ms': settings.maxConnectionAgeMs,
      'grpc.max_connection_age_grace_ms': settings.maxConnectionAgeGraceMs,
    }),
  });
  let bound = false;
  return {
    start: async (bindings) => {
      for (const binding of bindings) addBinding(server, served, binding, { ...options, openCalls });
      const port = await bind(server, settings.grpcAddress, serverCredentials(options.certificates));
      bound = true;
      return settings.grpcAddress.replace(/:\d+$/, `:${port}`);
    },
    stop: async () => {
      openCalls.stop();
      if (bound) await shutDown(server, settings.stopTimeoutMs, options.log);
    },
  };
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (cause, port) => {
      if (!cause) return resolve(port);
      const message = `cannot listen on ${address} (${cause.message}); set LASTCALL_GRPC_ADDRESS to a free one`;
      reject(new Fault(message, { cause }));
    });
  });
}

function shutDown(server: Server, timeoutMs: number, log: Logger): Promise<void> {
  return new Promise((resolve) => {
    // A little less than the step may take, so that the cut is ours.
    const timer = setTimeout(() => {
      log.warn('calls were still open when the time to stop was over; they are cut');
      server.forceShutdown();
      resolve();
    }, timeoutMs * 0.8);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

type BindingOptions = GrpcServerOptions & { readonly openCalls: OpenCalls };

function addBinding(
  server: Server,
  served: Map<string, ServeBidi>,
  guarded: GuardedBinding,
  options: BindingOptions,
): void {
  const { definition, handlers, maxRequestBytes } = guarded.binding;
  const wrapped: Record<string, MethodDefinition> = {};
  const calls: Record<string, UntypedHandleCall> = {};
  for (const [key, method] of Object.entries(definition)) {
    const handle: unknown = handlers[key];
    const isBidi = method.requestStream && handle !== undefined;
    wrapped[key] = isBidi ? rawMethod(method) : { ...method, ...readRequest(method), ...passThrough(method) };
    if (handle === undefined) continue;
    const surroundings = surroundingsOf(method, guarded, options);
    if (isBidi) {
      const max = maxRequestBytes?.[key] ?? MAX_MESSAGE_BYTES;
      served.set(method.path, bidiCall(surroundings, handle as BidiHandler, max));
    }
    calls[key] = isBidi ? takenBefore : callFor(surroundings, handle);
  }
  server.addService(wrapped, calls);
}

/** Answers are encoded before they reach the transport. */
function passThrough(method: MethodDefinition): Pick<MethodDefinition, 'responseSerialize'> {
  return {
    responseSerialize: (value: unknown) => (Buffer.isBuffer(value) ? value : method.responseSerialize(value)),
  };
}

/** The method has to be known to the server; its calls never come this far. */
const takenBefore: UntypedHandleCall = () => undefined;

function callFor(surroundings: Surroundings, handle: unknown): UntypedHandleCall {
  if (surroundings.method.responseStream) {
    return streamingCall(surroundings, handle as StreamingHandler) as UntypedHandleCall;
  }
  return unaryCall(surroundings, handle as UnaryHandler) as UntypedHandleCall;
}

function surroundingsOf(
  method: MethodDefinition,
  { authenticator, audit, binding }: GuardedBinding,
  { log, telemetry, openCalls, limiter }: BindingOptions,
): Surroundings {
  const header = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  const audited = isAudited(method);
  const readChanges = audited ? changesOf(method.path, binding) : undefined;
  const mark = (end: CallEnd): CallEnd => {
    if (end.error !== undefined) telemetry.fail(end.error);
    return end;
  };
  const isStream = method.requestStream || method.responseStream;
  const count = (end: CallEnd, beganAt: number): void => {
    telemetry.count('rpc', { method: method.path, code: status[end.code] ?? String(end.code) });
    if (!isStream) telemetry.measure('rpc_duration_seconds', secondsSince(beganAt), { method: method.path });
    logEnd(log, method, end);
  };
  return {
    method,
    openCalls,
    revocationOf: (token) => authenticator.revocationOf(token),
    admit: async ({ metadata, certificate }, request) => {
      const caller = { authorization: header(metadata.get('authorization')[0]), certificate };
      const admitted = await admit(authenticator, method.path, caller, request);
      const unreadable = refuseUnreadable(method, request);
      const isTurnedAway = isRejected(admitted) && admitted.code !== 'invalid';
      const { principal } = orThrow(isTurnedAway ? admitted : (unreadable ?? admitted));
      // Streams of requests have rates of their own.
      const tooMany = method.requestStream ? undefined : limiter?.take(principal);
      if (tooMany) throw new RejectedError(tooMany);
      if (audited) {
        const changes = await readChanges?.(request, principal);
        await audit.record({ ...auditedCall(method.path, principal, request), ...(changes && { changes }) });
      }
      return principal;
    },
    // Callbacks, because a function that waits keeps its frame, and a stream may wait for days.
    observe: (metadata, request, run) => {
      const beganAt = performance.now();
      const traceparent = header(metadata.get('traceparent')[0]);
      const tracestate = header(metadata.get('tracestate')[0]);
      const parent = { ...(traceparent && { traceparent }), ...(tracestate && { tracestate }) };
      const spec = { name: method.path.slice(1), kind: 'server', parent } as const;
      // Within the span, whose trace it is where nobody has begun one.
      const about = () => contextOfCall(request, telemetry.traceContext().traceparent ?? traceparent);
      return telemetry.span(spec, () => withLogContext(about(), () => run().then((end) => count(mark(end), beganAt))));
    },
  };
}

function secondsSince(beganAt: number): number {
  return (performance.now() - beganAt) / 1_000;
}

function logEnd(log: Logger, method: MethodDefinition, end: CallEnd): void {
  if (end.error === undefined) return;
  if (isDefect(end.error)) log.error({ err: end.error, method: method.path }, 'a call failed by a mistake of ours');
  else if (end.error instanceof Fault) log.warn({ err: end.error, method: method.path }, 'a call failed');
  else log.debug({ err: end.error, method: method.path }, 'a call was refused');
}
