import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/*
 * Stands between a store and the real MongoDB server and breaks the connection: before a request gets through, after it was
 * carried out but before its answer comes back, or altogether for a while. Tests only.
 */

type Moment = 'before' | 'after';

/** https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg */
const OP_MSG = 2013;
const FIRST_NAME_AT = 16 + 4 + 1 + 4 + 1;

export class InterruptingProxy {
  private readonly sockets = new Set<Socket>();
  private cut: { readonly command: string; readonly moment: Moment; readonly done: () => void } | undefined;
  private refusing = false;
  private onRefused: () => void = () => undefined;

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {
    server.on('connection', (client) => this.accept(client));
  }

  static async start(url: string): Promise<InterruptingProxy> {
    const server = createServer({ pauseOnConnect: true });
    const proxy = new InterruptingProxy(server, new URL(url));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** The address of the proxy; the driver asks nobody else, whatever the server calls itself. */
  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    url.searchParams.set('directConnection', 'true');
    return url.href;
  }

  /** Breaks the connection of the next request with this command. Resolves when that has happened. */
  cutNext(command: string, moment: Moment): Promise<void> {
    return new Promise((done) => {
      this.cut = { command, moment, done };
    });
  }

  /** Ends all connections and every new one. Resolves when so many new ones were refused. */
  refuse(count: number): Promise<void> {
    this.refusing = true;
    let left = count;
    const refused = new Promise<void>((resolve) => {
      this.onRefused = () => ((left -= 1) <= 0 ? resolve() : undefined);
    });
    this.endAll();
    return refused;
  }

  admit(): void {
    this.refusing = false;
  }

  async stop(): Promise<void> {
    this.refusing = true;
    this.endAll();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private endAll(): void {
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  private accept(client: Socket): void {
    if (this.refusing) {
      client.resetAndDestroy();
      this.onRefused();
      return;
    }
    const server = connect(Number(this.target.port), this.target.hostname);
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      // Ends of connections are what this is for.
      socket.on('error', end).on('close', end);
    }
    this.forward(client, server, end);
    client.resume();
  }

  private forward(client: Socket, server: Socket, end: () => void): void {
    let answerLost: (() => void) | undefined;
    let waiting: Buffer = Buffer.alloc(0);
    client.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      for (let message = nextMessage(waiting); message; message = nextMessage(waiting)) {
        waiting = waiting.subarray(message.length);
        const cut = this.cut?.command === commandOf(message) ? this.cut : undefined;
        if (cut) this.cut = undefined;
        if (cut?.moment === 'before') {
          end();
          return cut.done();
        }
        answerLost ??= cut?.done;
        server.write(message);
      }
    });
    server.on('data', (chunk: Buffer) => {
      if (!answerLost) return void client.write(chunk);
      end();
      answerLost();
    });
  }
}

function nextMessage(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 4) return undefined;
  const length = bytes.readInt32LE(0);
  return bytes.length < length ? undefined : bytes.subarray(0, length);
}

/** The first name in the message's document. */
function commandOf(message: Buffer): string | undefined {
  if (message.readInt32LE(12) !== OP_MSG) return undefined;
  return message.toString('utf8', FIRST_NAME_AT, message.indexOf(0, FIRST_NAME_AT));
}
