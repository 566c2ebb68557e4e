import type { MethodDefinition } from '@lastcall/contracts';
import { reject, RejectedError, type Rejected } from '@lastcall/kernel';
import { Metadata, type ServerInterceptingCallInterface } from '@grpc/grpc-js';
import type { ServerStream, StreamReader } from '../service.js';
import { decodeRequest } from './readable-request.js';

/*
 * A stream in both directions as a handler sees it, directly on the transport's call: a server has ten thousand of them, and the
 * transport's own stream objects would cost each message and each idle stream as much again. Messages are decoded and encoded here,
 * so that their size is judged before anything is made of them, so that the bytes that wait for a slow reader can be counted, and so
 * that a message that was encoded once goes to many streams as it is.
 *
 * Nothing is read before somebody reads: no message, and no byte of it.
 */

export interface EndStatus {
  readonly code: number;
  readonly details?: string;
  readonly metadata?: Metadata;
}

/** The same for all streams of a method. */
export interface BidiMethod {
  readonly method: MethodDefinition;
  /** Of one message of the caller. */
  readonly maxRequestBytes: number;
}

/** More than this waits: the reader is slower than the writer. */
const SLOW_BYTES = 16 * 1024;

export class BidiStream implements ServerStream<unknown, unknown> {
  private reader: StreamReader<unknown> | undefined;
  private queued = 0;
  private abort: AbortController | undefined;
  /** The caller has no more, or what it sent cannot be read. */
  private drained = false;
  /** The caller is gone, with or without a word. */
  private gone = false;
  private status: EndStatus | undefined;

  constructor(
    protected readonly call: ServerInterceptingCallInterface,
    private readonly kind: BidiMethod,
  ) {}

  get queuedBytes(): number {
    return this.queued;
  }

  get isGone(): boolean {
    return this.gone;
  }

  /** What it ended with; undefined while it has not, and when the caller went first. */
  get endedWith(): EndStatus | undefined {
    return this.status;
  }

  /** Made when somebody asks for it: most never do. */
  get signal(): AbortSignal {
    if (!this.abort) {
      this.abort = new AbortController();
      if (this.gone || this.status) this.abort.abort();
    }
    return this.abort.signal;
  }

  write(message: unknown): boolean {
    return this.writeEncoded(this.kind.method.responseSerialize(message));
  }

  writeEncoded(bytes: Buffer): boolean {
    if (this.gone || this.status) return false;
    this.queued += bytes.length;
    this.call.sendMessage(bytes, () => {
      this.queued -= bytes.length;
    });
    return this.queued <= SLOW_BYTES;
  }

  end(): void {
    this.finish({ code: 0 });
  }

  /** What was written goes out first. */
  finish(status: EndStatus): void {
    if (this.gone || this.status) return;
    this.status = status;
    this.call.sendStatus({ details: '', ...status });
    this.over();
  }

  read(reader: StreamReader<unknown>): void {
    this.begin(reader);
    if (this.drained || this.gone) return reader.end();
    this.call.startRead();
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    // Or a caller that waits for the first word sees nothing.
    if (!this.gone && !this.status) this.call.sendMetadata(new Metadata());
    const pull = new Pull(() => this.call.startRead());
    this.begin(pull);
    if (this.drained || this.gone) pull.end();
    return pull;
  }

  private begin(reader: StreamReader<unknown>): void {
    if (this.reader) throw new Error('a stream is read once');
    this.reader = reader;
  }

  /** From the transport. */
  onReceiveMessage(bytes: Buffer): void {
    const { reader, drained, status, gone } = this;
    if (!reader || drained || status || gone) return;
    const decoded = decode(bytes, this.kind);
    if ('wrong' in decoded) {
      this.drained = true;
      return reader.wrong(decoded.wrong);
    }
    reader.message(decoded.message);
    // A loop asks for each one by itself.
    if (!(reader instanceof Pull) && !this.isOver()) this.call.startRead();
  }

  private isOver(): boolean {
    return this.drained || this.gone || this.status !== undefined;
  }

  /** From the transport: the caller has no more. */
  onReceiveHalfClose(): void {
    if (this.drained) return;
    this.drained = true;
    this.reader?.end();
  }

  /** From the transport: the connection is gone, or the stream has ended in its order. */
  onCancel(): void {
    if (this.gone) return;
    this.gone = true;
    this.over();
  }

  private over(): void {
    this.abort?.abort();
    this.onReceiveHalfClose();
  }
}

function decode(
  bytes: Buffer,
  { method, maxRequestBytes }: BidiMethod,
): { readonly message: unknown } | { readonly wrong: Rejected } {
  if (bytes.length > maxRequestBytes) {
    const text = `A message has ${bytes.length} bytes; at most ${maxRequestBytes} are allowed on this stream.`;
    return { wrong: reject('too-many', 'MESSAGE_TOO_LARGE', text) };
  }
  try {
    return { message: decodeRequest(method, bytes) };
  } catch {
    // Whatever the decoder stumbled on: the bytes are no message of this method.
    return { wrong: reject('invalid', 'BAD_MESSAGE', 'A message cannot be read; it is not one of this stream.') };
  }
}

interface Waiting {
  resolve(result: IteratorResult<unknown, undefined>): void;
  reject(error: unknown): void;
}

/** The stream as a loop: the next message is read when it is asked for. */
class Pull implements AsyncIterator<unknown, undefined>, StreamReader<unknown> {
  private waiting: Waiting | undefined;
  private over = false;
  private failure: RejectedError | undefined;

  constructor(private readonly startRead: () => void) {}

  next(): Promise<IteratorResult<unknown, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.failure) return reject(this.failure);
      if (this.over) return resolve({ done: true, value: undefined });
      this.waiting = { resolve, reject };
      this.startRead();
    });
  }

  message(value: unknown): void {
    this.take()?.resolve({ done: false, value });
  }

  wrong(why: Rejected): void {
    this.failure = new RejectedError(why);
    this.take()?.reject(this.failure);
  }

  end(): void {
    this.over = true;
    this.take()?.resolve({ done: true, value: undefined });
  }

  private take(): Waiting | undefined {
    const { waiting } = this;
    this.waiting = undefined;
    return waiting;
  }
}
