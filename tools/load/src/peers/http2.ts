import { sessionV1 } from '@lastcall/contracts';
import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Cutter } from '../codec/cutter.js';
import { encodeMessage, MESSAGE_HEAD_BYTES, messageLength } from '../codec/grpc-messages.js';
import { answerQuestions } from '../questions.js';
import { createPeer } from './peer.js';

/*
 * The floor below grpc-js: the same messages on Node's HTTP/2, with the frames of gRPC cut and written by hand. What is between this and
 * `ws` is HTTP/2 itself.
 */

const { attach } = sessionV1.SessionServiceService;
const encode = (message: NonNullable<sessionV1.AttachResponse['message']>): Buffer =>
  encodeMessage(attach.responseSerialize(sessionV1.AttachResponse.fromPartial({ serverTime: new Date(), message })));

const streams = new Set<ServerHttp2Stream>();
const welcome = encode({ $case: 'welcome', value: sessionV1.Welcome.fromPartial({ session: 's', resumeToken: 'r' }) });
const peer = createPeer((text) => {
  const [notice = ''] = text.split(' ');
  const bytes = encode({ $case: 'notice', value: sessionV1.Notice.fromPartial({ notice, text }) });
  for (const stream of streams) stream.write(bytes);
});

function serve(stream: ServerHttp2Stream): void {
  const messages = new Cutter({
    lengthOf: messageLength,
    take: (_bytes, start, end) => {
      if (streams.has(stream)) return peer.acknowledged();
      if (end - start <= MESSAGE_HEAD_BYTES) throw new Error('an empty hello');
      streams.add(stream);
      stream.write(welcome);
    },
  });
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
  stream.on('data', (piece: Buffer) => messages.push(piece, 0, piece.length));
  // A client that is cut at the end.
  stream.on('error', () => undefined);
  stream.on('close', () => streams.delete(stream));
}

const server = createServer().on('stream', serve);

answerQuestions({
  ...peer.answers,
  listen: async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
});
