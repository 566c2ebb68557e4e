import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { CallError, CODE } from '../call-error.js';
import { createConversation, followLines, type Said, type SeatProgram } from './conversation.js';

/*
 * The agent program beside the application: commands as JSON lines to its standard input, what happens as JSON lines from its standard output.
 * It is a group of its own, because it stops and starts the very application that talks to it. Waiting for an answer holds this
 * process, nothing else does.
 */

type SeatChild = ChildProcessByStdio<Writable, Readable, null>;

const seatFile = (folder: string): string => join(folder, 'seat.json');

/** Whether this is a single seat, which has no agent that runs all the time. */
export function isSingleSeat(folder: string): boolean {
  return existsSync(seatFile(folder));
}

/** Node and the file of the agent that set the seat up, from its `seat.json`. Throws a CallError. */
export function findProgram(folder: string): readonly string[] {
  const file = seatFile(folder);
  try {
    const { program } = JSON.parse(readFileSync(file, 'utf8')) as { program?: unknown };
    if (Array.isArray(program) && program.length > 0 && program.every((part) => typeof part === 'string'))
      return program;
  } catch (cause) {
    const message = `${file} cannot be read; make the seat anew with "lastcall-agent seat init"`;
    throw new CallError(CODE.failedPrecondition, message, { reason: 'NO_SEAT' }, { cause });
  }
  throw new CallError(CODE.failedPrecondition, `${file} names no program`, { reason: 'NO_SEAT' });
}

/** Starts the program. `onSaid` hears states and progress, in order. */
export function startSeatProgram(
  [command = '', ...args]: readonly string[],
  folder: string,
  onSaid: (said: Said) => void,
): SeatProgram {
  const child: SeatChild = spawn(command, [...args, 'seat', 'drive', '--data', folder], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
    windowsHide: true,
    // The mark of the command that started this application: whoever bears it is ended when that command is repeated.
    env: { ...process.env, LASTCALL_COMMAND: undefined },
  });
  let isOpen = true;
  const conversation = createConversation({
    write: (line) => void child.stdin.write(line),
    hold: (isAsked) => (isAsked ? ref(child) : unref(child)),
    onSaid,
  });
  followLines(child.stdout, conversation.hear);
  const ended = new Promise<void>((resolve) => {
    const end = (why: string): void => {
      isOpen = false;
      conversation.end(new CallError(CODE.unavailable, why, { reason: 'PROGRAM_ENDED' }));
      resolve();
    };
    child.once('error', (error) => end(`the agent program could not be started: ${error.message}`));
    child.once('close', (code) => end(`the agent program ended (${code ?? 'killed'}); what it did is kept`));
  });
  // It may be gone when something is written to it; `close` says so.
  child.stdin.on('error', () => undefined);
  unref(child);
  return {
    get isOpen() {
      return isOpen;
    },
    ask: conversation.ask,
    close: async () => {
      if (!isOpen) return;
      ref(child);
      child.stdin.end();
      await ended;
    },
  };
}

/** Handles of the child keep a process running; they are told whether to. */
function ref(child: SeatChild): void {
  child.ref();
  for (const pipe of pipesOf(child)) pipe.ref();
}

function unref(child: SeatChild): void {
  child.unref();
  for (const pipe of pipesOf(child)) pipe.unref();
}

/** Pipes of a child are sockets, which its types do not say. */
function pipesOf({ stdin, stdout }: SeatChild): readonly Socket[] {
  return [stdin, stdout] as unknown as readonly Socket[];
}
