import type { MethodDefinition, Principal } from '@lastcall/contracts';
import {
  ServerInterceptingCall,
  type Metadata,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { knownOfCaller, logContext, logContextOf, withLogContext } from '../log-context.js';
import type { RpcContext, ServerStream } from '../service.js';
import { BidiStream, type BidiMethod } from './bidi-stream.js';
import { callFrom, type CallEnd, type Surroundings } from './handle-calls.js';
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
  const kind = { method: surroundings.method, maxRequestBytes, surroundings, handler };
  return (call) => call.start(new BidiCall(call, kind));
}

interface ServedMethod extends BidiMethod {
  readonly surroundings: Surroundings;
  readonly handler: BidiHandler;
}

/** What the transport tells of a stream, and the stream itself, in one: there is one for each of ten thousand. */
class BidiCall extends BidiStream {
  constructor(
    call: ServerInterceptingCallInterface,
    private readonly served: ServedMethod,
  ) {
    super(call, served);
  }

  onReceiveMetadata(metadata: Metadata): void {
    void this.served.surroundings.observe(metadata, undefined, () => this.serve(metadata));
  }

  stop(): void {
    this.finish(stoppingStatus());
  }

  private serve(metadata: Metadata): Promise<CallEnd> {
    const { openCalls } = this.served.surroundings;
    openCalls.add(this);
    return this.handle(metadata).then(
      () => {
        this.end();
        openCalls.forget(this);
        return { code: this.endedWith?.code ?? CANCELLED.code };
      },
      (error: unknown) => {
        openCalls.forget(this);
        return failed(this, error);
      },
    );
  }

  /** Nothing of it stays while the handler is at work: that may be for days, and there may be ten thousand. */
  private handle(metadata: Metadata): Promise<void> {
    const { surroundings, handler } = this.served;
    return surroundings.admit(callFrom(this.call, metadata), undefined).then((principal) => {
      for (const header of Object.keys(metadata.getMap())) metadata.remove(header);
      if (this.isGone) return undefined;
      // Once for the whole stream: whoever opened it says what it is about, before its first message does.
      const about = { ...logContext(), ...logContextOf(knownOfCaller(principal)) };
      return withLogContext(about, () => handler(this, contextOf(principal, this, this.call)));
    });
  }
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
