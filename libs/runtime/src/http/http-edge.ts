import { FAULT_STATUS, DEFECT_STATUS, REJECTION_STATUS, type Principal } from '@lastcall/contracts';
import { Fault, invalid, orThrow, RejectedError, reject, type Rejected } from '@lastcall/kernel';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { admit } from '../auth/admit.js';
import type { Authenticator, Caller } from '../auth/authenticator.js';
import type { Certificates } from '../certificates.js';
import { clientCertificateOptions } from '../grpc/server-credentials.js';
import { rejectionOf } from '../grpc/status.js';
import type { Health } from '../health.js';
import { knownOfCaller, logContextOf, withLogContext } from '../log-context.js';
import type { Logger } from '../logging.js';
import type { HttpRoute } from '../service.js';
import type { CommonSettings } from '../settings/index.js';
import type { Telemetry } from '../telemetry/telemetry.js';

/*
 * One HTTP server on one port for the routes of all modules. Owns what every route has in common: who may, size and time
 * limits, 404 and 405, errors as JSON. It listens from the beginning, so that others can be told the real port, and answers 503
 * until the routes are there.
 */

export interface GuardedRoute {
  readonly route: HttpRoute;
  readonly authenticator: Authenticator;
}

export interface HttpEdgeOptions {
  readonly settings: Pick<CommonSettings, 'httpAddress' | 'maxUploadBytes' | 'stopTimeoutMs'>;
  /** Absent: plain text. */
  readonly certificates?: Certificates | undefined;
  readonly health: Health;
  readonly log: Logger;
  readonly telemetry: Telemetry;
}

export interface HttpEdge {
  /** Binds; answers the base address, `http://host:port`. */
  start(): Promise<string>;
  /** From here on these routes answer. */
  serve(routes: readonly GuardedRoute[]): void;
  stop(): Promise<void>;
}

interface Edge extends HttpEdgeOptions {
  routes: readonly GuardedRoute[] | undefined;
}

export function createHttpEdge(options: HttpEdgeOptions): HttpEdge {
  const edge: Edge = { ...options, routes: undefined };
  const listener = (request: IncomingMessage, response: ServerResponse): void => void answer(edge, request, response);
  const limits = { headersTimeout: 10_000, requestTimeout: 0, keepAliveTimeout: 5_000, maxHeaderSize: 16 * 1024 };
  const server = options.certificates
    ? createSecureServer(options.certificates, limits, listener)
    : createServer(limits, listener);
  // A body may be large and slow; what is cut is one that does not move.
  server.setTimeout(60_000);
  return {
    start: () => listen(server, options.settings.httpAddress, options.certificates !== undefined),
    serve: (routes) => {
      edge.routes = routes;
    },
    stop: () => close(server, options.settings.stopTimeoutMs),
  };
}

/** Connections that are open go on when the certificates change; the next ones get what is current. */
function createSecureServer(certificates: Certificates, limits: ServerOptions, listener: RequestListener): Server {
  const wanted = clientCertificateOptions(certificates);
  const server = createTlsServer({ ...limits, ...wanted, ...certificates.current() }, listener);
  certificates.onChange((tls) => server.setSecureContext({ ...tls }));
  // Or a caller could show another certificate than the one that was looked at when the connection was opened.
  server.on('secureConnection', (socket) => socket.disableRenegotiation());
  return server;
}

function listen(server: Server, address: string, tls: boolean): Promise<string> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `cannot listen on ${address} (${cause.message}); set LASTCALL_HTTP_ADDRESS to a free one`;
      reject(new Fault(message, { cause }));
    });
    server.listen(Number(address.slice(colon + 1)), host.replace(/^\[|\]$/g, ''), () => {
      resolve(`${tls ? 'https' : 'http'}://${host}:${(server.address() as AddressInfo).port}`);
    });
  });
}

function close(server: Server, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve();
    const timer = setTimeout(() => server.closeAllConnections(), timeoutMs * 0.8);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

async function answer(edge: Edge, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = pathOf(request.url);
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '');
  if (path === '/healthz') return sendJson(response, 200, { status: 'alive' });
  if (path === '/readyz') return sendReady(edge.health, response);
  if (!edge.routes) return sendJson(response, 503, { reason: 'STARTING', message: 'Lastcall is starting.' });
  const matching = path === undefined ? [] : edge.routes.filter(({ route }) => matches(route.path, path));
  const found = matching.find(({ route }) => route.method === method);
  if (path === undefined || matching.length === 0) {
    return sendJson(response, 404, { reason: 'NO_ROUTE', message: 'There is nothing at this address.' });
  }
  if (!found) {
    response.setHeader('allow', [...new Set(matching.map(({ route }) => route.method))].join(', '));
    return sendJson(response, 405, { reason: 'METHOD_NOT_ALLOWED', message: `${method} is not possible here.` });
  }
  await serveRoute(edge, found, path, request, response);
}

