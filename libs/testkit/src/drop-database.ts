import { Fault } from '@lastcall/kernel';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/*
 * Takes the database and the users of a test away. Speaks MongoDB's protocol itself, because the client library belongs to the store: one command
 * (OP_MSG), one answer.
 */

const OP_MSG = 2013;
const HEADER_BYTES = 16;

export async function dropMongoDatabase(url: string, database: string): Promise<void> {
  const answer = await command(url, database, element(0x10, 'dropDatabase', int32(1)));
  // `ok` is a double: 1.0 is the only one that means it.
  if (!answer.includes(element(0x01, 'ok', double(1)))) {
    throw new Fault(`the database ${database} could not be dropped: ${answer.toString('latin1')}`);
  }
}

/** Those that are there. */
export async function dropMongoUsers(url: string, names: readonly string[]): Promise<void> {
  for (const name of names) await command(url, 'admin', element(0x02, 'dropUser', text(name)));
}

async function command(url: string, database: string, asked: Buffer): Promise<Buffer> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port || 27017), hostname);
  try {
    await once(socket, 'connect');
    socket.write(message(document(asked, element(0x02, '$db', text(database)))));
    return await readAnswer(socket);
  } finally {
    socket.destroy();
  }
}

function message(body: Buffer): Buffer {
  const rest = Buffer.concat([int32(1), int32(0), int32(OP_MSG), int32(0), Buffer.from([0]), body]);
  return Buffer.concat([int32(rest.length + 4), rest]);
}

async function readAnswer(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    if (bytes.length >= HEADER_BYTES && bytes.length >= bytes.readInt32LE(0)) return bytes;
  }
  throw new Fault('the server broke off');
}

/** BSON. */
function document(...elements: readonly Buffer[]): Buffer {
  const body = Buffer.concat([...elements, Buffer.from([0])]);
  return Buffer.concat([int32(body.length + 4), body]);
}

function element(type: number, name: string, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type]), Buffer.from(`${name}\0`), value]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(`${value}\0`);
  return Buffer.concat([int32(bytes.length), bytes]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}
