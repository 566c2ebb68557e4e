import { connect, type ClientHttp2Session, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';

/*
 * Asks grpc.health.v1.Health.Check in plain text. By hand on HTTP/2, because container engines start a process for each question: the question is an
 * empty message, the answer one enum, and loading a gRPC library takes five times as long as asking.
 */

export interface HealthAnswer {
  readonly isServing: boolean;
  /** For people: one sentence. */
  readonly sentence: string;
}

const PATH = '/grpc.health.v1.Health/Check';
/** A message without fields, in its frame: not compressed, zero bytes long. */
const QUESTION = Buffer.alloc(5);
/** Larger than any answer: a frame of five bytes and a field of two. */
const MAX_ANSWER_BYTES = 64;
const ANSWER = /^00(?:00){3}0208([0-9a-f]{2})$/;
const SERVING = 1;

/** `address`: `host:port`. Never rejects; answers within `timeoutMs`. */
export async function askHealth(address: string, timeoutMs: number): Promise<HealthAnswer> {
  let session: ClientHttp2Session | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    session = connect(`http://${address}`);
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    return await Promise.race([answerOf(session, address), late]);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { isServing: false, sentence: `${address} cannot be asked: ${reason}.` };
  } finally {
    clearTimeout(timer);
    session?.destroy();
  }
}

function answerOf(session: ClientHttp2Session, address: string): Promise<HealthAnswer> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    session.on('close', () => reject(new Error('the connection was ended, as a port does that demands TLS')));
    const stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let answer = Buffer.alloc(0);
    let refusal: string | undefined;
    stream.on('error', reject);
    stream.on('response', (headers) => (refusal = refusalOf(headers)));
    stream.on('trailers', (headers: IncomingHttpHeaders) => (refusal ||= refusalOf(headers)));
    stream.on('data', (bytes: Buffer) => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.length > MAX_ANSWER_BYTES) reject(new Error('it answers something else'));
    });
    // Without headers it is the end of the connection.
    stream.on('end', () => refusal !== undefined && resolve(read(address, answer, refusal)));
    stream.end(QUESTION);
  });
}

/** Empty: none. gRPC says its status in the trailers, or in the headers where there is nothing else. */
function refusalOf(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): string {
  const { ':status': status = 200, 'grpc-status': code = '0', 'grpc-message': message = '' } = headers;
  if (status !== 200) return `HTTP ${status}`;
  if (code === '0') return '';
  return `gRPC status ${[code, message].flat().join(' ')}`.trim();
}

function read(address: string, answer: Buffer, refusal: string): HealthAnswer {
  if (refusal !== '') return { isServing: false, sentence: `${address} refuses to say: ${refusal}.` };
  const status = ANSWER.exec(answer.toString('hex'))?.[1];
  if (status === undefined) return { isServing: false, sentence: `${address} answers something else.` };
  const isServing = Number.parseInt(status, 16) === SERVING;
  return { isServing, sentence: `${address} is ${isServing ? 'serving' : 'not serving'}.` };
}
