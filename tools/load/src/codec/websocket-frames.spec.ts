import fc from 'fast-check';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { Cutter } from './cutter.js';
import { split } from './testing/split.js';
import {
  encodeMasked,
  encodeUpgrade,
  opcodeOf,
  OPCODE,
  payloadOf,
  upgradeAnswerLength,
  webSocketFrameLength,
} from './websocket-frames.js';

/** A frame of a server. */
function encodeServerFrame(opcode: number, payload: Buffer): Buffer {
  const short = payload.length < 126;
  const head = short ? Buffer.of(0x80 | opcode, payload.length) : Buffer.alloc(4);
  if (!short) {
    head.writeUInt16BE(((0x80 | opcode) << 8) | 126);
    head.writeUInt16BE(payload.length, 2);
  }
  return Buffer.concat([head, payload]);
}

function readFrames(pieces: readonly Buffer[]): [number, string][] {
  const frames: [number, string][] = [];
  const cutter = new Cutter({
    lengthOf: webSocketFrameLength,
    take: (bytes, start, end) =>
      frames.push([opcodeOf(bytes, start), bytes.toString('latin1', payloadOf(bytes, start), end)]),
  });
  for (const piece of pieces) cutter.push(piece, 0, piece.length);
  return frames;
}

describe('frames of a server', () => {
  it('are read, split at any bytes', () => {
    const frames = fc.array(fc.tuple(fc.constantFrom(1, 2, 9), fc.uint8Array({ maxLength: 400 })), { maxLength: 5 });
    fc.assert(
      fc.property(frames, fc.array(fc.nat(2_000)), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(([opcode, payload]) => encodeServerFrame(opcode, Buffer.from(payload))));
        const expected = sent.map(([opcode, payload]) => [opcode, Buffer.from(payload).toString('latin1')]);
        expect(readFrames(split(bytes, cuts))).toEqual(expected);
      }),
    );
  });

  it('that are not whole messages are refused', () => {
    expect(() => readFrames([Buffer.of(0x01, 2, 1, 1)])).toThrow('not read here');
    expect(() => readFrames([Buffer.of(0x82, 127, 0, 0)])).toThrow('not read here');
    expect(() => readFrames([encodeMasked(OPCODE.text, Buffer.from('x'))])).toThrow('not read here');
  });
});

describe('the answer to the upgrade', () => {
  it('is whole when its empty line is there', () => {
    const answer = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n', 'latin1');
    for (let end = 0; end < answer.length; end++) expect(upgradeAnswerLength(answer, 0, end)).toBe(0);
    expect(upgradeAnswerLength(Buffer.concat([answer, Buffer.of(0x81, 0)]), 0, answer.length + 2)).toBe(answer.length);
    const refusal = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n', 'latin1');
    expect(() => upgradeAnswerLength(refusal, 0, refusal.length)).toThrow('400');
  });
});

describe('a server of WebSocket', () => {
  it('understands what is written here', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'nats' });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const connection = once(server, 'connection') as Promise<[WebSocket]>;
    const socket = connect(port, '127.0.0.1');
    socket.write(encodeUpgrade(`127.0.0.1:${port}`, '/', 'nats'));
    const [client] = await connection;
    expect(client.protocol).toBe('nats');
    for (const payload of ['', 'short', 'x'.repeat(125), 'y'.repeat(126), 'z'.repeat(60_000)]) {
      const message = once(client, 'message') as Promise<[RawData, boolean]>;
      socket.write(encodeMasked(OPCODE.text, Buffer.from(payload)));
      const [data, isBinary] = await message;
      expect([(data as Buffer).toString('utf8'), isBinary]).toEqual([payload, false]);
    }
    socket.destroy();
    server.close();
  });
});
