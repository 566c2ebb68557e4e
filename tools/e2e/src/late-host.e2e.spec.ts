import { commonV1, sessionV1 } from '@lastcall/contracts';
import { openUpdates, type UpdateProgress, type Updates, type UpdateState } from '@lastcall/sdk';
import { execFile } from 'node:child_process';
import { chmod, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LASTCALL, startProgram } from './world/lastcall-processes.js';
import { openAttach, knock } from './world/raw-client.js';
import { PARENT } from './world/services.js';
import { createWorld, until, type World } from './world/world.js';

/*
 * Workstations that have another version than their installation: they catch up alone, are watched as the hosts of a run are, fall back when
 * they do not stay healthy, and can be brought to the version of their installation, and to no other, by whoever sits before them.
 */

const { RunOutcome } = commonV1;
const HOSTS = [
  { id: 'srv', role: 'server' },
  { id: 'desk', role: 'workstation' },
  { id: 'other', role: 'workstation' },
] as const;
const SETTINGS = { installer: { LASTCALL_SETTLE_MS: '4000' } };
const [OLD, NEW, NEXT] = ['1.0.0', '1.1.0', '1.2.0'];
const NOBODY = 65_534;

let world: World;
beforeAll(async () => {
  world = await createWorld({ pair: 'embedded', settings: SETTINGS, hosts: HOSTS, users: 2 });
  await world.publish({ version: NEW, workstationHealth: true });
}, 120_000);
afterAll(() => world.stop(), 60_000);

const seat = (host: string): string => world.dirOf(host);

/** As somebody at this host types it: without any credential for the services. */
async function lastcall(host: string, ...args: readonly string[]): Promise<{ code: number | null; text: string }> {
  const env = { LASTCALL_SEAT: seat(host), LASTCALL_DATA_DIR: join(world.dir, 'no-server-here') };
  const child = startProgram(LASTCALL, ['update', ...args], env);
  const { code } = await child.exited;
  return { code, text: child.lines.join('\n') };
}

/** As a person who copies an old disk, or swaps by hand. */
async function putBack(host: string): Promise<void> {
  await world.stopAgent(host);
  await rm(join(seat(host), 'current'));
  await symlink(join('versions', OLD), join(seat(host), 'current'));
  await world.startAgent(host);
}

const whyShut = async (host: string): Promise<string> => (await world.gate()).shutHosts[host] ?? '';

async function refusalOn(host: string, version: string): Promise<sessionV1.Refused | undefined> {
  const stream = openAttach(world, { user: 'newcomer', host, version });
  try {
    for await (const { message } of stream) if (message?.$case === 'refused') return message.value;
    return undefined;
  } finally {
    stream.end();
  }
}

describe('a workstation that was switched off', () => {
  it('is watched behind its shut door and falls back when it does not stay healthy', async () => {
    await world.stopAgent('desk');
    expect(await world.ended(await world.update(NEW))).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: false });
    await world.startAgent('desk');
    await world.agentOf('desk').until(/"step begun".*"step":"settle"/);
    expect(await world.versionOn('desk')).toBe(NEW);
    expect(await knock(world, { user: 'newcomer', host: 'desk', version: NEW })).toBe('REFUSAL_REASON_HOST_SHUT');
    await world.trouble('health', 'fails', 'desk');
    await until(async () => (await whyShut('desk')).includes('was healthy and is no longer'), 'the reason');
    expect(await world.versionOn('desk')).toBe(OLD);
    expect((await world.gate()).alarm).toBe(false);
    expect(await refusalOn('desk', OLD)).toMatchObject({
      reason: sessionV1.RefusalReason.WRONG_VERSION,
      requiredVersion: NEW,
      text: expect.stringContaining('The update of desk has failed.'),
    });
  }, 90_000);

  it('is tried again when somebody there asks, and given up after the third failure', async () => {
    const check = await lastcall('desk', 'check');
    expect(check.text).toMatch(/Installed +1\.0\.0\nNewer +1\.1\.0 *\n(.*\n)*Tried before +taken back: .*no longer/);
    const failed = await lastcall('desk', 'now', '--yes');
    expect(failed).toMatchObject({ code: 1, text: expect.stringMatching(/1\.0\.0 to 1\.1\.0: failed.*\n(.*\n)*because: .*not healthy within/) }); // prettier-ignore
    expect(await world.versionOn('desk')).toBe(OLD);
    expect(await lastcall('desk', 'now', '--yes')).toMatchObject({ code: 1 });
    const refused = await lastcall('desk', 'now', '--yes');
    expect(refused).toMatchObject({ code: 3, text: expect.stringContaining('not tried again by itself') });
    await until(async () => (await world.gate()).alarm, 'the alarm');
    expect(await whyShut('desk')).toContain('lastcall host release-quarantine desk');
  }, 90_000);

  it('catches up when a person has mended it, and its user is in', async () => {
    await world.trouble('health', 'none', 'desk');
    const name = `${PARENT}/hosts/desk`;
    await world.services.installer.releaseQuarantine({ name, reason: 'the health check was broken', data: 0 });
    await world.everybodyIn();
    expect(await world.versionOn('desk')).toBe(NEW);
    expect(await world.gate()).toMatchObject({ alarm: false, shutHosts: {} });
    expect(await lastcall('desk', 'now', '--yes')).toMatchObject({ code: 0, text: expect.stringMatching(/^Nothing to update: 1\.1\.0 is the version of testing/) }); // prettier-ignore
  }, 60_000);
});

