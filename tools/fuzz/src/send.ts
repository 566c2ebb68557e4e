import { CODE, toCallError, type Channel } from '@lastcall/sdk';
import type { MethodType } from './message-types.js';

/* One message to a server as raw bytes, and what it made of it. */

export interface Answer {
  /** gRPC status; 0 also for a stream that went on until it was left. */
  readonly code: number;
  /** What must not be; undefined: all is well. */
  readonly finding?: string;
}

const TIMEOUT_MS = 20_000;
/** So long a stream that says nothing is listened to. */
const STREAM_MS = 150;
const asIs = (bytes: Buffer): Buffer => bytes;
const NEVER: readonly number[] = [
  CODE.internal,
  CODE.unknown,
  CODE.unimplemented,
  CODE.deadlineExceeded,
  CODE.unavailable,
];

export function send(channel: Channel, method: MethodType, messages: readonly Buffer[]): Promise<Answer> {
  if (method.requestStream) return sendStream(channel, method, messages);
  const [message = Buffer.alloc(0)] = messages;
  return method.responseStream ? readStream(channel, method, message) : sendUnary(channel, method, message);
}

function sendUnary(channel: Channel, { path }: MethodType, message: Buffer): Promise<Answer> {
  const options = { deadline: Date.now() + TIMEOUT_MS };
  return new Promise((resolve) => {
    channel.grpc.makeUnaryRequest(path, asIs, asIs, message, channel.headers(), options, (error) =>
      resolve(error ? judge(error) : { code: 0 }),
    );
  });
}

interface Readable {
  on(event: 'data' | 'end', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  cancel(): void;
}

function readStream(channel: Channel, { path }: MethodType, message: Buffer): Promise<Answer> {
  const options = { deadline: Date.now() + TIMEOUT_MS };
  return listen(channel.grpc.makeServerStreamRequest(path, asIs, asIs, message, channel.headers(), options));
}

function sendStream(channel: Channel, { path }: MethodType, messages: readonly Buffer[]): Promise<Answer> {
  const options = { deadline: Date.now() + TIMEOUT_MS };
  const stream = channel.grpc.makeBidiStreamRequest(path, asIs, asIs, channel.headers(), options);
  for (const message of messages) stream.write(message);
  return listen(stream);
}

function listen(stream: Readable): Promise<Answer> {
  return new Promise((resolve) => {
    const leave = setTimeout(() => {
      resolve({ code: 0 });
      stream.cancel();
    }, STREAM_MS);
    // What it says does not matter.
    stream.on('data', () => undefined);
    stream.on('end', () => resolve({ code: 0 }));
    stream.on('error', (error) => {
      clearTimeout(leave);
      resolve(judge(error));
    });
  });
}

function judge(error: Error): Answer {
  const { code, message, reason } = toCallError(error);
  if (NEVER.includes(code)) return { code, finding: `status ${code}: ${message}` };
  // What is too large is refused by the transport, which knows no reasons.
  const isSaid = reason !== '' || code === CODE.resourceExhausted || code === CODE.cancelled;
  return isSaid ? { code } : { code, finding: `status ${code} without a reason: ${message}` };
}
