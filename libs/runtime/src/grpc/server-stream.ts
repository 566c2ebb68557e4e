import type { MethodDefinition } from '@lastcall/contracts';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { ServerStream } from '../service.js';

/*
 * A bidirectional stream of the transport as a handler sees it. Messages are encoded here, so that the bytes that wait for a slow
 * reader can be counted, and so that a message that was encoded once goes to many streams as it is.
 */

export type Call = ServerDuplexStream<unknown, Buffer>;

export function createServerStream(call: Call, method: MethodDefinition): ServerStream<unknown, unknown> {
  let queuedBytes = 0;

  function writeEncoded(bytes: Buffer): boolean {
    if (call.destroyed || call.writableEnded) return false;
    queuedBytes += bytes.length;
    return call.write(bytes, () => {
      queuedBytes -= bytes.length;
    });
  }

  return {
    write: (message) => writeEncoded(method.responseSerialize(message)),
    writeEncoded,
    get queuedBytes() {
      return queuedBytes;
    },
    end: () => {
      if (!call.destroyed && !call.writableEnded) call.end();
    },
    [Symbol.asyncIterator]: () => readMessages(call),
  };
}

/** Messages until the caller has no more, or is gone: that ends the loop, it is no error of the handler. */
async function* readMessages(call: Call): AsyncGenerator<unknown> {
  try {
    for await (const message of call.iterator({ destroyOnReturn: false })) yield message;
  } catch (error) {
    if (!call.cancelled && !call.destroyed) throw error;
  }
}
