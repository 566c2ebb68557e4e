import { commonV1, sessionV1, type schedulerV1 } from '@lastcall/contracts';
import { createTempFolder, type TempFolder } from '@lastcall/testkit';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LASTCALL, startProgram } from './world/lastcall-processes.js';
import { PARENT } from './world/services.js';
import { eventsOf } from './world/remains.js';
import { writeTinyRelease } from './world/tiny-product.js';
import { createWorld, until, type World } from './world/world.js';

/*
 * An action of the installed release, from what an operator types to the report: real services, a real agent, a user who notices nothing.
 */

const { RunOutcome } = commonV1;
const HOSTS = [
  { id: 'srv', role: 'server' },
  { id: 'ts', role: 'terminal-server' },
] as const;

describe('a job that runs a command', () => {
  let folder: TempFolder;
  let world: World;
  beforeAll(async () => {
    folder = await createTempFolder('run-command');
    world = await createWorld({
      ...{ pair: 'embedded', hosts: HOSTS, users: 1 },
      firstRelease: async (run) => {
        const release = await writeTinyRelease(folder.path, { version: '1.0.0', action: true });
        await run(LASTCALL, ['release', 'publish', release]);
      },
    });
  }, 60_000);
  afterAll(async () => {
    await world.stop();
    await folder.remove();
  }, 60_000);

  async function lastcall(
    ...args: readonly string[]
  ): Promise<{ readonly code: number | null; readonly text: string }> {
    const { grpcAddress: LASTCALL_ADDR, operatorTokenFile: LASTCALL_TOKEN_FILE } = world.lastcall;
    const child = startProgram(LASTCALL, args, { LASTCALL_ADDR, LASTCALL_TOKEN_FILE });
    const { code } = await child.exited;
    return { code, text: child.lines.join('\n') };
  }
  async function done(...args: readonly string[]): Promise<string> {
    const { code, text } = await lastcall(...args);
    if (code !== 0) throw new Error(text);
    return text;
  }
  async function started(job: string): Promise<string> {
    return `${PARENT}/runs/${(await done('job', 'start', job)).trim().split('\n').at(-1) ?? ''}`;
  }
  async function ended(name: string): Promise<schedulerV1.Run> {
    let found: schedulerV1.Run | undefined;
    await until(async () => {
      found = (await world.services.scheduler.getRun({ name })).run;
      return found?.finishTime !== undefined;
    }, 'the end of the run');
    return found as schedulerV1.Run;
  }
  async function timesRun(): Promise<number> {
    const calls = await readFile(join(world.dirOf('srv'), 'data', 'commands.log'), 'utf8');
    return calls.split('\n').filter((call) => call === '1.0.0 reindex').length;
  }

  it('runs what the vendor has signed, once, and says on which host and what came out', async () => {
    const before = world.users.map(({ log }) => log.length);
    const create = ['job', 'create', 'reindex', '--type', 'run-command', '--command', 'reindex', '--on', 'srv'];
    const shown = await done(...create, '--in', '2h', '--enable');
    expect(shown).toMatch(/Command +reindex\n/);
    expect(shown).toMatch(/On +srv\n/);
    const tried = await done('job', 'start', 'reindex', '--dry-run');
    expect(tried).toMatch(/passed +hosts +hosts that are known +srv\n/);
    expect(tried).not.toContain('preflight');
    const run = await ended(await started('reindex'));
    expect(run).toMatchObject({
      ...{ outcome: RunOutcome.SUCCEEDED, alarm: false },
      spec: { command: 'reindex', fromVersion: '1.0.0', toVersion: '', hosts: [{ host: 'srv' }] },
    });
    expect(eventsOf(run).filter((event) => event !== 'HostOrderProgressed')).toEqual([
      ...['RunStarted', 'PreflightPassed', 'CommandsStarted', 'CommandsRun'],
    ]);
    expect(await timesRun()).toBe(1);
    const report = await done('run', 'report');
    expect(report).toMatch(/reindex of tiny 1\.0\.0 on testing/);
    expect(report).toMatch(/srv +ended well/);
    expect(report).toContain('It wrote on srv:\n  index of 1.0.0\n');
    expect((await world.gate()).state).toBe(sessionV1.GateState.OPEN);
    expect(world.users.map(({ log }) => log.length)).toEqual(before);
  }, 60_000);

  it('fails with the host and the end of what it wrote', async () => {
    await world.trouble('reindex', 'fails-once');
    const { outcome, failure } = await ended(await started('reindex'));
    expect(outcome).toBe(RunOutcome.FAILED);
    expect(failure).toMatchObject({ reason: 'COMMAND_FAILED', host: 'srv', facts: { exit_code: '3' } });
    expect(failure?.message).toContain('it wrote: reindex fails as it was told');
  }, 60_000);

  it('cannot be cancelled once it runs, and is not run again after its agent was killed', async () => {
    const before = await timesRun();
    await world.trouble('reindex', 'hangs');
    const name = await started('reindex');
    await until(async () => (await timesRun()) === before + 1, 'the command to run');
    const cancelled = await lastcall('run', 'cancel', name.split('/').at(-1) ?? '', '--reason', 'Too long.');
    expect(cancelled).toMatchObject({ code: 3, text: expect.stringContaining('too late to cancel') as string });
    await world.killAndRestartAgent('srv');
    const { outcome, failure } = await ended(name);
    expect([outcome, failure?.reason]).toEqual([RunOutcome.FAILED, 'COMMAND_INTERRUPTED']);
    await world.trouble('reindex', 'none');
    expect(await timesRun()).toBe(before + 1);
  }, 60_000);

  it.each([
    ['an action that the release does not have', ['--command', 'format'], 'its actions are: reindex'],
    ['hosts of another role', ['--command', 'reindex', '--on', 'ts'], 'ts is a terminal-server'],
    ['hosts that are none', ['--command', 'reindex', '--on', 'ts9'], 'ts9 is no host'],
  ])('is not enabled for %s', async (_, options, text) => {
    const refused = await lastcall(
      ...['job', 'create', `wrong-${options.join('')}`.replace(/-{2,}/g, '-'), '--type', 'run-command'],
      ...['--in', '2h', '--enable', ...options],
    );
    expect(refused.code).toBeGreaterThan(1);
    expect(refused.text).toContain(text);
  });
});
