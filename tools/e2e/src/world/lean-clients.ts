import { sessionV1 } from '@lastcall/contracts';
import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2';

/*
 * Clients by the thousand: bare HTTP/2 streams over few connections, with the frames of gRPC written by hand. They do what a test
 * says and nothing by themselves, so that a test can also say what no client of ours would.
 */

export type Up = NonNullable<sessionV1.AttachRequest['message']>;
export type Down = NonNullable<sessionV1.AttachResponse['message']>;
export type DownCase = Down['$case'];
type ValueOf<C extends DownCase> = Extract<Down, { $case: C }>['value'];

export interface HeardMessage {
  readonly message: Down;
  /** The server's clock when it was sent. */
  readonly serverAt: number;
  /** This process's clock. */
  readonly at: number;
}

export interface LeanConnection {
  /** Says hello at once when there is one. */
  attach(hello?: Partial<sessionV1.Hello>): LeanClient;
  /** With another credential than the connection's. */
  attachAs(credential: string, hello?: Partial<sessionV1.Hello>): LeanClient;
  readonly http2: ClientHttp2Session;
  close(): void;
}

const { path, requestSerialize, responseDeserialize } = sessionV1.SessionServiceService.attach;
const FRAME_HEAD_BYTES = 5;

/** A message as gRPC sends it: not compressed, its length, its bytes. */
export function frame(body: Uint8Array): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

export function openLean(address: string, credential: string): LeanConnection {
  const http2 = connect(`http://${address}`, { maxSessionMemory: 256 });
  // Told to each of its streams already.
  http2.on('error', () => undefined);
  http2.setMaxListeners(0);
  const attachAs: LeanConnection['attachAs'] = (as, hello) => {
    const client = new LeanClient(http2, as);
    if (hello) client.say({ $case: 'hello', value: sessionV1.Hello.fromPartial(hello) });
    return client;
  };
  return {
    http2,
    attach: (hello) => attachAs(credential, hello),
    attachAs,
    close: () => http2.destroy(),
  };
}

/** One session's stream. */
export class LeanClient {
  readonly heard: HeardMessage[] = [];
  /** Resolves when the stream is over, however that came. */
  readonly over: Promise<void>;
  isOver = false;
  /** `grpc-status` of the end; undefined before it, and when the stream broke off. */
  status: number | undefined;
  /** Text beside the status. */
  statusText = '';
  private readonly stream: ClientHttp2Stream;
  private rest: Buffer = Buffer.alloc(0);
  private readonly waiting = new Set<() => void>();

  constructor(http2: ClientHttp2Session, credential: string) {
    this.stream = http2.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(credential !== '' && { authorization: `Bearer ${credential}` }),
    });
    this.stream.on('data', (chunk: Buffer) => this.read(chunk));
    for (const head of ['response', 'trailers'] as const) {
      this.stream.on(head, (headers: IncomingHttpHeaders) => this.readStatus(headers));
    }
    // The server has said its status: nothing that the client says counts any more.
    this.stream.on('end', () => this.stream.end());
    // It is over then, which is told below.
    this.stream.on('error', () => undefined);
    this.over = new Promise((resolve) => {
      this.stream.once('close', () => {
        this.isOver = true;
        this.wake();
        resolve();
      });
    });
  }

  say(message: Up): void {
    this.write(frame(requestSerialize({ message })));
  }

  /** Bytes as they are. False: they wait, because the server does not take them. */
  write(bytes: Uint8Array): boolean {
    return !this.stream.destroyed && !this.stream.writableEnded && this.stream.write(bytes);
  }

  /** The client has nothing more to say; a gRPC server ends the stream then. */
  end(): void {
    this.stream.end();
  }

  cut(): void {
    this.stream.close(constants.NGHTTP2_CANCEL);
  }

  /** Takes nothing from the network any more, until `listen`. */
  turnDeaf(): void {
    this.stream.pause();
  }

  listen(): void {
    this.stream.resume();
  }

  of<C extends DownCase>(kind: C): readonly ValueOf<C>[] {
    return this.heard.filter(({ message }) => message.$case === kind).map(({ message }) => message.value as ValueOf<C>);
  }

  /** The first message of this kind, of those that came already too. */
  async until<C extends DownCase>(
    kind: C,
    fits: (value: ValueOf<C>) => boolean = () => true,
    timeoutMs = 30_000,
  ): Promise<ValueOf<C>> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.of(kind).find(fits);
      if (found !== undefined) return found;
      const leftMs = deadline - Date.now();
      if (this.isOver || leftMs <= 0) throw new Error(`no ${kind} came; there was: ${this.describe()}`);
      await this.next(leftMs);
    }
  }

  /** The answer at the door: the welcome, the refusal, or the status of a stream that ended without one. */
  async answer(): Promise<'welcome' | 'refused' | `status ${number}` | 'cut'> {
    for (;;) {
      const first = this.heard.find(({ message }) => message.$case === 'welcome' || message.$case === 'refused');
      if (first) return first.message.$case as 'welcome' | 'refused';
      if (this.isOver) return this.status === undefined ? 'cut' : `status ${this.status}`;
      await this.next();
    }
  }

  describe(): string {
    const kinds = this.heard.map(({ message }) => message.$case).filter((kind) => kind !== 'heartbeat');
    const text = kinds.join(', ') || 'nothing';
    return this.isOver ? `${text}, and the end with status ${this.status} ${this.statusText}` : text;
  }

  private next(timeoutMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(done);
        resolve();
      };
      const timer = timeoutMs === undefined ? undefined : setTimeout(done, timeoutMs);
      this.waiting.add(done);
    });
  }

  private readStatus(headers: IncomingHttpHeaders): void {
    const status = headers['grpc-status'];
    if (status === undefined) return;
    this.status = Number(status);
    this.statusText = decodeURIComponent([headers['grpc-message'] ?? ''].flat().join(''));
  }

  private read(chunk: Buffer): void {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (bytes.length >= FRAME_HEAD_BYTES) {
      const end = FRAME_HEAD_BYTES + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      const { message, serverTime } = responseDeserialize(bytes.subarray(FRAME_HEAD_BYTES, end));
      if (message) this.heard.push({ message, serverAt: serverTime?.getTime() ?? 0, at: Date.now() });
      bytes = bytes.subarray(end);
    }
    this.rest = bytes;
    this.wake();
  }

  private wake(): void {
    for (const done of [...this.waiting]) done();
  }
}
