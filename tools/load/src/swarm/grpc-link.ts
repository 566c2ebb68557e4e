import { sessionV1 } from '@lastcall/contracts';
import { Cutter, type Units } from '../codec/cutter.js';
import { encodeDataFrame, fieldBeyond, MESSAGE_HEAD_BYTES, messageLength } from '../codec/grpc-messages.js';
import {
  ACK,
  DEFAULT_WINDOW,
  encodeFrame,
  encodeHeaders,
  encodePreface,
  encodeWindowUpdate,
  END_HEADERS,
  END_STREAM,
  flagsOf,
  FRAME,
  FRAME_HEAD_BYTES,
  frameLength,
  refusePadding,
  streamOf,
  typeOf,
} from '../codec/http2-frames.js';
import { Acknowledgements } from './acknowledgements.js';
import type { Dialect, DialectOptions } from './dialect.js';
import { Link, type LinkPlace, type Listener } from './link.js';
import { Notices, type NoticeFacts } from './notices.js';

/*
 * SessionService.Attach on frames of HTTP/2: a stream for each session, opened with its hello. Welcomes, notices and ends are told apart
 * by the tag of their field.
 */

const { attach } = sessionV1.SessionServiceService;
type Up = NonNullable<sessionV1.AttachRequest['message']>;

/** What the server may send ahead: more than comes in a whole benchmark, and given back when it is half used. */
const WINDOW = 1_048_576;
/** Number of `server_time`; the fields beyond it are what is said. */
const SERVER_TIME = 1;
const SAID = { welcome: 2, refused: 3, notice: 4, withdrawn: 5, ended: 6, heartbeat: 8 } as const;

const SETTINGS_ACK = encodeFrame(FRAME.settings, ACK, 0, Buffer.alloc(0));
/** Clients open streams with odd numbers. */
const streamIn = (slot: number): number => slot * 2 + 1;
const slotOf = (stream: number): number => (stream - 1) / 2;

function encodeUp(slot: number, message: Up): Buffer {
  return encodeDataFrame(streamIn(slot), attach.requestSerialize(sessionV1.AttachRequest.fromPartial({ message })));
}

function readNotice(bytes: Buffer): NoticeFacts {
  const { serverTime, message } = sessionV1.AttachResponse.decode(bytes);
  const notice = message?.$case === 'notice' ? message.value : undefined;
  return {
    id: notice?.notice ?? '',
    bytes: bytes.length,
    serverTime: serverTime?.getTime(),
    deadline: notice?.deadline?.getTime(),
  };
}

export function createGrpcDialect(options: DialectOptions): Dialect {
  const slots = Array.from({ length: options.perConnection }, (_, slot) => slot);
  const notices = new Notices(readNotice);
  const headers = encodeHeaders([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', attach.path],
    [':authority', `127.0.0.1:${options.port}`],
    ['te', 'trailers'],
    ['content-type', 'application/grpc'],
    ['user-agent', 'lean'],
    ...(options.credential === '' ? [] : ([['authorization', `Bearer ${options.credential}`]] as const)),
  ]);
  const acknowledgement = (number: number, slot: number): Buffer => {
    const notice = notices.facts(number)?.id ?? '';
    return encodeUp(slot, { $case: 'acknowledgement', value: { notice, read: true } });
  };
  const shared: Shared = {
    installation: options.installation,
    notices,
    acknowledgements: new Acknowledgements(options.perConnection, acknowledgement),
    preface: encodePreface(WINDOW),
    openings: slots.map((slot) => encodeFrame(FRAME.headers, END_HEADERS, streamIn(slot), headers)),
    heartbeats: Buffer.concat(slots.map((slot) => encodeUp(slot, { $case: 'heartbeat', value: {} }))),
  };
  return { notices, createLink: (listener, place) => new GrpcLink(listener, place, shared) };
}

interface Shared {
  readonly installation: string;
  readonly notices: Notices;
  readonly acknowledgements: Acknowledgements;
  readonly preface: Buffer;
  readonly openings: readonly Buffer[];
  readonly heartbeats: Buffer;
}

class GrpcLink extends Link implements Units {
  private readonly frames = new Cutter(this);
  private readonly streams: readonly StreamReader[];
  private consumed = 0;
  private credit = DEFAULT_WINDOW;

  constructor(
    listener: Listener,
    place: LinkPlace,
    private readonly shared: Shared,
  ) {
    super(listener, place, shared.acknowledgements);
    const hear = (slot: number, bytes: Buffer, start: number, end: number): void => this.hear(slot, bytes, start, end);
    this.streams = Array.from({ length: place.count }, (_, slot) => new StreamReader(slot, hear));
  }

