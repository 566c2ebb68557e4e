import { Writable } from 'node:stream';
import type { Environment } from '@lastcall/sdk';
import type { Io } from '../io.js';

/* The world of a command under test: no terminal, everything that was written kept. */

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

export interface TestIo extends Io {
  readonly out: Screen;
  readonly err: Screen;
  /** Tells a command that runs until it is told to stop. */
  stop(): void;
}

export function createTestIo(env: Environment): TestIo {
  let stop = (): void => {};
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  return {
    env,
    out: new Screen(),
    err: new Screen(),
    isTerminal: false,
    columns: () => 100,
    stopped: () => stopped,
    stop: () => stop(),
  };
}
