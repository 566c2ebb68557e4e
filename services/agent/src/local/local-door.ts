import { agentSocket } from '@lastcall/sdk';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { MINUTE_MS } from '@lastcall/kernel';
import type { Layout } from '../layout.js';
import { messageOf, type Log } from '../log.js';
import { MAX_LINE, obeyLines, type Said } from '../seat/obey-lines.js';
import { createProgressLines } from '../seat/progress-lines.js';
import type { HostUpdates } from './host-updates.js';

/*
 * The one way to this agent from its own host: a socket in the folder `local/`, with the words of `seat drive`. Who may enter that folder may
 * ask, and nobody else: it is made for the agent's own user alone, and what an administrator then says of it stays. (The folder and not the
 * socket, because not every system asks for the permissions of a socket. unix(7))
 */

export interface LocalDoor {
  start(): void;
  stop(): Promise<void>;
}

export interface LocalDoorParts {
  readonly layout: Layout;
  readonly updates: HostUpdates;
  readonly log: Log;
}

const MAX_CONNECTIONS = 32;
/** Nothing comes and nothing is said. */
const IDLE_MS = 10 * MINUTE_MS;
/** One that does not read what it is told is let go. */
const MAX_QUEUED_BYTES = 1024 * 1024;

export function createLocalDoor({ layout, updates, log }: LocalDoorParts): LocalDoor {
  const path = agentSocket(layout.root);
  const inside = new Set<Socket>();
  const server = createServer((socket) => {
    inside.add(socket);
    socket.once('close', () => inside.delete(socket));
    serve(socket, updates).catch((error: unknown) =>
      log.warn('somebody on this host was not answered', { message: messageOf(error) }),
    );
  });
  server.maxConnections = MAX_CONNECTIONS;
  // Everything else works without it.
  const isShut = (error: unknown): void =>
    log.warn('nobody on this host can ask for its update', { path, message: messageOf(error) });
  server.on('error', isShut);
  return {
    start: () => {
      try {
        prepare(path);
        server.listen(path, () => open(path));
      } catch (error) {
        isShut(error);
      }
    },
    stop: () =>
      new Promise((resolve) => {
        for (const socket of inside) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** The lock of the data folder says that a socket that is there belongs to nobody any more. Pipes of Windows are no files. */
function prepare(path: string): void {
  if (process.platform === 'win32') return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
}

function open(path: string): void {
  if (process.platform !== 'win32') chmodSync(path, 0o666);
}

async function serve(socket: Socket, updates: HostUpdates): Promise<void> {
  let telling = Promise.resolve();
  let told = '';
  const say = (said: Said): void => {
    if (socket.writableLength > MAX_QUEUED_BYTES) socket.destroy();
    else if (socket.writable) socket.write(`${JSON.stringify(said)}\n`);
  };
  const tellState = async (again: boolean): Promise<void> => {
    const line = { said: 'state', ...(await updates.view()) };
    const text = JSON.stringify(line);
    if (!again && text === told) return;
    told = text;
    say(line);
  };
  const look = (again = false): Promise<void> => (telling = telling.then(() => tellState(again)));
  const progress = createProgressLines(say);
  const deafen = updates.listen({
    onState: () => {
      progress.end();
      void look();
    },
    onStep: progress.at,
  });
  // Not when the lines end: of a connection that is lost they never do.
  socket.once('close', () => {
    deafen();
    progress.end();
  });
  const obeying = obeyLines(socket, {
    say,
    told: () => look(),
    obey: async (command) => {
      if (command.do === 'look') await look(true);
      return updates.obey(command);
    },
  });
  // After the lines are read: what nobody reads yet is lost to whoever listens first.
  bound(socket);
  await Promise.all([look(), obeying]);
}

/** A line without an end, and a silent connection, are let go. */
function bound(socket: Socket): void {
  let length = 0;
  socket.on('error', () => socket.destroy());
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('data', (data: Buffer) => {
    const end = data.lastIndexOf(10);
    length = end < 0 ? length + data.length : data.length - end - 1;
    if (length > MAX_LINE) socket.destroy();
  });
}
