import { startNode } from '@lastcall/bench';
import type { Child } from '@lastcall/testkit';
import { createInterface } from 'node:readline';

/*
 * The parts of a load test are programs of their own, which are asked by lines of JSON on stdin and answer each with one line on stdout.
 */

/** Questions of a program by name, each with its answer; both plain JSON. */
export type Questions = Readonly<Record<string, (question: never) => unknown>>;

type QuestionOf<Q extends Questions, K extends keyof Q> = Parameters<Q[K]>[0];
type AnswerOf<Q extends Questions, K extends keyof Q> = Awaited<ReturnType<Q[K]>>;

interface Line {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}

/** The side that answers. Questions may overlap. */
export function answerQuestions(answers: Questions): void {
  createInterface({ input: process.stdin })
    .on('line', (line) => void answerOne(answers, line))
    // Whoever asked is gone.
    .on('close', () => process.exit(0));
}

async function answerOne(answers: Questions, line: string): Promise<void> {
  const { id, name, question } = JSON.parse(line) as { id: number; name: string; question: never };
  const say = (what: Omit<Line, 'id'>): void => console.log(JSON.stringify({ id, ...what }));
  try {
    const answer = answers[name];
    if (!answer) throw new Error(`nobody answers ${name} here`);
    say({ answer: (await answer(question)) ?? null });
  } catch (error) {
    say({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

export interface Program<Q extends Questions> {
  readonly pid: number;
  ask<K extends keyof Q & string>(name: K, question: QuestionOf<Q, K>, timeoutMs?: number): Promise<AnswerOf<Q, K>>;
  stop(): Promise<unknown>;
}

const PATIENCE_MS = 90_000;

/** Starts one; `under` are words before it, such as `taskset -c 1`. */
export function startProgram<Q extends Questions>(file: string, under: readonly string[]): Program<Q> {
  return programOf(startNode([file], {}, under));
}

function programOf<Q extends Questions>(child: Child): Program<Q> {
  let asked = 0;
  return {
    pid: child.pid,
    ask: async (name, question, timeoutMs = PATIENCE_MS) => {
      const id = ++asked;
      child.write(`${JSON.stringify({ id, name, question })}\n`);
      const { input } = await child.until(new RegExp(`^\\{"id":${id},`), timeoutMs);
      const { answer, error } = JSON.parse(input) as Line;
      if (error !== undefined) throw new Error(`${name}: ${error}`);
      return answer as never;
    },
    stop: () => child.stop(),
  };
}
