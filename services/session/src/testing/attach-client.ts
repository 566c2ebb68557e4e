import { sessionV1 } from '@lastcall/contracts';
import { openStream, type Channel, type ClientStream } from '@lastcall/sdk';

/* A client that does what it is told and nothing by itself: it acknowledges nothing, sends no heartbeat, does not come back. */

type Up = NonNullable<sessionV1.AttachRequest['message']>;
type Down = NonNullable<sessionV1.AttachResponse['message']>;
type DownCase = Down['$case'];
type ValueOf<C extends DownCase> = Extract<Down, { $case: C }>['value'];

export interface HeardMessage {
  readonly message: Down;
  /** By this process's clock. */
  readonly at: number;
}

export class AttachClient {
  readonly heard: HeardMessage[] = [];
  /** Resolves when the stream has ended; with the error, if it ended with one. */
  readonly ended: Promise<unknown>;
  private readonly stream: ClientStream<sessionV1.AttachRequest, sessionV1.AttachResponse>;
  private readonly waiting = new Set<() => void>();
  private over = false;

  constructor(channel: Channel, hello?: Partial<sessionV1.Hello>) {
    this.stream = openStream(sessionV1.SessionServiceService.attach, channel);
    this.ended = this.pump();
    if (hello) this.say({ $case: 'hello', value: helloOf(hello) });
  }

  say(message: Up): void {
    this.stream.write({ message });
  }

  acknowledge(notice: string): void {
    this.say({ $case: 'acknowledgement', value: { notice, read: true } });
  }

  /** It has saved its work. */
  end(): void {
    this.stream.end();
  }

  /** The connection is gone, as when the power is. */
  cut(): void {
    this.stream.cancel();
  }

  /** The first message of this kind, of those that came already too. */
  async until<C extends DownCase>(
    kind: C,
    fits: (value: ValueOf<C>) => boolean = () => true,
    timeoutMs = 30_000,
  ): Promise<ValueOf<C>> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.heard.find(({ message }) => message.$case === kind && fits(message.value as ValueOf<C>));
      if (found) return found.message.value as ValueOf<C>;
      const leftMs = deadline - Date.now();
      const kinds = this.heard.map(({ message }) => message.$case).join(', ') || 'nothing';
      if (this.over || leftMs <= 0) throw new Error(`no ${kind} came; there was: ${kinds}`);
      await this.next(leftMs);
    }
  }

  count(kind: DownCase): number {
    return this.heard.filter(({ message }) => message.$case === kind).length;
  }

  private next(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.waiting.add(done);
    });
  }

  private async pump(): Promise<unknown> {
    try {
      for await (const { message } of this.stream) {
        if (message) this.heard.push({ message, at: Date.now() });
        this.wake();
      }
      return undefined;
    } catch (error) {
      return error;
    } finally {
      this.over = true;
      this.wake();
    }
  }

  private wake(): void {
    for (const done of [...this.waiting]) done();
  }
}

export function helloOf(hello: Partial<sessionV1.Hello>): sessionV1.Hello {
  return sessionV1.Hello.fromPartial({
    installation: 'encore-berlin',
    user: 'ann',
    version: '11.0.0',
    clientKind: 'terminal',
    ...hello,
  });
}

export interface Attached {
  readonly client: AttachClient;
  readonly welcome: sessionV1.Welcome;
}

const ATTEMPTS = 5;

/** Resolves when it is inside. As clients do, it tries again when its stream breaks before it has an answer: the store may be slow. */
export async function attachedOn(attach: () => AttachClient): Promise<Attached> {
  for (let attempt = 1; ; attempt++) {
    const client = attach();
    try {
      return { client, welcome: await client.until('welcome') };
    } catch (error) {
      if (client.heard.length > 0 || attempt === ATTEMPTS) throw error;
    }
  }
}
