import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { CallError, CODE } from '../call-error.js';
import { createConversation, followLines, type Said, type SeatProgram } from './conversation.js';

/*
 * The agent of a host that follows an installation. It runs already, and whoever may enter the folder `local/` of its data folder may ask it.
 */

/** Where the agent with this data folder can be asked; on Windows a pipe, whose name says nothing of the folder. */
export function agentSocket(folder: string, system: NodeJS.Platform = process.platform): string {
  if (system !== 'win32') return join(folder, 'local', 'agent.sock');
  const name = createHash('sha256').update(resolve(folder).toLowerCase()).digest('hex').slice(0, 32);
  return `\\\\.\\pipe\\lastcall-agent-${name}`;
}

/** Connects. `onSaid` hears states and progress, in order; a connection that cannot be made is the answer to what is asked. */
export function connectToAgent(folder: string, onSaid: (said: Said) => void): SeatProgram {
  const socket = connect(agentSocket(folder));
  let isOpen = true;
  let failed: Error | undefined;
  const conversation = createConversation({
    write: (line) => void socket.write(line),
    hold: (isAsked) => (isAsked ? socket.ref() : socket.unref()),
    onSaid,
  });
  followLines(socket, conversation.hear);
  const ended = new Promise<void>((done) => {
    socket.once('error', (error) => {
      failed = error;
    });
    socket.once('close', () => {
      isOpen = false;
      conversation.end(problemOf(folder, failed));
      done();
    });
  });
  socket.unref();
  return {
    get isOpen() {
      return isOpen;
    },
    ask: conversation.ask,
    close: async () => {
      if (!isOpen) return;
      socket.ref();
      socket.end();
      await ended;
    },
  };
}

function problemOf(folder: string, error: (Error & { code?: string }) | undefined): CallError {
  const [code, message, reason] = whyNot(folder, error);
  return new CallError(code, message, { reason }, { cause: error });
}

function whyNot(folder: string, error: { readonly code?: string } | undefined): [number, string, string] {
  if (error?.code === 'EACCES' || error?.code === 'EPERM') {
    const message = `this user may not ask the agent in ${folder}; an administrator lets in whoever may enter its folder "local"`;
    return [CODE.permissionDenied, message, 'NOT_ALLOWED'];
  }
  if (!existsSync(join(folder, 'local'))) {
    const message = `${folder || 'the seat'} is the data folder of no agent: name it (LASTCALL_SEAT), or make a single seat with "lastcall-agent seat init"`;
    return [CODE.notFound, message, 'NO_SEAT'];
  }
  if (error === undefined)
    return [CODE.unavailable, 'the agent has ended; what it does goes on when it runs', 'AGENT_ENDED'];
  return [CODE.unavailable, `the agent in ${folder} does not run; start it, and it catches up`, 'AGENT_NOT_RUNNING'];
}
