import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPlatform } from '../platform/platform.js';
import type { RunTool } from '../platform/port.js';
import { createOldProcesses } from './old-processes.js';

/** Real programs, started from a folder of versions and from elsewhere. */
describe('processes that a stop command left running', () => {
  const root = mkdtempSync(join(tmpdir(), 'lastcall-old-'));
  const versionsDir = join(root, 'versions');
  const app = join(versionsDir, '1.0.0');
  const started: ChildProcess[] = [];
  beforeAll(() => {
    mkdirSync(app, { recursive: true });
    writeFileSync(join(app, 'main.js'), 'setInterval(() => undefined, 1_000); console.log("up");');
    writeFileSync(join(app, 'data.txt'), 'x');
  });
  afterEach(() => started.splice(0).forEach((child) => child.kill('SIGKILL')));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const { signal } = new AbortController();
  const end = (graceMs = 200) => createOldProcesses({ versionsDir, graceMs, platform: createPlatform() }).end(signal);

  /** Resolves when it has written its first line. */
  async function start(
    program: string,
    args: string[],
    cwd = root,
  ): Promise<ChildProcess & { ended: Promise<unknown> }> {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'ignore'] });
    started.push(child);
    const ended = new Promise((resolve) => child.once('exit', (code, by) => resolve(by ?? code)));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    return Object.assign(child, { ended });
  }

  const loop = 'setInterval(() => undefined, 1_000); console.log("up")';

  it('are none when there are none', async () => expect(await end()).toEqual([]));

  it('are found by their script, asked, and end', async () => {
    const child = await start(process.execPath, ['main.js'], app);
    expect(await end(5_000)).toMatchObject([
      { pid: child.pid, foundBy: `script ${join(app, 'main.js')}`, ended: 'asked' },
    ]);
    expect(await child.ended).toBe('SIGTERM');
  });

  it('are found by their executable', async () => {
    const own = join(app, 'own-node');
    copyFileSync(process.execPath, own);
    const child = await start(own, ['-e', loop]);
    expect(await end(5_000)).toMatchObject([{ pid: child.pid, foundBy: `executable ${own}`, ended: 'asked' }]);
    rmSync(own);
  });

  it('are found by a file that they have open', async () => {
    const open = `require('node:fs').openSync(${JSON.stringify(join(app, 'data.txt'))}); ${loop}`;
    const child = await start(process.execPath, ['-e', open]);
    expect(await end(5_000)).toMatchObject([{ pid: child.pid, foundBy: `open file ${join(app, 'data.txt')}` }]);
  });

  it('are ended when they do not listen, those that they start meanwhile too', async () => {
    const again = `process.on('SIGTERM', () => require('node:child_process').spawn(process.execPath, ['main.js'])); ${loop}`;
    writeFileSync(join(app, 'deaf.js'), again);
    const child = await start(process.execPath, ['deaf.js'], app);
    const ended = await end(300);
    expect(ended.find((p) => p.pid === child.pid)).toMatchObject({ ended: 'killed' });
    expect(ended.length).toBeGreaterThan(1);
    expect(await child.ended).toBe('SIGKILL');
    expect(await end()).toEqual([]);
  });

  it('are not those of others: a shell that only stands in the folder, a folder with a longer name, the agent itself', async () => {
    const other = `${versionsDir}-of-others`;
    mkdirSync(other);
    writeFileSync(join(other, 'main.js'), loop);
    const shell = await start('/bin/sh', ['-c', 'echo up; exec sleep 60'], app);
    const stranger = await start(process.execPath, ['main.js'], other);
    // This very process has a file of the version open, as an agent has that verifies it.
    const own = openSync(join(app, 'data.txt'), 'r');
    expect(await end()).toEqual([]);
    expect([shell.exitCode, shell.signalCode, stranger.exitCode, stranger.signalCode]).toEqual([
      null,
      null,
      null,
      null,
    ]);
    closeSync(own);
  });

  // Real programs; the list of them is in the words of the system, and this system says which of them are there.
  it.each(['darwin', 'win32'] as const)(
    'are found on %s by their executable alone, asked or ended, and leave others alone',
    async (system) => {
      const deaf = await start(process.execPath, ['-e', `process.on("SIGTERM", () => undefined); ${loop}`]);
      const obedient = await start(process.execPath, ['-e', loop]);
      const stranger = await start(process.execPath, ['-e', loop]);
      const inside = system === 'win32' ? join(app, 'Encore.EXE').toUpperCase() : join(app, 'My App');
      const paths = new Map([
        [deaf.pid ?? 0, inside],
        [obedient.pid ?? 0, inside],
        [stranger.pid ?? 0, join(root, 'versions-of-somebody', 'app')],
        // The agent may run from there.
        [process.pid, inside],
      ]);
      const isThere = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;
      const run: RunTool = async () => {
        const rows = [...paths].filter(([pid]) => started.every((child) => child.pid !== pid || isThere(child)));
        if (system === 'darwin') return rows.map(([pid, path]) => `${pid} 1 ${path}\n`).join('');
        return JSON.stringify(
          rows.map(([ProcessId, ExecutablePath]) => ({ ProcessId, ParentProcessId: 1, ExecutablePath })),
        );
      };
      const platform = createPlatform(system, run);
      const ended = await createOldProcesses({ versionsDir, graceMs: 600, platform }).end(signal);
      expect(ended).toEqual([
        { pid: deaf.pid, command: inside, foundBy: `executable ${inside}`, ended: 'killed' },
        { pid: obedient.pid, command: inside, foundBy: `executable ${inside}`, ended: 'asked' },
      ]);
      expect([await deaf.ended, await obedient.ended]).toEqual(['SIGKILL', 'SIGTERM']);
      expect(isThere(stranger)).toBe(true);
    },
  );
});
