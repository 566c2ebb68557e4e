import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { HAS_WAITING_LIST, SCHEMA, SEAT_MAPS, VERSION } from '../release.js';
import * as data from './database.js';

/*
 * Encore's server: an HTTP API of JSON on the loopback interface.
 */

interface Answer {
  readonly status: number;
  readonly body: unknown;
}
type Fields = Readonly<Record<string, string>>;
type Route = (database: DatabaseSync, fields: Fields) => Answer;

const MAX_BODY_BYTES = 64 * 1024;

const ROUTES: Readonly<Record<string, Route>> = {
  'GET /alive': () => ({ status: 200, body: { version: VERSION } }),
  'GET /health': (database) => health(database),
  'GET /bookings': (database) => ({ status: 200, body: data.bookings(database) }),
  'POST /bookings': (database, f) => {
    const booking = {
      event: f['event'] ?? '',
      seat: f['seat'] ?? '',
      customer: f['customer'] ?? '',
      bookedBy: f['user'] ?? '',
    };
    const lacking = Object.entries(booking).filter(([, value]) => value === '');
    if (lacking.length > 0)
      return { status: 400, body: { problem: `missing: ${lacking.map(([key]) => key).join(', ')}` } };
    if (data.book(database, booking)) return { status: 201, body: booking };
    return { status: 409, body: { problem: `seat ${booking.seat} of ${booking.event} is taken` } };
  },
  'GET /drafts': (database) => ({ status: 200, body: data.drafts(database) }),
  'POST /drafts': (database, f) => {
    data.saveDraft(database, f['user'] ?? '', f['text'] ?? '');
    return { status: 201, body: {} };
  },
  ...(HAS_WAITING_LIST
    ? {
        'GET /waiting': (database: DatabaseSync) => ({ status: 200, body: data.waitingList(database) }),
        'POST /waiting': (database: DatabaseSync, f: Fields) => {
          data.addToWaitingList(database, f['event'] ?? '', f['customer'] ?? '');
          return { status: 201, body: {} };
        },
      }
    : {}),
};

/** Whether everything is there that users need. */
function health(database: DatabaseSync): Answer {
  const schema = data.schemaOf(database);
  if (schema !== SCHEMA) return { status: 503, body: { problem: `the data is of schema ${schema}, not ${SCHEMA}` } };
  if (!existsSync(join(__dirname, SEAT_MAPS))) return { status: 503, body: { problem: `${SEAT_MAPS} is missing` } };
  return { status: 200, body: { version: VERSION, schema } };
}

async function readFields(request: IncomingMessage): Promise<Fields> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error('the request is too large');
    chunks.push(chunk);
  }
  if (size === 0) return {};
  const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  if (typeof parsed !== 'object' || parsed === null) return {};
  return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, String(value)]));
}

async function answer(database: DatabaseSync, request: IncomingMessage): Promise<Answer> {
  const route = ROUTES[`${request.method} ${request.url}`];
  if (!route) return { status: 404, body: { problem: `there is no ${request.method} ${request.url} in ${VERSION}` } };
  try {
    return route(database, await readFields(request));
  } catch (error) {
    return { status: 400, body: { problem: error instanceof Error ? error.message : String(error) } };
  }
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export function serve(dataDir: string, port: number): void {
  const database = data.openDatabase(dataDir);
  const server = createServer((request, response) => void answer(database, request).then((a) => send(response, a)));
  server.listen(port, '127.0.0.1', () => console.log(`Encore ${VERSION} on port ${port}`));
  process.on('SIGTERM', () => {
    server.close(() => {
      database.close();
      process.exit(0);
    });
    server.closeIdleConnections();
  });
}
