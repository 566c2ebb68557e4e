import { sessionV1 } from '@lastcall/contracts';
import { FrameLine, type LineStream } from './frame-line.js';
import type { Place } from './place.js';

/*
 * Clients that do not read, each on a connection of its own: there is room for the welcome and little else, so the server has to keep what it
 * has to say to them. They say nothing either. They dial the replicas in turn: what stands before those reads ahead, and would be slow in
 * their place.
 */

export interface SlowReader {
  readonly user: string;
  /** Reads what has waited, to the end of the stream. */
  readAgain(): Promise<LateReading>;
  /** Attaches again with its token, and reads until it knows the newest message, which is in the welcome or after it. */
  comeBack(newest: string): Promise<{ readonly same: boolean; readonly told: boolean }>;
  /** Says goodbye; resolves at the end of the stream. */
  leave(): Promise<void>;
  close(): void;
}

export interface LateReading {
  readonly messages: number;
  readonly repeated: number;
  /** Of the end; empty when there was none. */
  readonly reason: string;
}

type Down = NonNullable<sessionV1.AttachResponse['message']>;
type Up = NonNullable<sessionV1.AttachRequest['message']>;

const { attach } = sessionV1.SessionServiceService;
const LITTLE_ROOM_BYTES = 1_024;
const ROOM_BYTES = 1_048_576;
const AT_ONCE = 50;

export async function attachSlowReaders(place: Place, count: number): Promise<SlowReader[]> {
  const readers: SlowReader[] = [];
  for (let i = 0; i < count; i += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, at) => i + at + 1);
    readers.push(...(await Promise.all(numbers.map((number) => attachSlowReader(place, number)))));
  }
  return readers;
}

async function attachSlowReader(place: Place, number: number): Promise<SlowReader> {
  const { replicaAddresses, address } = place;
  const line = new FrameLine(replicaAddresses[number % replicaAddresses.length] ?? address, LITTLE_ROOM_BYTES);
  const user = `slow-${number}`;
  let session = openSession(line, place);
  const first = await session.hello(user, '');
  return {
    user,
    readAgain: () => session.readToEnd(),
    comeBack: async (newest) => {
      session = openSession(line, place);
      session.stream.makeRoom(ROOM_BYTES);
      const welcome = await session.hello(user, first.resumeToken);
      const told = welcome.notice?.notice === newest || (await session.hears(newest));
      return { same: welcome.session === first.session, told };
    },
    leave: async () => {
      session.say({ $case: 'goodbye', value: {} });
      await session.readToEnd();
    },
    close: () => line.close(),
  };
}

interface OpenSession {
  readonly stream: LineStream;
  say(message: Up): void;
  hello(user: string, resumeToken: string): Promise<sessionV1.Welcome>;
  /** False: the notice did not come. */
  hears(notice: string): Promise<boolean>;
  readToEnd(): Promise<LateReading>;
}

function openSession(line: FrameLine, { installation, credential }: Place): OpenSession {
  const heard: Down[] = [];
  const stream = line.open(attach.path, credential, (bytes) => {
    const { message } = attach.responseDeserialize(bytes);
    if (message) heard.push(message);
  });
  const say = (message: Up): void => {
    stream.write(attach.requestSerialize(sessionV1.AttachRequest.fromPartial({ message })));
  };
  return {
    stream,
    say,
    hello: async (user, resumeToken) => {
      const who = { installation, user, displayName: user, version: '1.0.0', clientKind: 'desktop', resumeToken };
      say({ $case: 'hello', value: sessionV1.Hello.fromPartial(who) });
      await stream.until('a welcome', () => heard.length > 0);
      const first = heard.shift();
      if (first?.$case === 'welcome') return first.value;
      throw new Error(`${user} was not welcomed: ${JSON.stringify(first)}`);
    },
    hears: (notice) => {
      const hasCome = () => heard.some((message) => message.$case === 'notice' && message.value.notice === notice);
      return stream.until('a notice', hasCome).then(
        () => true,
        () => false,
      );
    },
    readToEnd: async () => {
      stream.makeRoom(ROOM_BYTES);
      await stream.until('the end of a stream', () => stream.isOver);
      return readingOf(heard);
    },
  };
}

function readingOf(heard: readonly Down[]): LateReading {
  const ids = heard.flatMap((message) => (message.$case === 'notice' ? [message.value.notice] : []));
  const end = heard.find((message) => message.$case === 'ended');
  return {
    messages: ids.length,
    repeated: ids.length - new Set(ids).size,
    reason: end?.$case === 'ended' ? sessionV1.endReasonToJSON(end.value.reason).replace('END_REASON_', '') : '',
  };
}
