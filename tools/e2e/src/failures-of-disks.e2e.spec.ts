import { commonV1 } from '@lastcall/contracts';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allOn, eventsOf, remainsOf, reportOf, watchUsers } from './world/remains.js';
import { storedBlobOf } from './world/stored-blobs.js';
import { createWorld, type World } from './world/world.js';

/*
 * Disks that are full, and disks that lie: the server's when it stages and when it backs up, and the catalog's, whose bytes are not
 * those that were signed.
 */

const { RunOutcome } = commonV1;
const PADDING_BYTES = 2 * 1024 * 1024;
const DISK = 'size=48m';

function mount(dir: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', DISK, 'tmpfs', dir]).status === 0;
}

function unmount(dir: string): void {
  spawnSync('umount', [dir]);
}

/** Only root may mount a disk that is small enough to be filled. */
function canMount(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-mount-'));
  const mounted = mount(dir);
  if (mounted) unmount(dir);
  rmSync(dir, { recursive: true });
  return mounted;
}

const small = canMount();
const onSmallDisk = small ? it : it.skip;

describe('disks', () => {
  let world: World;
  let minor = 0;
  beforeAll(async () => {
    world = await createWorld({
      pair: 'embedded',
      prepareHost: async (host, dir) => {
        if (host === 'srv' && small) mount(dir);
        return async () => (host === 'srv' && small ? unmount(dir) : undefined);
      },
    });
  }, 180_000);
  afterAll(() => world.stop(), 60_000);
  afterEach(() => empty());

  const current = (): Promise<string> => world.versionOn('srv');
  const ballast = (): string => join(world.dirOf('srv'), 'data', 'ballast');
  const empty = (): void => rmSync(ballast(), { force: true });
  /** The application's own data fill the disk, as they do. */
  function fill(leaveBytes: number): void {
    empty();
    const { bavail, bsize } = statfsSync(world.dirOf('srv'));
    try {
      writeFileSync(ballast(), Buffer.alloc(Math.max(bavail * bsize - leaveBytes, 0)));
    } catch (error) {
      // The agent wrote meanwhile: the disk is as full as it was meant to be.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }

  /** When the server's agent begins this step: it stands still until its disk is full. */
  function fillAtStep(step: string, leaveBytes: number): void {
    const agent = world.agentOf('srv');
    let filled = false;
    agent.onLine((line) => {
      if (filled || !line.includes('"step begun"') || !line.includes(`"step":"${step}"`)) return;
      filled = true;
      agent.kill('SIGSTOP');
      fill(leaveBytes);
      agent.kill('SIGCONT');
    });
  }

  async function publishNext(): Promise<string> {
    const version = `1.${++minor}.0`;
    // Files of its own: those of the release before are on the hosts already.
    await world.publish({ version, paddingBytes: PADDING_BYTES, programNote: `of ${version}` });
    return version;
  }

  async function expectUntouched(version: string, next: string): Promise<void> {
    expect(await remainsOf(world)).toEqual(allOn(world, version));
    for (const { id } of world.hosts) {
      const versions = readdirSync(join(world.dirOf(id), 'versions'));
      // A host whose own disk is good may have staged it completely; the one in trouble has nothing of it.
      if (id === 'srv') expect(versions).not.toContain(next);
      expect(versions).toContain(version);
    }
  }

  async function expectNextSucceeds(next: string): Promise<void> {
    const run = await world.ended(await world.update(next));
    expect([run.outcome, run.failure]).toEqual([RunOutcome.SUCCEEDED, undefined]);
    await world.everybodyIn();
    expect(await remainsOf(world)).toEqual(allOn(world, next));
  }

  onSmallDisk(
    'full before the run: the checks say so, with the host and the numbers',
    async () => {
      const version = await current();
      const next = await publishNext();
      const whatHappened = watchUsers(world);
      fill(1024 * 1024);
      const run = await world.ended(await world.update(next));
      empty();
      expect(run).toMatchObject({ outcome: RunOutcome.FAILED, failure: { reason: 'NOT_READY' } });
      const { report } = await world.services.scheduler.getRunReport({ name: run.name });
      const check = report?.preflight?.checks.find((c) => c.check === 'disk-stage' && c.host === 'srv');
      expect(check).toMatchObject({ found: expect.stringMatching(/\d/), remedy: expect.stringContaining('disk') });
      expect(whatHappened()).toEqual([]);
      await expectUntouched(version, next);
    },
    180_000,
  );

  onSmallDisk(
    'full when the server stages: nobody is told or logged off, and there is nothing half staged',
    async () => {
      const version = await current();
      const next = await publishNext();
      const whatHappened = watchUsers(world);
      fillAtStep('metadata', 1024 * 1024);
      const run = await world.ended(await world.update(next));
      empty();
      expect(run).toMatchObject({ outcome: RunOutcome.FAILED, failure: { reason: 'DISK_FULL', host: 'srv' } });
      expect((await reportOf(world, run)).reason).toBe('DISK_FULL');
      expect(eventsOf(run)).toContain('StagingFailed');
      expect(eventsOf(run)).not.toContain('GateClosed');
      expect(whatHappened()).toEqual([]);
      await expectUntouched(version, next);
      await expectNextSucceeds(next);
    },
    180_000,
  );

  onSmallDisk(
    'full when the server backs up: the users get in again, and nothing was installed',
    async () => {
      const version = await current();
      const next = await publishNext();
      // It writes after a second: whoever fills the disk hears of the step a little later than it begins.
      await world.trouble('backup', 'slow');
      fillAtStep('backup', 0);
      const run = await world.ended(await world.update(next));
      await world.trouble('backup', 'none');
      expect(run).toMatchObject({
        outcome: RunOutcome.FAILED,
        alarm: false,
        failure: { reason: 'DISK_FULL', host: 'srv' },
      });
      expect(eventsOf(run)).toContain('BackupFailed');
      expect(eventsOf(run)).not.toContain('InstallStarted');
      // With the disk still full: opening needs no room on it.
      await world.everybodyIn();
      expect(await remainsOf(world)).toEqual(allOn(world, version));
      empty();
      await expectNextSucceeds(next);
    },
    180_000,
  );

  function flipOneByte(file: string): void {
    const bytes = readFileSync(file);
    const middle = Math.floor(bytes.length / 2);
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
    writeFileSync(file, bytes);
  }

  it.each([
    ['one byte of a file is another', 'server/padding.bin', flipOneByte],
    ['a file is cut off', 'server/padding.bin', (file: string) => truncateSync(file, PADDING_BYTES / 2)],
    ['a file is gone', 'server/padding.bin', (file: string) => rmSync(file)],
    ['one byte of a program is another', 'server/app.js', flipOneByte],
  ])(
    'of the catalog, where %s: it is not installed anywhere and nobody is disturbed',
    async (_, file, damage) => {
      const version = await current();
      const next = await publishNext();
      const stored = storedBlobOf(world, next, file);
      const good = readFileSync(stored);
      damage(stored);
      const whatHappened = watchUsers(world);
      const run = await world.ended(await world.update(next));
      expect(run.outcome).toBe(RunOutcome.FAILED);
      expect(run.failure).toMatchObject({ host: 'srv', message: expect.stringMatching(/\S/) });
      expect(eventsOf(run)).not.toContain('GateClosed');
      expect(whatHappened()).toEqual([]);
      await expectUntouched(version, next);

      writeFileSync(stored, good);
      await expectNextSucceeds(next);
    },
    180_000,
  );
});
