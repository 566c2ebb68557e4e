import type { MethodDefinition, Principal } from '@lastcall/contracts';
import { ServerInterceptingCall, type ServerInterceptingCallInterface, type ServerInterceptor } from '@grpc/grpc-js';
import type { RpcContext, ServerStream } from '../service.js';
import { BidiStream } from './bidi-stream.js';
import type { CallEnd, Surroundings } from './handle-calls.js';
import { statusOf, stoppingStatus } from './status.js';

/*
 * Streams in both directions, served where the transport lets interceptors in: before it makes its own stream objects.
 */

export type BidiHandler = (stream: ServerStream<unknown, unknown>, context: RpcContext) => Promise<void>;
export type ServeBidi = (call: ServerInterceptingCallInterface) => void;

/** `served`: by path; filled before the server listens. Every other call goes on as it is. */
export function createBidiInterceptor(served: ReadonlyMap<string, ServeBidi>): ServerInterceptor {
  return ({ path }, call) => {
    const serve = served.get(path);
    // The transport asks no more of what is returned than it asked of what it gave.
    return serve ? new Taken(call, serve) : (call as ServerInterceptingCall);
  };
}

/** The transport starts it and never hears of it again. */
class Taken extends ServerInterceptingCall {
  constructor(
    private readonly call: ServerInterceptingCallInterface,
    private readonly serve: ServeBidi,
  ) {
    super(call);
  }

  override start(): void {
    this.serve(this.call);
  }
}

export function bidiCall(surroundings: Surroundings, handler: BidiHandler, maxRequestBytes: number): ServeBidi {
  const { method } = surroundings;
  return (call) => {
    const stream = new BidiStream({ call, method, maxRequestBytes });
    call.start({
      onReceiveMetadata: (metadata) => {
        void surroundings.observe(metadata, async () => {
          const forget = surroundings.openCalls.add(() => stream.finish(stoppingStatus()));
          try {
            const principal = await surroundings.admit(metadata, undefined);
            if (!stream.isGone) await handler(stream, contextOf(principal, stream, call));
            stream.end();
            return { code: stream.endedWith?.code ?? CANCELLED.code };
          } catch (error) {
            return failed(stream, error);
          } finally {
            forget();
          }
        });
      },
      onReceiveMessage: (bytes: Buffer) => stream.receive(bytes),
      onReceiveHalfClose: () => stream.receiveEnd(),
      onCancel: () => stream.close(),
    });
  };
}

const CANCELLED: CallEnd = { code: 1 };

/** Messages reach the stream as they came, and are encoded before they leave it. */
export function rawMethod(method: MethodDefinition): MethodDefinition {
  const asIs = (bytes: Buffer): Buffer => bytes;
  return { ...method, requestDeserialize: asIs, responseSerialize: asIs };
}

function contextOf(
  principal: Principal | undefined,
  stream: BidiStream,
  call: ServerInterceptingCallInterface,
): RpcContext {
  return {
    principal,
    get signal() {
      return stream.signal;
    },
    get peer() {
      return call.getPeer();
    },
  };
}

function failed(stream: BidiStream, error: unknown): CallEnd {
  // Whoever broke off is told nothing, and what the handler made of it is no failure.
  if (stream.isGone && !stream.endedWith) return CANCELLED;
  const { code, details, metadata } = statusOf(error);
  stream.finish({ code, details, metadata });
  return { code: stream.endedWith?.code ?? code, error };
}
