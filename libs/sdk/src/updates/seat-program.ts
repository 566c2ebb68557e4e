import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { CallError, CODE } from '../call-error.js';

/*
 * The agent program beside the application: commands as JSON lines to its standard input, what happens as JSON lines from its standard output.
 * It is a group of its own, because it stops and starts the very application that talks to it. Waiting for an answer holds this
 * process, nothing else does.
 */

export type Said = Readonly<Record<string, unknown>>;

export interface SeatProgram {
  /** Resolves with the answer, rejects with a CallError. */
  ask(command: Said): Promise<Said>;
  /** Resolves when the program has ended, or goes on with an install by itself. */
  close(): Promise<void>;
  readonly isOpen: boolean;
}

type SeatChild = ChildProcessByStdio<Writable, Readable, null>;

interface Waiting {
  resolve(answer: Said): void;
  reject(error: CallError): void;
}

const CODES: Readonly<Record<string, number>> = {
  invalid: CODE.invalidArgument,
  'not-found': CODE.notFound,
  conflict: CODE.aborted,
  'not-reachable': CODE.unavailable,
  refused: CODE.failedPrecondition,
};

/** Node and the file of the agent that set the seat up, from its `seat.json`. Throws a CallError. */
export function findProgram(folder: string): readonly string[] {
  try {
    const { program } = JSON.parse(readFileSync(join(folder, 'seat.json'), 'utf8')) as { program?: unknown };
    if (Array.isArray(program) && program.length > 0 && program.every((part) => typeof part === 'string'))
      return program;
  } catch (cause) {
    const message = `${folder || 'the seat'} is no single seat: make it one with "lastcall-agent seat init", and name it (LASTCALL_SEAT)`;
    throw new CallError(CODE.notFound, message, { reason: 'NO_SEAT' }, { cause });
  }
  throw new CallError(CODE.failedPrecondition, `${folder}/seat.json names no program`, { reason: 'NO_SEAT' });
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
  const waiting = new Map<number, Waiting>();
  let isOpen = true;
  let next = 1;
  const hold = (): void => (waiting.size > 0 ? ref(child) : unref(child));
  const onLine = (said: Said): void => {
    const asked = typeof said['to'] === 'number' ? waiting.get(said['to']) : undefined;
    if (!asked) return onSaid(said);
    waiting.delete(said['to'] as number);
    hold();
    if (said['said'] === 'answer') asked.resolve(said);
    else asked.reject(refusal(said));
  };
  followLines(child.stdout, onLine);
  const ended = new Promise<void>((resolve) => {
    const end = (why: string): void => {
      isOpen = false;
      const error = new CallError(CODE.unavailable, why, { reason: 'PROGRAM_ENDED' });
      for (const asked of waiting.values()) asked.reject(error);
      waiting.clear();
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
    ask: (command_) =>
      new Promise((resolve, reject) => {
        const id = next++;
        waiting.set(id, { resolve, reject });
        hold();
        child.stdin.write(`${JSON.stringify({ id, ...command_ })}\n`);
      }),
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

function followLines(stream: NodeJS.ReadableStream, onLine: (said: Said) => void): void {
  let rest = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const said of lines.map(parseLine)) if (said) onLine(said);
  });
}

/** Undefined for a line for people, or one that was cut off: an application must not end by it. */
function parseLine(line: string): Said | undefined {
  try {
    const said: unknown = JSON.parse(line);
    return typeof said === 'object' && said !== null ? (said as Said) : undefined;
  } catch {
    return undefined;
  }
}

function refusal(said: Said): CallError {
  const text = (key: string): string => (typeof said[key] === 'string' ? said[key] : '');
  return new CallError(CODES[text('kind')] ?? CODE.unknown, text('message'), { reason: text('reason') });
}
