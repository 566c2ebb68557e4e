import { sessionV1 } from '@lastcall/contracts';
import { Server, ServerCredentials, type ServerDuplexStream, type ServerWritableStream } from '@grpc/grpc-js';

/* For tests: the other end of a session. */

export type AttachCall = ServerDuplexStream<sessionV1.AttachRequest, sessionV1.AttachResponse>;
export type WaitCall = ServerWritableStream<sessionV1.WaitForReopeningRequest, sessionV1.WaitForReopeningResponse>;
export type Said = NonNullable<sessionV1.AttachRequest['message']>;
export type Saying = NonNullable<sessionV1.AttachResponse['message']>;

/** Things that happen, to be waited for one after the other. */
export class Signals<T> {
  private readonly items: T[] = [];
  private readonly takers: ((item: T) => void)[] = [];
  put(item: T): void {
    const taker = this.takers.shift();
    if (taker) taker(item);
    else this.items.push(item);
  }
  next(): Promise<T> {
    const item = this.items.shift();
    return item === undefined ? new Promise((resolve) => this.takers.push(resolve)) : Promise.resolve(item);
  }
  clear(): void {
    this.items.length = 0;
    this.takers.length = 0;
  }
  get waiting(): number {
    return this.items.length;
  }
}

/** A session edge that does what the test says, on a real port. */
export class Door {
  readonly attached = new Signals<{ call: AttachCall; hello: sessionV1.Hello }>();
  readonly said = new Signals<Said>();
  readonly waits = new Signals<WaitCall>();
  readonly ends = new Signals<string>();
  clockAheadMs = 0;
  /** How long each message is on its way, there and back. */
  delaysMs: () => { readonly there: number; readonly back: number } = () => ({ there: 0, back: 0 });
  answersHeartbeats = false;
  private readonly server = new Server();

  async start(): Promise<string> {
    this.server.addService(sessionV1.SessionServiceService, {
      attach: (call: AttachCall) => this.attach(call),
      waitForReopening: (call: WaitCall) => this.waits.put(call),
    });
    const port = await new Promise<number>((resolve, reject) =>
      this.server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (e, p) => (e ? reject(e) : resolve(p))),
    );
    return `127.0.0.1:${port}`;
  }

  now(): number {
    return Date.now() + this.clockAheadMs;
  }

  private attach(call: AttachCall): void {
    call.on('data', ({ message }: sessionV1.AttachRequest) => {
      if (message) later(this.delaysMs().there, () => this.hear(call, message));
    });
    call.on('end', () => {
      this.ends.put('end');
      call.end();
    });
    call.on('cancelled', () => this.ends.put('cancelled'));
  }

  private hear(call: AttachCall, message: Said): void {
    if (message.$case === 'hello') this.attached.put({ call, hello: message.value });
    else if (message.$case === 'heartbeat' && this.answersHeartbeats) this.say(call, message);
    else this.said.put(message);
  }

  say(call: AttachCall, message: Saying): void {
    const serverTime = new Date(this.now());
    later(this.delaysMs().back, () => call.write({ serverTime, message }));
  }

  welcome(call: AttachCall, more: Partial<sessionV1.Welcome> = {}): void {
    const value = sessionV1.Welcome.fromPartial({
      session: 's-1',
      resumeToken: 'again',
      heartbeatInterval: { seconds: 0n, nanos: 100_000_000 },
      ...more,
    });
    this.say(call, { $case: 'welcome', value });
  }

  /** As it was before the test, and deaf to what the clients of the test still say. */
  reset(): void {
    this.clockAheadMs = 0;
    this.answersHeartbeats = false;
    this.delaysMs = () => ({ there: 0, back: 0 });
    for (const signals of [this.attached, this.said, this.waits, this.ends]) signals.clear();
  }

  stop(): void {
    this.server.forceShutdown();
  }
}

function later(ms: number, act: () => void): void {
  if (ms === 0) act();
  else setTimeout(act, ms);
}
