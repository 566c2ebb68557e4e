import type { MethodDefinition, Principal } from '@lastcall/contracts';
import { RejectedError, isRejected, type Rejected } from '@lastcall/kernel';
import { Metadata, type ServerUnaryCall, type ServerWritableStream, type sendUnaryData } from '@grpc/grpc-js';
import { once } from 'node:events';
import type { ShownCertificate } from '../auth/service-certificate.js';
import type { RpcContext } from '../service.js';
import type { OpenCall, OpenCalls } from './open-calls.js';
import { createRegularLooks } from './regular-looks.js';
import { rejectionOf, statusOf, stoppingStatus } from './status.js';

/*
 * Calls with one request between the transport and a handler: admit, hand over, answer. A handler sees plain values and a signal,
 * never the transport. A call that began before the stop may end; streams are told to come again elsewhere.
 */

export interface CallEnd {
  /** gRPC status code that went out. */
  readonly code: number;
  readonly error?: unknown;
}

/** What a caller shows. */
export interface CallFrom {
  readonly metadata: Metadata;
  readonly certificate: ShownCertificate;
}

export interface Surroundings {
  readonly method: MethodDefinition;
  /** Who calls; throws a RejectedError when they may not. */
  admit(from: CallFrom, request: unknown): Promise<Principal | undefined>;
  /** The refusal, when the caller's credential has been revoked since. */
  revocationOf(token: string): Rejected | undefined;
  readonly openCalls: OpenCalls;
  /** Runs the call in its span and with its log context, counts it, logs what is our mistake. A stream of requests names nothing yet. */
  observe(metadata: Metadata, request: unknown, run: () => Promise<CallEnd>): Promise<void>;
}

/** The transport knows a certificate only when it is of the authority. */
export function callFrom(call: Pick<ServerUnaryCall<never, never>, 'getAuthContext'>, metadata: Metadata): CallFrom {
  return { metadata, certificate: () => call.getAuthContext().sslPeerCertificate?.raw };
}

export type UnaryHandler = (request: unknown, context: RpcContext) => Promise<unknown>;
export type StreamingHandler = (request: unknown, context: RpcContext) => AsyncIterable<unknown>;
type StreamCall = ServerWritableStream<unknown, Buffer>;

/** Of streams of answers; one in both directions looks for itself, and says goodbye in its own words. */
const revocationLooks = createRegularLooks(1_000);

const OK: CallEnd = { code: 0 };
const CANCELLED: CallEnd = { code: 1 };

export function unaryCall(surroundings: Surroundings, handler: UnaryHandler) {
  return (call: ServerUnaryCall<unknown, Buffer>, callback: sendUnaryData<Buffer>): void => {
    void surroundings.observe(call.metadata, call.request, async () => {
      const abort = abortOf(call);
      try {
        const principal = await surroundings.admit(callFrom(call, call.metadata), call.request);
        const answer = await handler(call.request, { principal, signal: abort.signal, peer: call.getPeer() });
        if (isRejected(answer)) throw new RejectedError(answer);
        // Encoded here: an incomplete message is our mistake, and its text stays with us.
        callback(null, surroundings.method.responseSerialize(answer));
        return OK;
      } catch (error) {
        const status = statusOf(error);
        callback(status);
        return { code: status.code, error };
      } finally {
        abort.abort();
      }
    });
  };
}

export function streamingCall(surroundings: Surroundings, handler: StreamingHandler) {
  return (call: ServerWritableStream<unknown, Buffer>): void => {
    void surroundings.observe(call.metadata, call.request, () =>
      serveStream(surroundings, call, (context) =>
        Promise.race([
          writeAll(surroundings.method, call, handler(call.request, context), context.signal),
          revoked(surroundings, context),
        ]),
      ),
    );
  };
}

/** Aborted when the caller is gone and when the deadline has passed: the transport says both in the same way. */
function abortOf(call: { readonly cancelled: boolean; on(event: 'cancelled', abort: () => void): unknown }) {
  const abort = new AbortController();
  call.on('cancelled', () => abort.abort());
  if (call.cancelled) abort.abort();
  return abort;
}

async function serveStream(
  surroundings: Surroundings,
  call: StreamCall,
  serve: (context: RpcContext) => Promise<void>,
): Promise<CallEnd> {
  const { openCalls } = surroundings;
  const abort = abortOf(call);
  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const open: OpenCall = {
    stop: () => {
      abort.abort();
      stop();
    },
  };
  openCalls.add(open);
  try {
    const principal = await surroundings.admit(callFrom(call, call.metadata), call.request);
    // Or the caller sees nothing until the first message.
    call.sendMetadata(new Metadata());
    await Promise.race([serve({ principal, signal: abort.signal, peer: call.getPeer() }), stopped]);
    return endStream(call, openCalls.isStopping);
  } catch (error) {
    return call.cancelled && !rejectionOf(error) ? CANCELLED : failStream(call, error);
  } finally {
    openCalls.forget(open);
    abort.abort();
  }
}

/** Rejects when the credential is revoked while somebody watches with it; it never resolves. */
function revoked(surroundings: Surroundings, { principal, signal }: RpcContext): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return;
    const forget = revocationLooks.add(() => {
      const refusal = surroundings.revocationOf(principal?.token ?? '');
      if (refusal) reject(new RejectedError(refusal));
    });
    signal.addEventListener('abort', forget, { once: true });
  });
}

function endStream(call: StreamCall, stopping: boolean): CallEnd {
  if (call.cancelled) return CANCELLED;
  if (call.destroyed || call.writableEnded) return OK;
  if (!stopping) {
    call.end();
    return OK;
  }
  const status = stoppingStatus();
  call.emit('error', status);
  return { code: status.code };
}

function failStream(call: StreamCall, error: unknown): CallEnd {
  const status = statusOf(error);
  // The transport's way to end a stream with a status; what was written goes out first.
  if (!call.destroyed && !call.writableEnded) call.emit('error', status);
  return { code: status.code, error };
}

async function writeAll(
  method: MethodDefinition,
  call: ServerWritableStream<unknown, Buffer>,
  messages: AsyncIterable<unknown>,
  signal: AbortSignal,
): Promise<void> {
  for await (const message of messages) {
    if (signal.aborted || call.destroyed || call.writableEnded) return;
    if (!call.write(method.responseSerialize(message)) && !(await drained(call, signal))) return;
  }
}

/** Waits until a slow reader has caught up; false when it never will. */
async function drained(call: ServerWritableStream<unknown, Buffer>, signal: AbortSignal): Promise<boolean> {
  return once(call, 'drain', { signal }).then(
    () => true,
    () => false,
  );
}
