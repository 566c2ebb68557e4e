import { spawn } from 'node:child_process';
import { openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { VERSION } from '../release.js';

/*
 * Starting and stopping the server's process. Its id stands in a file of the data folder; a process of that id is only
 * taken for ours when it runs this program.
 */

const STEP_MS = 50;

function pidFile(dataDir: string): string {
  return join(dataDir, 'encore.pid');
}

function runningPid(dataDir: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile(dataDir), 'utf8'));
    process.kill(pid, 0);
    const command = process.platform === 'linux' ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : 'encore.js';
    return command.includes('encore.js') ? pid : undefined;
  } catch {
    // No file, or no such process: it is not running.
    return undefined;
  }
}

async function ask(port: number, path: string): Promise<{ status: number; body: Record<string, unknown> } | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2_000) });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  } catch {
    // Nobody listens there (yet).
    return undefined;
  }
}

export async function start(dataDir: string, port: number): Promise<void> {
  if ((await ask(port, '/alive'))?.body['version'] === VERSION) return;
  await stop(dataDir);
  const log = openSync(join(dataDir, 'encore.log'), 'a');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', __filename, 'serve'], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  child.unref();
  writeFileSync(pidFile(dataDir), String(child.pid));
  for (let waited = 0; waited < 20_000; waited += STEP_MS) {
    if ((await ask(port, '/alive'))?.body['version'] === VERSION) return;
    if (child.exitCode !== null) throw new Error(`the server ended at once; see ${join(dataDir, 'encore.log')}`);
    await delay(STEP_MS);
  }
  throw new Error('the server did not get ready within 20 s');
}

export async function stop(dataDir: string): Promise<void> {
  const pid = runningPid(dataDir);
  if (pid !== undefined) {
    process.kill(pid, 'SIGTERM');
    for (let waited = 0; runningPid(dataDir) !== undefined && waited < 10_000; waited += STEP_MS) await delay(STEP_MS);
    if (runningPid(dataDir) !== undefined) process.kill(pid, 'SIGKILL');
  }
  rmSync(pidFile(dataDir), { force: true });
}

export async function health(port: number): Promise<void> {
  const answer = await ask(port, '/health');
  if (answer?.status === 200 && answer.body['version'] === VERSION) return;
  throw new Error(answer ? `not healthy: ${JSON.stringify(answer.body)}` : 'the server does not answer');
}
