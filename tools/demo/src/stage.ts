import { startChild, type Child } from '@lastcall/testkit';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/*
 * Where the demo plays: a temporary folder, the programs that run in it, and the way back to nothing.
 */

const ROOT = resolve(__dirname, '../../..');
const PROGRAMS = {
  lastcall: join(ROOT, 'services/cli/bin/lastcall.js'),
  'lastcall-agent': join(ROOT, 'services/agent/bin/lastcall-agent.js'),
} as const;

export type Program = keyof typeof PROGRAMS;
export type Environment = Readonly<Record<string, string>>;

/** What a command said and how it ended. */
export interface Finished {
  readonly code: number | null;
  readonly lines: readonly string[];
}

export interface Stage {
  readonly dir: string;
  /** Prints a heading. */
  act(title: string): void;
  say(text: string): void;
  /** Shows the command as a person would type it, runs it, shows its answer. Throws when it ends with another code. */
  type(program: Program, args: readonly string[], options?: TypeOptions): Promise<Finished>;
  /** Runs it without showing it. */
  run(program: Program, args: readonly string[], options?: TypeOptions): Promise<Finished>;
  /** Starts a program that goes on. */
  start(program: Program, args: readonly string[], env?: Environment): Child;
  startNode(file: string, args: readonly string[], env: Environment, cwd: string): Child;
  /** Something that is not a program and has to end as well. */
  onClear(end: () => Promise<void>): void;
  /** Ends every program, last one first, and forgets the folder. */
  clear(keepFolder: boolean): Promise<void>;
}

export interface TypeOptions {
  readonly expect?: readonly number[];
  readonly env?: Environment;
  /** Lines to show; default all. */
  readonly quiet?: boolean;
}

export function createStage(env: Environment): Stage {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-demo-'));
  const children: Child[] = [];
  const ends: (() => Promise<void>)[] = [];
  const began = Date.now();
  const node = process.execPath;
  const start = (file: string, args: readonly string[], more: Environment, cwd: string): Child => {
    const child = startChild(
      node,
      ['--disable-warning=ExperimentalWarning', file, ...args],
      { ...env, ...more },
      { cwd },
    );
    children.push(child);
    return child;
  };
  const run: Stage['run'] = async (program, args, { expect = [0], env: more = {} } = {}) => {
    const child = start(PROGRAMS[program], args, more, dir);
    const { code } = await child.exited;
    children.splice(children.indexOf(child), 1);
    if (code !== null && expect.includes(code)) return { code, lines: child.lines };
    throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${child.lines.join('\n')}`);
  };
  return {
    dir,
    act: (title) => console.log(`\n\u001b[1m── ${title} ── ${((Date.now() - began) / 1000).toFixed(0)} s\u001b[0m`),
    say: (text) => console.log(text),
    run,
    type: async (program, args, options = {}) => {
      console.log(`\u001b[36m$ ${program} ${args.map(quoted).join(' ')}\u001b[0m`);
      const finished = await run(program, args, options);
      if (!options.quiet) for (const line of finished.lines) console.log(`  ${line}`);
      return finished;
    },
    start: (program, args, more = {}) => start(PROGRAMS[program], args, more, dir),
    startNode: start,
    onClear: (end) => ends.push(end),
    clear: async (keepFolder) => {
      while (children.length > 0) await children.pop()?.stop(5_000);
      for (const end of ends) await end();
      if (!keepFolder) rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function quoted(argument: string): string {
  return /^[\w./:=@,+-]+$/.test(argument) ? argument : `'${argument}'`;
}
