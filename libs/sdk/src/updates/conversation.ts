import { CallError, CODE } from '../call-error.js';

/*
 * JSON lines with an agent: commands with a number, answers that name it, and in between what happens by itself.
 */

export type Said = Readonly<Record<string, unknown>>;

/** An agent that can be asked. */
export interface SeatProgram {
  /** Resolves with the answer, rejects with a CallError. */
  readonly ask: (command: Said) => Promise<Said>;
  /** Resolves when nothing is heard any more; what was begun goes on by itself. */
  close(): Promise<void>;
  readonly isOpen: boolean;
}

export interface ConversationOptions {
  readonly write: (line: string) => void;
  /** Whether somebody waits for an answer, which holds this process. */
  readonly hold: (isAsked: boolean) => void;
  /** Hears states and progress, in order. */
  readonly onSaid: (said: Said) => void;
}

export interface Conversation {
  readonly ask: SeatProgram['ask'];
  readonly hear: (said: Said) => void;
  /** Nobody answers any more. */
  end(why: CallError): void;
}

interface Waiting {
  resolve(answer: Said): void;
  reject(error: CallError): void;
}

export function createConversation({ write, hold, onSaid }: ConversationOptions): Conversation {
  const waiting = new Map<number, Waiting>();
  let next = 1;
  let over: CallError | undefined;
  return {
    ask: (command) =>
      new Promise((resolve, reject) => {
        if (over) return reject(over);
        const id = next++;
        waiting.set(id, { resolve, reject });
        hold(true);
        write(`${JSON.stringify({ id, ...command })}\n`);
      }),
    hear: (said) => {
      const asked = typeof said['to'] === 'number' ? waiting.get(said['to']) : undefined;
      if (!asked) return onSaid(said);
      waiting.delete(said['to'] as number);
      hold(waiting.size > 0);
      if (said['said'] === 'answer') asked.resolve(said);
      else asked.reject(refusal(said));
    },
    end: (why) => {
      over = why;
      for (const asked of waiting.values()) asked.reject(why);
      waiting.clear();
    },
  };
}

export function followLines(stream: NodeJS.ReadableStream, onLine: (said: Said) => void): void {
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

const CODES: Readonly<Record<string, number>> = {
  invalid: CODE.invalidArgument,
  'not-found': CODE.notFound,
  conflict: CODE.aborted,
  'not-reachable': CODE.unavailable,
  refused: CODE.failedPrecondition,
};

function refusal(said: Said): CallError {
  const text = (key: string): string => (typeof said[key] === 'string' ? said[key] : '');
  return new CallError(CODES[text('kind')] ?? CODE.unknown, text('message'), { reason: text('reason') });
}
