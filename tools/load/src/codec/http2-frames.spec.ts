import fc from 'fast-check';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { Cutter } from './cutter.js';
import { encodeDataFrame, fieldBeyond } from './grpc-messages.js';
import {
  encodeFrame,
  encodeHeaders,
  encodePreface,
  encodeWindowUpdate,
  END_HEADERS,
  flagsOf,
  FRAME,
  FRAME_HEAD_BYTES,
  frameLength,
  refusePadding,
  streamOf,
  typeOf,
} from './http2-frames.js';
import { split } from './testing/split.js';

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: string;
}

function readFrames(pieces: readonly Buffer[]): Frame[] {
  const frames: Frame[] = [];
  const cutter = new Cutter({
    lengthOf: frameLength,
    take: (bytes, start, end) =>
      frames.push({
        type: typeOf(bytes, start),
        flags: flagsOf(bytes, start),
        stream: streamOf(bytes, start),
        payload: bytes.toString('latin1', start + FRAME_HEAD_BYTES, end),
      }),
  });
  for (const piece of pieces) cutter.push(piece, 0, piece.length);
  return frames;
}

const anyFrame = fc.record({
  type: fc.nat(9),
  flags: fc.nat(255),
  stream: fc.nat(0x7fff_ffff),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
});

describe('frames', () => {
  it('come back as they went out, split at any bytes', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 6 }), fc.array(fc.nat(2_000)), (frames, cuts) => {
        const encoded = frames.map(({ type, flags, stream, payload }) =>
          encodeFrame(type, flags, stream, Buffer.from(payload, 'latin1')),
        );
        expect(readFrames(split(Buffer.concat(encoded), cuts))).toEqual(frames);
      }),
    );
  });

  it('that are too large or padded are refused', () => {
    expect(() => readFrames([Buffer.from('HTTP/1.1 400 Bad Request')])).toThrow('does not speak HTTP/2');
    const padded = encodeFrame(FRAME.data, 8, 1, Buffer.from('x'));
    expect(() => refusePadding(padded, 0)).toThrow('padded');
  });
});

describe('the kind of a message', () => {
  const field = (number: number, length: number): Buffer => {
    const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
    return Buffer.concat([Buffer.of((number << 3) | 2), Buffer.from(size), Buffer.alloc(length, 0xff)]);
  };

  it('is the first field beyond those that all kinds have', () => {
    fc.assert(
      fc.property(fc.option(fc.nat(300)), fc.integer({ min: 2, max: 15 }), fc.nat(300), (before, number, length) => {
        const bytes = Buffer.concat([...(before === null ? [] : [field(1, before)]), field(number, length)]);
        expect(fieldBeyond(1, bytes, 0, bytes.length)).toBe(number);
      }),
    );
  });

  it('is 0 when there is none', () => {
    expect(fieldBeyond(1, field(1, 12), 0, 14)).toBe(0);
    expect(() => fieldBeyond(1, Buffer.of(0x08, 1), 0, 2)).toThrow('is not read here');
  });
});

describe('a server of HTTP/2', () => {
  it('understands what is written here', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const long = 'x'.repeat(400);
    const headers = encodeHeaders([
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/lastcall'],
      [':authority', 'localhost'],
      ['authorization', `Bearer ${long}`],
    ]);
    const stream = once(server, 'stream') as Promise<[ServerHttp2Stream, IncomingHttpHeaders]>;
    socket.write(encodePreface(1_048_576));
    socket.write(encodeFrame(FRAME.headers, END_HEADERS, 1, headers));
    socket.write(encodeWindowUpdate(1, 1_000));
    socket.write(encodeDataFrame(1, Buffer.from('hello')));
    const [opened, seen] = await stream;
    opened.on('error', () => undefined);
    expect(seen).toMatchObject({ ':path': '/lastcall', ':method': 'POST', authorization: `Bearer ${long}` });
    const [data] = (await once(opened, 'data')) as [Buffer];
    expect(data.toString('latin1')).toBe('\0\0\0\0\u0005hello');
    expect(opened.session?.remoteSettings).toMatchObject({ enablePush: false, initialWindowSize: 1_048_576 });
    socket.destroy();
    server.close();
  });
});
