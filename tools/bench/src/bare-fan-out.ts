import { sessionV1 } from '@lastcall/contracts';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';

/*
 * The peer of bench:attach, a program of its own: a server that does nothing but welcome streams, write one message to all of them when it is
 * told to (`send` on stdin), and count the acknowledgements. No database, no credentials, no gate; gRPC frames written by hand on
 * Node's HTTP/2, so nothing that speaks gRPC in Node can be below it. It prints `acknowledged` when everybody has answered.
 */

const FRAME_BYTES = 5;

function frame(message: NonNullable<sessionV1.AttachResponse['message']>): Buffer {
  const response = sessionV1.AttachResponse.fromPartial({ serverTime: new Date(), message });
  const body = sessionV1.AttachResponse.encode(response).finish();
  const framed = Buffer.alloc(FRAME_BYTES + body.byteLength);
  framed.writeUInt32BE(body.byteLength, 1);
  framed.set(body, FRAME_BYTES);
  return framed;
}

const streams = new Set<ServerHttp2Stream>();
let acknowledged = 0;

function hear(stream: ServerHttp2Stream, { message }: sessionV1.AttachRequest): void {
  if (message?.$case === 'hello') {
    streams.add(stream);
    stream.write(frame({ $case: 'welcome', value: sessionV1.Welcome.fromPartial({ session: 's', resumeToken: 'r' }) }));
  }
  if (message?.$case === 'acknowledgement' && ++acknowledged === streams.size) console.log('acknowledged');
}

function serve(stream: ServerHttp2Stream): void {
  let rest: Buffer = Buffer.alloc(0);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
  stream.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= FRAME_BYTES && rest.length >= FRAME_BYTES + rest.readUInt32BE(1)) {
      const end = FRAME_BYTES + rest.readUInt32BE(1);
      hear(stream, sessionV1.AttachRequest.decode(rest.subarray(FRAME_BYTES, end)));
      rest = rest.subarray(end);
    }
  });
  stream.on('close', () => streams.delete(stream));
  // A client that is cut at the end of the benchmark.
  stream.on('error', () => undefined);
}

const server = createServer().on('stream', serve);
server.listen(0, '0.0.0.0', () => console.log(`port ${(server.address() as AddressInfo).port}`));
createInterface({ input: process.stdin }).on('line', (text) => {
  acknowledged = 0;
  const notice = sessionV1.Notice.fromPartial({ notice: `n-${performance.now()}`, text, sentAt: new Date() });
  const bytes = frame({ $case: 'notice', value: notice });
  for (const stream of streams) stream.write(bytes);
});
