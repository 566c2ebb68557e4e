import { isRejected, RejectedError } from '@lastcall/kernel';
import { CallError, CODE } from '@lastcall/sdk';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { messageOf } from '../log.js';
import { Interrupted, StepFailure } from '../step-failure.js';

/*
 * Another program gives commands as JSON lines and is answered as JSON lines (README.md has them), each command once, by its `id`.
 */

export type Said = Readonly<Record<string, unknown>>;

export interface Command {
  readonly id?: unknown;
  readonly do?: unknown;
  readonly version?: unknown;
  readonly skipBackup?: unknown;
  readonly when?: unknown;
}

export interface Obeying {
  readonly obey: (command: Command) => Promise<Said>;
  /** Resolves when everything that was to be said before an answer has been said. */
  readonly told: () => Promise<void>;
  readonly say: (said: Said) => void;
}

export const MAX_LINE = 64 * 1024;
/** Commands that may wait for their answers at once. */
const MAX_WAITING = 64;

/** Resolves when the input has ended; answers may still be under way, `answered` waits for them. */
export async function obeyLines(input: Readable, { obey, told, say }: Obeying) {
  const answers = new Set<Promise<void>>();
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    if (line.trim() === '') continue;
    const isTooMany = answers.size >= MAX_WAITING;
    const answered = answer(isTooMany ? tooMany : obey, line)
      .then(async (said) => {
        // An answer comes after the states that it led to.
        await told();
        say(said);
      })
      .finally(() => answers.delete(answered));
    answers.add(answered);
  }
  return { answered: async () => void (await Promise.all(answers)) };
}

async function tooMany(): Promise<Said> {
  throw unusable(`${MAX_WAITING} commands wait for their answers already`);
}

async function answer(obey: Obeying['obey'], line: string): Promise<Said> {
  const command = parse(line);
  const to = typeof command?.id === 'number' || typeof command?.id === 'string' ? command.id : null;
  try {
    if (!command) throw unusable('the line is no JSON object');
    return { said: 'answer', to, ...(await obey(command)) };
  } catch (error) {
    return { said: 'refused', to, ...problemOf(error) };
  }
}

function parse(line: string): Command | undefined {
  try {
    const value: unknown = line.length > MAX_LINE ? undefined : JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined; // The answer says so.
  }
}

/** Of a command that has it as a text, or not at all. */
export function textOf(command: Command, field: 'version' | 'skipBackup'): string | undefined {
  const value = command[field];
  if (value === undefined || typeof value === 'string') return value;
  throw unusable(`"${field}" must be a text`);
}

class Unusable extends Error {}

export function unusable(message: string): Error {
  return new Unusable(message);
}

const KIND_OF_CALL: ReadonlyMap<number, string> = new Map([
  [CODE.unavailable, 'not-reachable'],
  [CODE.deadlineExceeded, 'not-reachable'],
  [CODE.failedPrecondition, 'refused'],
  [CODE.permissionDenied, 'refused'],
  [CODE.unauthenticated, 'refused'],
]);

/** `kind` says whose turn it is: `not-reachable` and `failed` may pass, the others are the caller's. */
function problemOf(error: unknown): Said {
  if (error instanceof RejectedError && isRejected(error.rejected)) {
    const { code, reason, message } = error.rejected;
    return { kind: code, reason, message };
  }
  if (error instanceof StepFailure) {
    const { reason, message } = error.failure;
    return { kind: reason === 'CATALOG_NOT_REACHABLE' ? 'not-reachable' : 'failed', reason, message };
  }
  if (error instanceof CallError) {
    const kind = KIND_OF_CALL.get(error.code) ?? 'failed';
    const reason = error.reason || (kind === 'not-reachable' ? 'SERVICES_NOT_REACHABLE' : 'SERVICES_FAILED');
    return { kind, reason, message: error.message };
  }
  if (error instanceof Interrupted) return { kind: 'failed', reason: 'INTERRUPTED', message: 'it was broken off' };
  if (error instanceof Unusable) return { kind: 'invalid', reason: 'INVALID_COMMAND', message: error.message };
  return { kind: 'failed', reason: 'AGENT_ERROR', message: messageOf(error) };
}
