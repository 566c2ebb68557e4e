import {
  connect,
  constants,
  createServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

/*
 * Stands where a cluster has its ingress: one address, calls go to a service by the gRPC service's name. Plain HTTP/2, streams
 * are piped both ways with back-pressure, trailers and resets are passed on as they are.
 */

export interface EdgeOptions {
  /**
   * `host:port` by the full name of a gRPC service, or by its beginning (`lastcall.catalog.`). The longest one that fits is taken.
   * Several addresses are replicas: calls go to them in turn, and for a second to none that could not be reached.
   */
  readonly routes: Readonly<Record<string, string | readonly string[]>>;
  /** Default: any free port of 127.0.0.1. */
  readonly port?: number;
}

export interface Edge {
  /** `host:port`. */
  readonly address: string;
  stop(): Promise<void>;
}

const UNAVAILABLE = '14';
const UNIMPLEMENTED = '12';
/** As large as gRPC's own servers; the default of 64 KiB slows large streams down. */
const WINDOW_BYTES = 1024 * 1024;
const OUT_OF_TURN_MS = 1_000;

interface Upstreams {
  readonly sessions: Map<string, ClientHttp2Session>;
  /** When an address could not be reached last, by `performance.now()`. */
  readonly failedAt: Map<string, number>;
  turn: number;
}

export async function startEdge({ routes, port = 0 }: EdgeOptions): Promise<Edge> {
  const upstreams: Upstreams = { sessions: new Map(), failedAt: new Map(), turn: 0 };
  const sessions = new Set<{ destroy(): void; close(): void }>();
  const server = createServer({ settings: { initialWindowSize: WINDOW_BYTES } });
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    // Told to each of its streams already.
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    const address = nextOf(upstreams, routeOf(routes, String(headers[':path'] ?? '')));
    if (address === undefined) return refuse(stream, UNIMPLEMENTED, 'no route for this service');
    forward(stream, headers, upstreamTo(upstreams, address));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      for (const session of [...sessions, ...upstreams.sessions.values()]) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function routeOf(routes: EdgeOptions['routes'], path: string): readonly string[] {
  const service = path.split('/')[1] ?? '';
  const fitting = Object.keys(routes).filter((name) => service.startsWith(name));
  const longest = fitting.toSorted((a, b) => b.length - a.length)[0];
  const route = longest === undefined ? [] : (routes[longest] ?? []);
  return typeof route === 'string' ? [route] : route;
}

function nextOf(upstreams: Upstreams, addresses: readonly string[]): string | undefined {
  const failedBefore = performance.now() - OUT_OF_TURN_MS;
  const inTurn = addresses.filter((address) => (upstreams.failedAt.get(address) ?? -Infinity) < failedBefore);
  const candidates = inTurn.length > 0 ? inTurn : addresses;
  return candidates[upstreams.turn++ % candidates.length];
}

/** One connection for each address; a new one when the old one has gone or was told to go. */
function upstreamTo(upstreams: Upstreams, address: string): ClientHttp2Session {
  const open = upstreams.sessions.get(address);
  if (open && !open.closed && !open.destroyed) return open;
  const session = connect(`http://${address}`, { settings: { initialWindowSize: WINDOW_BYTES } });
  session.setMaxListeners(0);
  // Told to each of its streams already.
  session.on('error', () => upstreams.failedAt.set(address, performance.now()));
  const forget = (): void => void (upstreams.sessions.get(address) === session && upstreams.sessions.delete(address));
  session.on('goaway', forget).on('close', forget);
  upstreams.sessions.set(address, session);
  return session;
}

function forward(down: ServerHttp2Stream, headers: IncomingHttpHeaders, session: ClientHttp2Session): void {
  let up: ClientHttp2Stream;
  try {
    up = session.request(forwarded(headers), { endStream: false });
  } catch {
    // The connection broke between the look at it and here.
    return refuse(down, UNAVAILABLE, 'the service cannot be reached');
  }
  let trailers: IncomingHttpHeaders | undefined;
  up.on('response', (response, flags) => {
    if (down.destroyed || down.headersSent) return;
    // A refusal is one frame of headers that ends the stream; as two frames clients would read another status.
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) {
      return down.respond(forwarded(response), { endStream: true });
    }
    down.respond(forwarded(response), { waitForTrailers: true });
    down.on('wantTrailers', () => down.sendTrailers(forwarded(trailers ?? {})));
    up.pipe(down, { end: false });
  });
  // A service that dies ends its streams without trailers: the reader must not take what there is for the whole.
  up.on('end', () => {
    if (trailers !== undefined) down.end();
    else if (down.headersSent && !down.writableEnded) down.close(up.rstCode || constants.NGHTTP2_INTERNAL_ERROR);
  });
  up.on('trailers', (received: IncomingHttpHeaders) => {
    trailers = received;
  });
  up.on('error', () => undefined);
  up.on('close', () => {
    if (down.destroyed || down.writableEnded) return;
    if (!down.headersSent) return refuse(down, UNAVAILABLE, 'the service cannot be reached');
    // It broke off: the reader must not take what there is for the whole.
    if (trailers === undefined) down.close(up.rstCode || constants.NGHTTP2_INTERNAL_ERROR);
  });
  down.on('aborted', () => up.close(constants.NGHTTP2_CANCEL));
  down.on('close', () => {
    if (!up.closed) up.close(down.rstCode || constants.NGHTTP2_CANCEL);
  });
  down.pipe(up);
}

/** Without what belongs to one connection only. */
function forwarded(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { connection: _, 'keep-alive': _k, 'proxy-connection': _p, 'transfer-encoding': _t, ...rest } = headers;
  return rest;
}

/** An answer of gRPC without a body. */
function refuse(stream: ServerHttp2Stream, status: string, message: string): void {
  if (stream.destroyed || stream.headersSent) return;
  const headers = {
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-status': status,
    'grpc-message': message,
  };
  stream.respond(headers, { endStream: true });
  stream.close();
}
