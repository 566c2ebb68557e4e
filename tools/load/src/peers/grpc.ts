import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { sessionV1 } from '@lastcall/contracts';
import { answerQuestions } from '../questions.js';
import { createPeer } from './peer.js';

/*
 * The floor: what grpc-js costs that welcomes streams, writes one buffer to all of them and counts what comes back. It speaks the messages of
 * the session service, so that the same clients stand before it, and reads none of them.
 */

type Stream = ServerDuplexStream<Buffer, Buffer>;

const { attach } = sessionV1.SessionServiceService;
const asItIs = (bytes: Buffer): Buffer => bytes;
const encode = (message: NonNullable<sessionV1.AttachResponse['message']>): Buffer =>
  attach.responseSerialize(sessionV1.AttachResponse.fromPartial({ serverTime: new Date(), message }));

const streams = new Set<Stream>();
const welcome = encode({ $case: 'welcome', value: sessionV1.Welcome.fromPartial({ session: 's', resumeToken: 'r' }) });
const peer = createPeer((text) => {
  const [notice = ''] = text.split(' ');
  const bytes = encode({ $case: 'notice', value: sessionV1.Notice.fromPartial({ notice, text }) });
  for (const stream of streams) stream.write(bytes);
});

function serve(stream: Stream): void {
  let isFirst = true;
  stream.on('data', () => {
    if (isFirst) {
      isFirst = false;
      streams.add(stream);
      stream.write(welcome);
    } else peer.acknowledged();
  });
  // A client that is cut at the end.
  stream.on('error', () => undefined);
  stream.on('close', () => streams.delete(stream));
}

// As the server of Lastcall has it: the counters of channelz cost memory and time.
const server = new Server({ 'grpc.enable_channelz': 0 });
const method = {
  ...attach,
  requestSerialize: asItIs,
  requestDeserialize: asItIs,
  responseSerialize: asItIs,
  responseDeserialize: asItIs,
};
server.addService({ attach: method }, { attach: serve });

answerQuestions({
  ...peer.answers,
  listen: () =>
    new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    }),
});
