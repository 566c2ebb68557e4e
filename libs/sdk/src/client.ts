import type { MethodDefinition, RequestOf, ResponseOf, ServiceDefinition } from '@lastcall/contracts';
import { backoffMs } from '@lastcall/kernel';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { setTimeout as delay } from 'node:timers/promises';
import { CallError, CODE, toCallError } from './call-error.js';
import type { Channel } from './channel.js';

/*
 * Typed clients from generated definitions. Every call has a deadline; reads are repeated while the server cannot be reached,
 * within that deadline; writes never are, because nobody can tell whether they happened.
 */

/** Of one call. */
export interface CallOptions {
  /** For the whole call, repetitions included. Default 10 s, for a stream of answers 24 h. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Methods of a service by their generated key; bidirectional ones are opened with `openStream`. */
export type UnaryClient<D extends ServiceDefinition> = {
  readonly [M in keyof D as D[M]['requestStream'] extends true ? never : M]: D[M]['responseStream'] extends true
    ? (request: RequestOf<D[M]>, options?: CallOptions) => AsyncIterable<ResponseOf<D[M]>>
    : (request: RequestOf<D[M]>, options?: CallOptions) => Promise<ResponseOf<D[M]>>;
};

/** How long a call may take. */
export const DEFAULT_TIMEOUT_MS = 10_000;
/** Longer than any run may take, so that a watcher sees the end of it. */
export const DEFAULT_STREAM_TIMEOUT_MS = 26 * 3_600_000;

const ATTEMPTS = 4;
const IDEMPOTENT = /\/(Get|List|Count|Check|Advise)[^/]*$/;

/** A typed client of a service: `createClient(CatalogServiceService, channel).getRelease({ name })`. Rejects with a CallError. */
export function createClient<D extends ServiceDefinition>(definition: D, channel: Channel): UnaryClient<D> {
  const methods = Object.entries(definition)
    .filter(([, method]) => !method.requestStream)
    .map(([key, method]) => [
      key,
      method.responseStream
        ? (request: unknown, options?: CallOptions) => callStream(channel, method, request, options)
        : (request: unknown, options?: CallOptions) => callUnary(channel, method, request, options),
    ]);
  return Object.fromEntries(methods) as UnaryClient<D>;
}

async function callUnary(
  channel: Channel,
  method: MethodDefinition,
  request: unknown,
  { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: CallOptions = {},
): Promise<unknown> {
  const deadline = Date.now() + timeoutMs;
  const attempts = IDEMPOTENT.test(method.path) ? ATTEMPTS : 1;
  for (let attempt = 1; ; attempt++) {
    try {
      return await callOnce(channel, method, request, deadline, signal);
    } catch (error) {
      const failed = toCallError(error);
      const waitMs = backoffMs(attempt, channel.random(), 100, 2_000);
      const again = failed.code === CODE.unavailable && attempt < attempts && Date.now() + waitMs < deadline;
      if (!again || signal?.aborted) throw failed;
      await delay(waitMs, undefined, { ...(signal && { signal }) }).catch(() => {
        throw cancelled();
      });
    }
  }
}

function callOnce(
  channel: Channel,
  method: MethodDefinition,
  request: unknown,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw cancelled();
    const { path, requestSerialize, responseDeserialize } = method;
    const abort = (): void => call.cancel();
    const call = channel.grpc.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      channel.headers(),
      { deadline },
      (error, response: unknown) => {
        signal?.removeEventListener('abort', abort);
        if (error) reject(toCallError(error));
        else resolve(response);
      },
    );
    signal?.addEventListener('abort', abort, { once: true });
  });
}

async function* callStream(
  channel: Channel,
  method: MethodDefinition,
  request: unknown,
  { timeoutMs = DEFAULT_STREAM_TIMEOUT_MS, signal }: CallOptions = {},
): AsyncIterable<unknown> {
  if (signal?.aborted) throw cancelled();
  const { path, requestSerialize, responseDeserialize } = method;
  const deadline = Date.now() + timeoutMs;
  const call = channel.grpc.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    request,
    channel.headers(),
    { deadline },
  );
  yield* readAll(call, signal);
}

type ReadableCall = Pick<ClientReadableStream<unknown>, 'cancel' | 'on'> & AsyncIterable<unknown>;

/** Messages of a call until it ends; cancels the call when the reader stops early. */
export function readAll<T>(call: ReadableCall, signal?: AbortSignal): AsyncIterable<T> {
  let failure: Error | undefined;
  // The transport emits its errors once, without destroying the stream: whoever iterates later, or not at all, must neither
  // miss the error nor end the process with it.
  call.on('error', (error: Error) => (failure = error));
  const abort = (): void => call.cancel();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  return iterate();

  async function* iterate(): AsyncIterable<T> {
    try {
      for await (const message of call) yield message as T;
      if (failure) throw failure;
    } catch (error) {
      throw toCallError(error);
    } finally {
      signal?.removeEventListener('abort', abort);
      call.cancel();
    }
  }
}

function cancelled(): CallError {
  return new CallError(CODE.cancelled, 'the call was cancelled by this side', { reason: 'CANCELLED' });
}
