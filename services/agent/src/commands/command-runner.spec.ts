import { mkdtempSync, readFileSync, rmSync, statSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Interrupted } from '../step-failure.js';
import { OUTPUT_TAIL_BYTES, runCommand, type CommandRequest } from './command-runner.js';
import { endLeftOvers, MARK } from './left-over.js';

describe('a command', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'lastcall-command-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const request = (run: string[], more: Partial<CommandRequest> = {}): CommandRequest => ({
    run,
    timeoutMs: 10_000,
    cwd: dir,
    env: { PATH: process.env['PATH'] ?? '' },
    logFile: join(dir, 'out.log'),
    signal: new AbortController().signal,
    graceMs: 200,
    ...more,
  });
  const node = (script: string, more: Partial<CommandRequest> = {}) =>
    runCommand(request([process.execPath, '-e', script], more));
  const isAlive = (pid: number): boolean => {
    try {
      // A process that has ended and that nobody has waited for yet is no longer alive.
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  };
  const pidIn = (file: string): number => Number(readFileSync(join(dir, file), 'utf8'));

  it('is an argument list: nothing in it is for a shell', async () => {
    const outcome = await node('console.log(JSON.stringify(process.argv.slice(1)))', {
      run: [
        process.execPath,
        '-e',
        'console.log(JSON.stringify(process.argv.slice(1)))',
        '$(touch x)',
        'a b; touch y',
        '*',
      ],
    });
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0, output: '["$(touch x)","a b; touch y","*"]' });
    expect([existsSync(join(dir, 'x')), existsSync(join(dir, 'y'))]).toEqual([false, false]);
  });

  it('has its exit code and both its outputs', async () => {
    const outcome = await node('console.log("out"); console.error("err"); process.exit(7)');
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 7, output: 'out\nerr' });
  });

  it('is told apart when it is killed, and when it cannot be started', async () => {
    expect(await node('process.kill(process.pid, "SIGKILL")')).toMatchObject({ kind: 'killed', signal: 'SIGKILL' });
    expect(await runCommand(request(['no-such-program']))).toMatchObject({ kind: 'not-started' });
    expect(await runCommand(request([join(dir, 'nothing')]))).toMatchObject({ kind: 'not-started' });
  });

  it('is ended with everything that it started when its time is up, however deaf it is', async () => {
    const deaf = `
      process.on('SIGTERM', () => undefined);
      const child = require('node:child_process').spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)']);
      require('node:fs').writeFileSync('pids', String(child.pid));
      console.log('hanging');
      setInterval(() => undefined, 1000);`;
    const outcome = await node(deaf, { timeoutMs: 3_000 });
    expect(outcome).toMatchObject({ kind: 'timed-out', output: 'hanging' });
    expect(isAlive(pidIn('pids'))).toBe(false);
  });

  it('may end by itself when it is asked to', async () => {
    const polite =
      'process.on("SIGTERM", () => { console.log("bye"); process.exit(0); }); setInterval(() => undefined, 1000);';
    expect(await node(polite, { timeoutMs: 2_000, graceMs: 5_000 })).toMatchObject({
      kind: 'timed-out',
      output: 'bye',
    });
  });

  it('may leave a program running that holds its output open', async () => {
    const daemon = `
      const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => console.log("tick"), 50)'], { detached: true, stdio: 'inherit' });
      child.unref();
      require('node:fs').writeFileSync('pids', String(child.pid));
      console.log('started');`;
    const outcome = await node(daemon, { timeoutMs: 8_000, env: { PATH: '', [MARK]: 'o-1/start' } });
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    expect(outcome.durationMs).toBeLessThan(5_000);
    expect(isAlive(pidIn('pids'))).toBe(true);
    // What an agent does that finds the step unfinished after a crash.
    expect(await endLeftOvers('o-1/start')).toBe(1);
    expect(isAlive(pidIn('pids'))).toBe(false);
    expect(await endLeftOvers('o-1/start')).toBe(0);
  });

  it('may write without end: what is kept is the end of it', async () => {
    const flood =
      'const s = "x".repeat(65535) + "\\n"; for (let i = 0; i < 320; i++) require("node:fs").writeSync(1, s); console.log("the end")';
    const outcome = await node(flood, { maxLogBytes: 256 * 1024 });
    expect(outcome.kind).toBe('exited');
    expect(outcome.output.endsWith('the end')).toBe(true);
    expect(Buffer.byteLength(outcome.output)).toBeLessThanOrEqual(OUTPUT_TAIL_BYTES);
    const endless = 'const s = "x".repeat(65535); for (;;) require("node:fs").writeSync(1, s);';
    expect(
      (await node(endless, { timeoutMs: 1_000, maxLogBytes: 256 * 1024, logFile: join(dir, 'endless.log') })).kind,
    ).toBe('timed-out');
    // Bounded by what can be written between two looks, not by the time it ran.
    expect(statSync(join(dir, 'endless.log')).size).toBeLessThan(2_000_000_000);
  });

  it('does not carry terminal controls into reports', async () => {
    expect((await node('console.log("\\u001b[31mred\\u001b[0m\\u0007")')).output).toBe('red');
  });

  it('is ended when the agent stops', async () => {
    const stop = new AbortController();
    const running = node(
      'require("node:fs").writeFileSync("pids", String(process.pid)); setInterval(() => undefined, 1000)',
      {
        signal: stop.signal,
      },
    );
    const seen = new Promise<void>((resolve) => {
      const look = (): void => void (existsSync(join(dir, 'pids')) ? resolve() : setImmediate(look));
      look();
    });
    await seen;
    stop.abort();
    await expect(running).rejects.toThrow(Interrupted);
    expect(isAlive(pidIn('pids'))).toBe(false);
  });
});
