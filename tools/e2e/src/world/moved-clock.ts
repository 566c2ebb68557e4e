import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/* The clock of this process's tests, or of a child's, so far ahead of the machine's (behind, if negative). Timers go on as they do. */

const RealDate = Date;

/** In this process: whatever asks for the time from now on. Zero puts it right again. */
export function moveClock(ms: number): void {
  if (ms === 0) {
    globalThis.Date = RealDate;
    return;
  }
  globalThis.Date = class extends RealDate {
    constructor(...args: [] | [string | number | Date]) {
      super(...((args.length === 0 ? [RealDate.now() + ms] : args) as [number]));
    }
    static override now(): number {
      return RealDate.now() + ms;
    }
  } as DateConstructor;
}

const PRELOAD = `
const RealDate = Date;
const ms = Number(process.env.LASTCALL_TEST_CLOCK_MS);
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RealDate.now() + ms] : args));
  }
  static now() {
    return RealDate.now() + ms;
  }
};
`;

/** Variables for a program of ours in a process of its own. Timers and the clocks of its servers stay as they are. */
export function movedClockOf(ms: number): Readonly<Record<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-clock-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'moved-clock.cjs');
  writeFileSync(file, PRELOAD);
  return { NODE_OPTIONS: `--require=${file}`, LASTCALL_TEST_CLOCK_MS: String(ms) };
}