describe('a workstation with an old version', () => {
  let updates: Updates;
  const states: UpdateState[] = [];
  const progress: UpdateProgress[] = [];
  beforeAll(() => {
    updates = openUpdates({
      folder: seat('other'),
      onState: (s) => states.push(s),
      onProgress: (p) => progress.push(p),
    });
  });
  afterAll(() => updates.close());

  it('is not touched while somebody is inside, nor led to any other version', async () => {
    await putBack('other');
    await world.publish({ version: NEXT, workstationHealth: true });
    expect(await updates.check()).toMatchObject({ installedVersion: OLD, release: { version: NEW } });
    await expect(updates.begin()).rejects.toMatchObject({ reason: 'HOST_IN_USE' });
    await expect(updates.begin({ version: NEXT })).rejects.toMatchObject({ reason: 'FOLLOWS_INSTALLATION' });
    await expect(updates.begin({ skipBackup: 'why not' })).rejects.toMatchObject({ reason: 'FOLLOWS_INSTALLATION' });
    await expect(updates.restart('now')).rejects.toMatchObject({ reason: 'FOLLOWS_INSTALLATION' });
    expect(await updates.atStart()).toBe('go-on');
    expect(await world.versionOn('other')).toBe(OLD);
  }, 60_000);

  it('is updated before the login, with its steps and its end told', async () => {
    await Promise.all(world.users.filter(({ host }) => host === 'other').map((user) => user.leave()));
    states.length = 0;
    const begun = updates.begin({ version: NEW });
    await until(() => states.some(({ phase }) => phase === 'installing'), 'the install to begin');
    expect(await knock(world, { user: 'newcomer', host: 'other', version: NEW })).toBe('REFUSAL_REASON_HOST_SHUT');
    expect(await begun).toMatchObject({
      phase: 'resting',
      follows: 'testing',
      installedVersion: NEW,
      last: { result: 'updated', version: NEW, fromVersion: OLD },
    });
    expect(states).toContainEqual(expect.objectContaining({ phase: 'installing', update: expect.objectContaining({ version: NEW, fromVersion: OLD }) })); // prettier-ignore
    expect(progress.map(({ step }) => step)).toEqual(expect.arrayContaining(['stop', 'swap', 'health', 'settle']));
    expect(await knock(world, { user: 'newcomer', host: 'other', version: NEW })).toBe('welcome');
    expect(await updates.atStart()).toBe('go-on');
    // The others were not touched.
    expect(await world.versionOn('desk')).toBe(NEW);
  }, 60_000);

  it('waits for a run that is active, and does it at the start of the application after that', async () => {
    await putBack('other');
    const minutes = { seconds: 300n, nanos: 0 };
    const job = await world.update(NEXT, { reactionTime: minutes });
    const runOfJob = async (): Promise<string | undefined> => {
      const { runs } = await world.services.scheduler.listRuns({ parent: PARENT, pageSize: 1, pageToken: '', job });
      return runs[0]?.name;
    };
    // A host that asks in the moment before is overtaken by the run, and left as it is.
    await until(async () => (await runOfJob()) !== undefined, 'the run');
    await expect(updates.begin()).rejects.toMatchObject({ reason: 'RUN_ACTIVE' });
    await world.services.scheduler.cancelRun({ name: (await runOfJob()) ?? '', reason: 'not today' });
    expect(await world.ended(job)).toMatchObject({ outcome: RunOutcome.CANCELLED });
    expect(await updates.atStart()).toBe('restarted');
    expect(await world.versionOn('other')).toBe(NEW);
  }, 90_000);
});

describe('who may ask', () => {
  /** Another user of this computer. */
  const asNobody = (host: string): Promise<{ code: number; text: string }> =>
    new Promise((resolve) => {
      const args = ['--disable-warning=ExperimentalWarning', LASTCALL, 'update', 'check'];
      const env = { ...process.env, LASTCALL_SEAT: seat(host), HOME: '/tmp' };
      execFile(process.execPath, args, { uid: NOBODY, gid: NOBODY, env }, (error, out, err) =>
        resolve({ code: Number(error?.code ?? 0), text: `${out}${err}` }),
      );
    });

  // Only root can become another user.
  (process.getuid?.() === 0 ? it : it.skip)(
    'is decided by the folder "local", and nobody may by default',
    async () => {
      for (let dir = seat('desk'); dir.startsWith(world.dir); dir = dirname(dir)) await chmod(dir, 0o755);
      const local = join(seat('desk'), 'local');
      expect((await stat(local)).mode & 0o777).toBe(0o700);
      const refused = await asNobody('desk');
      expect(refused).toMatchObject({ code: 6, text: expect.stringContaining('may not ask the agent') });
      await chmod(local, 0o711);
      expect(await asNobody('desk')).toMatchObject({
        code: 0,
        text: expect.stringContaining('is the version of testing'),
      });
      // What an administrator has said stays.
      await world.killAndRestartAgent('desk');
      expect((await stat(local)).mode & 0o777).toBe(0o711);
      expect(await asNobody('desk')).toMatchObject({ code: 0 });
    },
    60_000,
  );

  it('is told when no agent runs, and where there is none', async () => {
    await world.stopAgent('desk');
    expect(await lastcall('desk', 'check')).toMatchObject({ code: 5, text: expect.stringContaining('does not run') });
    const nowhere = openUpdates({ folder: join(world.dir, 'nowhere') });
    await expect(nowhere.check()).rejects.toMatchObject({ reason: 'NO_SEAT' });
  }, 60_000);
});
