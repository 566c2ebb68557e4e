import type { MethodDefinition, RequestOf, ResponseOf } from '@lastcall/contracts';
import type { Channel } from './channel.js';
import { readAll } from './client.js';

/** A bidirectional stream as a client sees it. Iterating it throws a CallError when it does not end well. */
export interface ClientStream<Req, Res> extends AsyncIterable<Res> {
  /** False when the message waits for a slow peer. After the end of the stream it does nothing. */
  write(message: Req): boolean;
  /** Nothing more will be written; the peer ends the stream. */
  end(): void;
  /** Ends both directions at once. */
  cancel(): void;
}

/** Of one stream. */
export interface StreamOptions {
  /** Of the whole stream; absent: it lives until one side ends it. Keepalive notices a peer that is gone. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Opens a bidirectional stream: `openStream(SessionServiceService.attach, channel)`. */
export function openStream<M extends MethodDefinition>(
  method: M,
  channel: Channel,
  { timeoutMs, signal }: StreamOptions = {},
): ClientStream<RequestOf<M>, ResponseOf<M>> {
  const { path, requestSerialize, responseDeserialize } = method;
  const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  const call = channel.grpc.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    channel.headers(),
    options,
  );
  const messages = readAll<ResponseOf<M>>(call, signal);
  return {
    write: (message) => (call.writable ? call.write(message) : false),
    end: () => call.end(),
    cancel: () => call.cancel(),
    [Symbol.asyncIterator]: () => messages[Symbol.asyncIterator](),
  };
}