async function serveRoute(
  edge: Edge,
  { route, authenticator }: GuardedRoute,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const key = `${route.method} ${route.path}`;
  const abort = new AbortController();
  response.on('close', () => abort.abort());
  const { traceparent } = request.headers;
  const parent = typeof traceparent === 'string' ? { traceparent } : {};
  const failed = (error: unknown): void => {
    edge.telemetry.fail(error);
    fail(edge, key, response, request, error);
  };
  await edge.telemetry.span({ name: key, kind: 'server', parent }, async () => {
    const trace = { ...parent, ...edge.telemetry.traceContext() };
    let about = logContextOf(trace);
    try {
      limitBody(request, edge.settings.maxUploadBytes, (error) => fail(edge, key, response, request, error));
      const { principal } = orThrow(await admit(authenticator, key, callerOf(request), undefined));
      about = logContextOf({ ...trace, ...knownOfCaller(principal) });
      const context = contextOf(principal, abort.signal, request, restOf(route.path, path));
      await withLogContext(about, () => route.handle(request, response, context));
    } catch (error) {
      await withLogContext(about, async () => failed(error));
    }
  });
  edge.telemetry.count('http_requests', { route: key, status: String(response.statusCode) });
}

function callerOf({ headers, socket }: IncomingMessage): Caller {
  const certificate = (): Buffer | undefined =>
    socket instanceof TLSSocket && socket.authorized ? socket.getPeerCertificate().raw : undefined;
  return { authorization: headers.authorization, certificate };
}

function contextOf(principal: Principal | undefined, signal: AbortSignal, request: IncomingMessage, rest: string) {
  const peer = `${request.socket.remoteAddress ?? ''}:${request.socket.remotePort ?? ''}`;
  return { principal, signal, peer, rest };
}

/** Decoded path without query; undefined when it is no good or leads upwards. */
function pathOf(url: string | undefined): string | undefined {
  try {
    const path = decodeURIComponent((url ?? '').split('?', 1)[0] ?? '');
    const good = path.startsWith('/') && !path.includes('\0') && !path.split(/[/\\]/).includes('..');
    return good ? path : undefined;
  } catch {
    return undefined; // A malformed escape is no address of ours.
  }
}

function matches(pattern: string, path: string): boolean {
  if (!pattern.endsWith('/*')) return pattern === path;
  return path.startsWith(pattern.slice(0, -1)) && path.length >= pattern.length;
}

function restOf(pattern: string, path: string): string {
  return pattern.endsWith('/*') ? path.slice(pattern.length - 1) : '';
}

/** Refuses a body that says that it is larger than allowed; one that is without saying so is answered and cut. */
function limitBody(request: IncomingMessage, maxBytes: number, answer: (error: RejectedError) => void): void {
  const tooLarge = (): RejectedError =>
    new RejectedError(
      reject('too-many', 'BODY_TOO_LARGE', `The body is larger than ${maxBytes} bytes.`, {
        facts: { maxBytes: String(maxBytes) },
      }),
    );
  const length = Number(request.headers['content-length'] ?? 0);
  if (Number.isNaN(length))
    throw new RejectedError(invalid([{ field: 'content-length', description: 'is no number' }]));
  if (length > maxBytes) throw tooLarge();
  if (request.headers['transfer-encoding'] === undefined) return;
  // The parser hands a chunked body in by `push`; counting there leaves the stream to the route.
  const push = request.push.bind(request);
  let bytes = 0;
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    bytes += Buffer.isBuffer(chunk) ? chunk.length : 0;
    if (bytes <= maxBytes) return push(chunk, encoding);
    answer(tooLarge());
    // Not in this turn, or the answer would not leave. Whoever reads the body is told, too.
    setImmediate(() => request.destroy(tooLarge()));
    return false;
  };
}

function fail(edge: Edge, key: string, response: ServerResponse, request: IncomingMessage, error: unknown): void {
  const rejected = rejectionOf(error);
  if (!rejected && (response.destroyed || request.destroyed)) return void response.destroy();
  if (!rejected) edge.log.error({ err: error, route: key }, 'a request failed');
  const { http, body } = errorOf(rejected, error);
  // Half an answer cannot be taken back; the reader must see that it is not whole.
  if (response.headersSent) return void response.destroy();
  if (http === 401) response.setHeader('www-authenticate', 'Bearer');
  // What is left of the body will not be read.
  if (!request.complete) response.setHeader('connection', 'close');
  sendJson(response, http, body);
}

function errorOf(rejected: Rejected | undefined, error: unknown): { http: number; body: object } {
  if (rejected) {
    const { code, reason, message, violations, facts } = rejected;
    const http = reason === 'BODY_TOO_LARGE' ? 413 : REJECTION_STATUS[code].http;
    return { http, body: { reason, message, violations, facts } };
  }
  if (error instanceof Fault) {
    return { http: FAULT_STATUS.http, body: { reason: 'UNAVAILABLE', message: 'Try again later.' } };
  }
  return { http: DEFECT_STATUS.http, body: { reason: 'INTERNAL', message: 'Internal error; see the log.' } };
}

function sendReady(health: Health, response: ServerResponse): void {
  const problems = health.problems();
  sendJson(response, problems.length === 0 ? 200 : 503, {
    status: problems.length === 0 ? 'ready' : 'not ready',
    problems,
  });
}

function sendJson(response: ServerResponse, http: number, body: object): void {
  response.writeHead(http, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}
