import { connect, type Socket } from 'node:net';
import { Cutter, type Units } from '../codec/cutter.js';
import { encodeDataFrame, MESSAGE_HEAD_BYTES, messageLength } from '../codec/grpc-messages.js';
import {
  ACK,
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
  streamOf,
  typeOf,
} from '../codec/http2-frames.js';

/*
 * A connection on frames of HTTP/2 whose streams take no more than they were given room for. Libraries read ahead into buffers of their own,
 * and a server would wait for those to be full.
 */

export interface LineStream {
  write(message: Uint8Array): void;
  /** The server may send so much more. */
  makeRoom(bytes: number): void;
  /** Resolves when it holds; looked at whenever something has come. Rejects when the stream is over before, or it takes too long. */
  until(what: string, isSo: () => boolean): Promise<void>;
  readonly isOver: boolean;
}

const SETTINGS_ACK = encodeFrame(FRAME.settings, ACK, 0, Buffer.alloc(0));
const PATIENCE_MS = 30_000;

export class FrameLine implements Units {
  private readonly socket: Socket;
  private readonly frames = new Cutter(this);
  private readonly streams = new Map<number, RoomyStream>();
  private nextStream = 1;

  /** `roomBytes`: what the server may send on a new stream. */
  constructor(
    private readonly address: string,
    roomBytes: number,
  ) {
    const [host = '', port] = address.split(':');
    this.socket = connect({ host, port: Number(port) });
    this.socket
      .setNoDelay(true)
      .on('data', (piece: Buffer) => this.frames.push(piece, 0, piece.length))
      // The streams are told when it closes.
      .on('error', () => undefined)
      .once('close', () => this.streams.forEach((stream) => stream.end()));
    this.socket.write(encodePreface(roomBytes));
  }

  open(path: string, credential: string, hear: (message: Buffer) => void): LineStream {
    const number = this.nextStream;
    this.nextStream += 2;
    const headers = encodeHeaders([
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', path],
      [':authority', this.address],
      ['te', 'trailers'],
      ['content-type', 'application/grpc'],
      ['authorization', `Bearer ${credential}`],
    ]);
    this.socket.write(encodeFrame(FRAME.headers, END_HEADERS, number, headers));
    const stream = new RoomyStream(number, (bytes) => this.socket.write(bytes), hear);
    this.streams.set(number, stream);
    return stream;
  }

  close(): void {
    this.socket.destroy();
  }

  lengthOf(bytes: Buffer, start: number, end: number): number {
    return frameLength(bytes, start, end);
  }

  take(bytes: Buffer, start: number, end: number): void {
    const type = typeOf(bytes, start);
    const flags = flagsOf(bytes, start);
    const payload = start + FRAME_HEAD_BYTES;
    const stream = this.streams.get(streamOf(bytes, start));
    if (type === FRAME.settings && !(flags & ACK)) this.socket.write(SETTINGS_ACK);
    if (type === FRAME.ping && !(flags & ACK)) {
      this.socket.write(encodeFrame(FRAME.ping, ACK, 0, Buffer.from(bytes.subarray(payload, end))));
    }
    if (type === FRAME.data) {
      stream?.receive(bytes, payload, end);
      // What one stream has no room for must not stop the others.
      if (end > payload) this.socket.write(encodeWindowUpdate(0, end - payload));
    }
    const ends = (type === FRAME.data || type === FRAME.headers) && (flags & END_STREAM) !== 0;
    if (ends || type === FRAME.rstStream) stream?.end();
  }
}

class RoomyStream implements LineStream, Units {
  private readonly messages = new Cutter(this);
  private changed = (): void => undefined;
  isOver = false;

  constructor(
    private readonly number: number,
    private readonly send: (bytes: Buffer) => void,
    private readonly hear: (message: Buffer) => void,
  ) {}

  write(message: Uint8Array): void {
    this.send(encodeDataFrame(this.number, message));
  }

  makeRoom(bytes: number): void {
    this.send(encodeWindowUpdate(this.number, bytes));
  }

  receive(bytes: Buffer, start: number, end: number): void {
    this.messages.push(bytes, start, end);
    this.changed();
  }

  end(): void {
    this.isOver = true;
    this.changed();
  }

  until(what: string, isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void): void => {
        clearTimeout(timer);
        this.changed = () => undefined;
        how();
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`waited ${PATIENCE_MS} ms for ${what}`))),
        PATIENCE_MS,
      );
      this.changed = () => {
        if (isSo()) settle(resolve);
        else if (this.isOver) settle(() => reject(new Error(`the stream ended before ${what}`)));
      };
      this.changed();
    });
  }

  lengthOf(bytes: Buffer, start: number, end: number): number {
    return messageLength(bytes, start, end);
  }

  take(bytes: Buffer, start: number, end: number): void {
    this.hear(Buffer.from(bytes.subarray(start + MESSAGE_HEAD_BYTES, end)));
  }
}
