import { sessionV1, type MethodDefinition } from '@lastcall/contracts';
import { CODE, openStream, toCallError, type Channel } from '@lastcall/sdk';
import type { Verdict } from './expected-verdict.js';

/*
 * What a server really does with a call: turned away at the door, denied, or let in. Whatever is said to somebody who was let
 * in counts as that, except what no request may bring about.
 */

export type RealVerdict = Verdict | `broken: ${string}`;

const TIMEOUT_MS = 10_000;

export async function realVerdict(channel: Channel, method: MethodDefinition, request: unknown): Promise<RealVerdict> {
  try {
    if (method.requestStream) return await firstWord(channel, method, request);
    if (method.responseStream) await firstAnswer(channel, method, request);
    else await answer(channel, method, request);
    return 'let in';
  } catch (error) {
    const { code, message } = toCallError(error);
    if (code === CODE.unauthenticated) return 'unauthenticated';
    if (code === CODE.permissionDenied) return 'denied';
    const isOurs = [CODE.internal, CODE.unknown, CODE.unimplemented, CODE.unavailable, CODE.deadlineExceeded].some(
      (c) => c === code,
    );
    return isOurs ? `broken: ${code} ${message}` : 'let in';
  }
}

function answer(channel: Channel, method: MethodDefinition, request: unknown): Promise<unknown> {
  const { path, requestSerialize, responseDeserialize } = method;
  const deadline = Date.now() + TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    channel.grpc.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      channel.headers(),
      { deadline },
      (error, response) => (error ? reject(error) : resolve(response)),
    );
  });
}

function firstAnswer(channel: Channel, method: MethodDefinition, request: unknown): Promise<unknown> {
  const { path, requestSerialize, responseDeserialize } = method;
  const deadline = Date.now() + TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const call = channel.grpc.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      channel.headers(),
      {
        deadline,
      },
    );
    call.once('data', (message: unknown) => {
      resolve(message);
      call.cancel();
    });
    // Also the end of a stream that was cancelled above; nobody listens any more.
    call.on('error', reject);
    call.once('end', () => resolve(undefined));
  });
}

/** A client that is not let in is told so on the stream, in words for its user. */
async function firstWord(channel: Channel, method: MethodDefinition, request: unknown): Promise<Verdict> {
  const stream = openStream(method, channel, { timeoutMs: TIMEOUT_MS });
  stream.write(request);
  try {
    for await (const word of stream as AsyncIterable<{ message?: { $case: string; value: { reason?: unknown } } }>) {
      const isRefused = word.message?.$case === 'refused';
      return isRefused && word.message?.value.reason === sessionV1.RefusalReason.NOT_PERMITTED ? 'denied' : 'let in';
    }
    return 'let in';
  } finally {
    stream.cancel();
  }
}