  protected greet(): Buffer {
    const parts = [this.shared.preface];
    for (let slot = 0; slot < this.place.count; slot++) {
      const user = `user-${this.place.first + slot}`;
      const value = sessionV1.Hello.fromPartial({
        installation: this.shared.installation,
        user,
        displayName: user,
        version: '1.0.0',
        clientKind: this.place.count === 1 ? 'desktop' : 'web',
      });
      parts.push(this.shared.openings[slot] ?? Buffer.alloc(0), encodeUp(slot, { $case: 'hello', value }));
    }
    return Buffer.concat(parts);
  }

  /** Counted with its heads, which is more than counts against what may be sent ahead; so little is sent that running out is a mistake. */
  protected override write(bytes: Buffer): void {
    this.credit -= bytes.length;
    if (this.credit < 0) throw new Error('the server does not give back what was sent');
    super.write(bytes);
  }

  beat(): void {
    if (this.streams.some(({ isOver }) => !isOver)) this.write(this.shared.heartbeats);
  }

  protected receive(bytes: Buffer, length: number): void {
    this.frames.push(bytes, 0, length);
  }

  lengthOf(bytes: Buffer, start: number, end: number): number {
    return frameLength(bytes, start, end);
  }

  take(bytes: Buffer, start: number, end: number): void {
    const payload = start + FRAME_HEAD_BYTES;
    const flags = flagsOf(bytes, start);
    const stream = streamOf(bytes, start);
    switch (typeOf(bytes, start)) {
      case FRAME.data:
        refusePadding(bytes, start);
        this.takeData(stream, bytes, payload, end);
        if (flags & END_STREAM) this.endStream(stream, 'the stream ended');
        return;
      case FRAME.headers:
        if (flags & END_STREAM) this.endStream(stream, 'the stream was closed with a status');
        return;
      case FRAME.rstStream:
        return this.endStream(stream, `the stream was reset (${bytes.readUInt32BE(payload)})`);
      case FRAME.settings:
        if (!(flags & ACK)) super.write(SETTINGS_ACK);
        return;
      case FRAME.ping:
        if (!(flags & ACK)) super.write(encodeFrame(FRAME.ping, ACK, 0, bytes.subarray(payload, end)));
        return;
      case FRAME.windowUpdate:
        if (stream === 0) this.credit += bytes.readUInt32BE(payload);
        return;
      default:
      // Priorities and what is to come: to be ignored, says the standard. After GOAWAY the connection is closed.
    }
  }

  private takeData(stream: number, bytes: Buffer, start: number, end: number): void {
    const reader = this.streams[slotOf(stream)];
    if (!reader) throw new Error(`data on stream ${stream}, which was not opened`);
    const length = end - start;
    this.consumed = this.giveBack(0, this.consumed + length);
    reader.consumed = this.giveBack(stream, reader.consumed + length);
    reader.messages.push(bytes, start, end);
  }

  private giveBack(stream: number, consumed: number): number {
    if (consumed < WINDOW / 2) return consumed;
    super.write(encodeWindowUpdate(stream, consumed));
    return 0;
  }

  private hear(slot: number, bytes: Buffer, start: number, end: number): void {
    const session = this.place.first + slot;
    switch (fieldBeyond(SERVER_TIME, bytes, start, end)) {
      case SAID.welcome:
        return this.listener.attached(session);
      case SAID.notice:
        return this.tell(slot, this.shared.notices.numberOf(bytes, start, end));
      case SAID.withdrawn:
        return this.listener.tookBack(session);
      case SAID.heartbeat:
        return this.listener.heartbeat(session);
      case SAID.ended:
      case SAID.refused:
        return this.listener.ended(session, whyEnded(Buffer.from(bytes.subarray(start, end))));
      default:
    }
  }

  private endStream(stream: number, why: string): void {
    const slot = slotOf(stream);
    const reader = this.streams[slot];
    if (!reader || reader.isOver) return;
    reader.isOver = true;
    super.write(encodeFrame(FRAME.rstStream, 0, stream, Buffer.alloc(4)));
    this.listener.failed(this.place.first + slot, why);
  }
}

function whyEnded(bytes: Buffer): string {
  const { message } = sessionV1.AttachResponse.decode(bytes);
  if (message?.$case === 'ended') return sessionV1.EndReason[message.value.reason];
  if (message?.$case === 'refused') {
    return `refused: ${sessionV1.RefusalReason[message.value.reason]} ${message.value.text}`;
  }
  return '';
}

/** The messages of one stream. */
class StreamReader implements Units {
  readonly messages = new Cutter(this);
  /** Bytes that were not given back yet. */
  consumed = 0;
  isOver = false;

  constructor(
    private readonly slot: number,
    private readonly hear: (slot: number, bytes: Buffer, start: number, end: number) => void,
  ) {}

  lengthOf(bytes: Buffer, start: number, end: number): number {
    return messageLength(bytes, start, end);
  }

  take(bytes: Buffer, start: number, end: number): void {
    this.hear(this.slot, bytes, start + MESSAGE_HEAD_BYTES, end);
  }
}
