import { sessionV1 } from '@lastcall/contracts';
import { openChannel, openStream, type Channel, type ClientStream } from '@lastcall/sdk';

/*
 * Many clients in this process, each with a connection of its own, as clients on many desks have: it says hello, acknowledges each
 * notice as soon as it has it, and gives its sign of life. The same crowd stands before Lastcall and before its peer.
 */

export interface CrowdOptions {
  readonly size: number;
  /** Of a server that listens on every address of the loopback network. */
  readonly port: number;
  readonly installation: string;
  readonly credential: string;
}

export interface Crowd {
  /** Attaches everybody, so many at a time. */
  attach(atOnce: number): Promise<void>;
  /** When each client gets the next message of this kind, by `performance.now()`; resolves when everybody has it. */
  everybodyGets(kind: DownCase): Promise<readonly number[]>;
  close(): void;
}

type Down = NonNullable<sessionV1.AttachResponse['message']>;
type DownCase = Down['$case'];
type Stream = ClientStream<sessionV1.AttachRequest, sessionV1.AttachResponse>;
type Hear = (number: number, stream: Stream, message: Down) => void;

const HEARTBEAT_MS = 15_000;
const PATIENCE_MS = 60_000;

interface Gathering {
  readonly kind: DownCase;
  /** By client: one that gets it twice does not stand for another. */
  readonly times: Map<number, number>;
  readonly done: () => void;
}

export function createCrowd(options: CrowdOptions): Crowd {
  const { size } = options;
  const streams: Stream[] = [];
  const channels: Channel[] = [];
  const gatherings = new Set<Gathering>();
  const hear: Hear = (number, stream, message) => {
    for (const { kind, times, done } of gatherings) {
      if (kind !== message.$case || times.has(number)) continue;
      times.set(number, performance.now());
      if (times.size === size) done();
    }
    if (message.$case !== 'notice') return;
    stream.write({ message: { $case: 'acknowledgement', value: { notice: message.value.notice, read: true } } });
  };
  const beat = setInterval(() => {
    for (const stream of streams) stream.write({ message: { $case: 'heartbeat', value: {} } });
  }, HEARTBEAT_MS).unref();
  return {
    attach: async (atOnce) => {
      const numbers = Array.from({ length: size }, (_, i) => i + 1).values();
      const worker = async (): Promise<void> => {
        for (const number of numbers) {
          const channel = openChannel({
            address: addressFor(number, options.port),
            credential: () => options.credential,
          });
          channels.push(channel);
          streams.push(await attachOne(channel, number, options.installation, hear));
        }
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
    },
    everybodyGets: (kind) => gather(gatherings, kind, size),
    close: () => {
      clearInterval(beat);
      for (const stream of streams) stream.cancel();
      for (const channel of channels) channel.close();
    },
  };
}

/** gRPC shares a connection between channels with the same address, so each client dials another one of this machine. */
function addressFor(number: number, port: number): string {
  return `127.${number >> 16}.${(number >> 8) & 255}.${number & 255}:${port}`;
}

/** Resolves when it is welcome; throws when it is not. */
function attachOne(channel: Channel, number: number, installation: string, hear: Hear): Promise<Stream> {
  const stream: Stream = openStream(sessionV1.SessionServiceService.attach, channel);
  const user = `user-${number}`;
  const hello = sessionV1.Hello.fromPartial({
    installation,
    user,
    displayName: user,
    version: '1.0.0',
    clientKind: 'desktop',
  });
  stream.write({ message: { $case: 'hello', value: hello } });
  return new Promise((resolve, reject) => {
    const listen = async (): Promise<void> => {
      for await (const { message } of stream) {
        if (message?.$case === 'welcome') resolve(stream);
        if (message?.$case === 'refused') reject(new Error(`${user} was refused: ${message.value.text}`));
        if (message) hear(number, stream, message);
      }
      reject(new Error(`the stream of ${user} ended`));
    };
    // After the welcome nobody waits any more, and the streams are cut at the end.
    listen().catch(reject);
  });
}

function gather(gatherings: Set<Gathering>, kind: DownCase, size: number): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const gathering: Gathering = {
      kind,
      times: new Map(),
      done: () => {
        clearTimeout(timer);
        gatherings.delete(gathering);
        resolve([...gathering.times.values()]);
      },
    };
    const timer = setTimeout(() => {
      reject(new Error(`${gathering.times.size} of ${size} got ${kind} within ${PATIENCE_MS} ms`));
    }, PATIENCE_MS);
    gatherings.add(gathering);
  });
}
