import { createProgram, type Io } from '@lastcall/cli';
import type { Stack } from '@lastcall/testkit';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';

/* The command line against a stack, in this process: what it writes, and its exit code. */

export interface Answer {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

export interface CommandLine {
  run(...args: readonly string[]): Promise<Answer>;
  /** With `-o json`; fails when the command does. */
  json(...args: readonly string[]): Promise<unknown>;
  /** A command that runs until it is told to stop. */
  watch(...args: readonly string[]): WatchedCommand;
}

export interface WatchedCommand {
  /** Resolves when this part was written. */
  shows(part: string): Promise<void>;
  stop(): Promise<number>;
}

/** What a command wrote, and a way to wait for it. */
export class Screen extends Writable {
  text = '';
  private readonly waiting: (() => void)[] = [];

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    this.waiting.splice(0).forEach((wake) => wake());
    done();
  }

  async shows(part: string): Promise<void> {
    while (!this.text.includes(part)) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}

export function commandLineOn(stack: Stack): CommandLine {
  const tokenFile = join(stack.dataDir, 'command-line.token');
  writeFileSync(tokenFile, stack.token('operator', undefined, 'otto'));
  const env = { LASTCALL_ADDR: stack.grpcAddress, LASTCALL_CATALOG_URL: stack.httpUrl, LASTCALL_TOKEN_FILE: tokenFile };
  const worldOf = (stopped: Promise<void>): Io & { readonly out: Screen; readonly err: Screen } => {
    const [out, err] = [new Screen(), new Screen()];
    return { env, out, err, isTerminal: false, columns: () => 120, stopped: () => stopped };
  };
  const run: CommandLine['run'] = async (...args) => {
    const world = worldOf(new Promise<void>(() => undefined));
    const exitCode = await createProgram(world).run(args);
    return { exitCode, out: world.out.text, err: world.err.text };
  };
  return {
    run,
    json: async (...args) => {
      const { exitCode, out, err } = await run(...args, '-o', 'json');
      if (exitCode !== 0) throw new Error(err);
      return JSON.parse(out) as unknown;
    },
    watch: (...args) => {
      const stopped = Promise.withResolvers<void>();
      const world = worldOf(stopped.promise);
      const ended = createProgram(world).run(args);
      return {
        shows: (part) => world.out.shows(part),
        stop: () => {
          stopped.resolve();
          return ended;
        },
      };
    },
  };
}
