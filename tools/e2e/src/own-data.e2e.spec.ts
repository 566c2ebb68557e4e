import { catalogV1, commonV1, hostEdgeV1, installerV1, schedulerV1 } from '@lastcall/contracts';
import { attachSession, createClient, openChannel, type UnaryClient } from '@lastcall/sdk';
import { createTempFolder, until, type TempFolder } from '@lastcall/testkit';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LASTCALL, startLastcall, startProgram, type LastcallProcesses } from './world/lastcall-processes.js';
import { mountSmallDisk } from './world/small-disk.js';
import { idsOf, rowsOf, takenIn, versionsIn } from './world/state-files.js';

/*
 * Lastcall's own data: copied while jobs are made, runs begin and end and users come and go; brought back; damaged; onto a full disk;
 * and killed in the middle. Real processes throughout.
 */

const NAME = 'installations/berlin';

describe("Lastcall's own data", () => {
  let folder: TempFolder;
  let lastcall: LastcallProcesses;
  let site: Site;
  const dataDir = (): string => join(folder.path, 'site', 'lastcall');

  beforeAll(async () => {
    folder = await createTempFolder('own-data');
    lastcall = await startLastcall({ pair: 'embedded', dir: join(folder.path, 'site') });
    site = openSite(lastcall);
    await site.add();
  }, 60_000);
  afterAll(async () => {
    site.close();
    await lastcall.stop();
    await folder.remove();
  });

  async function state(...args: string[]): Promise<{ code: number | null; text: string }> {
    const child = startProgram(LASTCALL, ['state', ...args], { LASTCALL_DATA_DIR: dataDir() });
    const { code } = await child.exited;
    return { code, text: child.lines.join('\n') };
  }

  it('comes back as it was at one moment, taken while everything is in motion', async () => {
    const busy = new AbortController();
    const saved: string[] = [];
    const work = Promise.all([site.makeJobs(saved, busy.signal), site.comeAndGo(busy.signal)]);
    await until(() => saved.length > 3, 'jobs');
    const backups: { to: string; before: readonly string[] }[] = [];
    for (let i = 0; i < 4; i++) {
      const to = join(folder.path, `backup-${i}`);
      const before = [...saved];
      expect(await state('backup', '--to', to, '--with-keys')).toMatchObject({ code: 0 });
      backups.push({ to, before });
      await until(() => saved.length > before.length + 2, 'more jobs');
    }
    busy.abort();
    await work;
    for (const { to, before } of backups) {
      const said = versionsIn(to);
      const taken = takenIn(to);
      expect(taken.length).toBeGreaterThan(10);
      // Nobody has taken in what nobody has said: all databases are of one moment.
      expect(taken.filter(({ source, sequence }) => (said.get(source) ?? 0) < sequence)).toEqual([]);
      const jobs = idsOf(to, 'scheduler', 'jobs');
      expect(before.filter((id) => !jobs.some((job) => job.includes(id)))).toEqual([]);
    }
    await startFrom(backups.at(-1)!);
  }, 90_000);

  /** Runs that were in the middle go on and end; nothing is buried. */
  async function startFrom({ to, before }: { to: string; before: readonly string[] }): Promise<void> {
    const dir = join(folder.path, 'restored');
    expect(await state('restore', '--from', to, '--data', join(dir, 'lastcall'))).toMatchObject({ code: 0 });
    const seen = await publicationOf(lastcall);
    const restored = await startLastcall({ pair: 'embedded', dir });
    const again = openSite(restored);
    try {
      // Hosts have seen what was published after the backup, and take nothing with a lower number.
      await until(async () => (await publicationOf(restored)).least > seen.most, 'everything to be signed anew');
      const jobs = await again.jobs();
      expect(before.filter((id) => !jobs.includes(id))).toEqual([]);
      await until(async () => (await again.openRuns()) === 0, 'all runs to end', 60_000);
      await again.makeJob('after');
    } finally {
      again.close();
      await restored.stop();
    }
    expect(idsOf(join(dir, 'lastcall'), 'scheduler', 'dead_letters')).toEqual([]);
    expect(rowsOf(join(dir, 'lastcall'), 'scheduler', 'SELECT source FROM outbox')).toEqual([]);
  }

  it('is refused where it would overwrite, and where a key is missing', async () => {
    const to = join(folder.path, 'plain');
    expect(await state('backup', '--to', to)).toMatchObject({ code: 0 });
    expect(readdirSync(join(to, 'catalog/tuf'))).not.toContain('keys');
    expect(await state('backup', '--to', to)).toMatchObject({ code: 3, text: expect.stringMatching(/is not empty/) });
    const inside = join(dataDir(), 'backup');
    expect(await state('backup', '--to', inside)).toMatchObject({ code: 3, text: expect.stringMatching(/outside/) });
    expect(await state('restore', '--from', to)).toMatchObject({ code: 3, text: expect.stringMatching(/is running/) });
    const elsewhere = join(folder.path, 'elsewhere');
    const keyless = await state('restore', '--from', to, '--data', elsewhere);
    expect(keyless).toMatchObject({ code: 3, text: expect.stringMatching(/--keys-from/) });
    expect(existsSync(elsewhere)).toBe(false);
    const keys = join(folder.path, 'keys');
    expect(await state('backup', '--to', keys, '--with-keys', '--blobs', 'link')).toMatchObject({ code: 0 });
    expect(await state('restore', '--from', to, '--data', elsewhere, '--keys-from', keys)).toMatchObject({ code: 0 });
    expect(readdirSync(join(elsewhere, 'catalog/tuf/keys'))).toEqual(readdirSync(join(dataDir(), 'catalog/tuf/keys')));
  });

  it.each([
    ['a bit is wrong', (to: string) => flip(join(to, 'scheduler.db')), /scheduler\.db is not what was written/],
    ['the end is missing', (to: string) => truncateSync(join(to, 'bus.db'), 4_096), /bus\.db is not what was written/],
    ['the list was changed', (to: string) => flip(join(to, 'backup.json')), /backup\.json is not what was written/],
  ])('is not restored when %s', async (_, damage, says) => {
    const to = join(folder.path, `damaged-${String(says.source.length)}`);
    await state('backup', '--to', to, '--with-keys');
    damage(to);
    const elsewhere = join(folder.path, 'from-damaged');
    const refused = await state('restore', '--from', to, '--data', elsewhere);
    expect(refused).toMatchObject({ code: 3, text: expect.stringMatching(says) });
    expect(await state('check', '--from', to)).toMatchObject({ code: 3, text: expect.stringMatching(says) });
    expect(readdirSync(folder.path).filter((name) => name.includes('from-damaged'))).toEqual([]);
  });

  it('leaves nothing behind on a full disk, in either direction', async () => {
    const disk = mountSmallDisk(join(folder.path, 'small'), '8m');
    if (!disk) return; // Only root may mount one.
    try {
      disk.fill(400_000);
      const there = readdirSync(disk.dir);
      const full = {
        code: 1,
        text: expect.stringMatching(/the disk of .* is full; nothing was left there/) as unknown,
      };
      expect(await state('backup', '--to', join(disk.dir, 'backup'))).toMatchObject(full);
      const good = join(folder.path, 'good');
      expect(await state('backup', '--to', good, '--with-keys')).toMatchObject({ code: 0 });
      expect(await state('restore', '--from', good, '--data', join(disk.dir, 'data'))).toMatchObject(full);
      expect(readdirSync(disk.dir)).toEqual(there);
    } finally {
      disk.unmount();
    }
  });

  it('is whole or not there when it is killed in the middle, and the next attempt cleans up', async () => {
    // Large enough that there is a middle.
    await mkdir(join(dataDir(), 'catalog/blobs/ab'), { recursive: true });
    writeFileSync(join(dataDir(), 'catalog/blobs/ab', 'ab'.repeat(32)), Buffer.alloc(64 * 1024 * 1024, 1));
    const to = join(folder.path, 'killed');
    await killMidway(['backup', '--to', to, '--with-keys'], '.killed.unfinished');
    expect(existsSync(to)).toBe(false);
    expect(await state('backup', '--to', to, '--with-keys')).toMatchObject({ code: 0 });
    const data = join(folder.path, 'killed-restore');
    await killMidway(['restore', '--from', to, '--data', data], '.killed-restore.unfinished');
    expect(existsSync(data)).toBe(false);
    expect(await state('restore', '--from', to, '--data', data)).toMatchObject({ code: 0 });
    expect(readdirSync(folder.path).filter((name) => name.includes('unfinished'))).toEqual([]);
  }, 60_000);

  /** Killed as soon as the first bytes of the blob are there. */
  async function killMidway(args: string[], draft: string): Promise<void> {
    const child = startProgram(LASTCALL, ['state', ...args], { LASTCALL_DATA_DIR: dataDir() });
    const blob = join(folder.path, draft, 'catalog/blobs/ab', 'ab'.repeat(32));
    const ended = child.exited.then(() => 'ended');
    while (!existsSync(blob)) {
      const why = await Promise.race([ended, new Promise<string>((resolve) => setImmediate(resolve, 'runs'))]);
      expect(why).toBe('runs');
    }
    child.kill('SIGKILL');
    expect(await child.exited).toMatchObject({ signal: 'SIGKILL' });
  }
});

/** Lowest and highest number in what hosts fetch. */
async function publicationOf({
  catalogUrl,
  operatorTokenFile,
}: LastcallProcesses): Promise<{ least: number; most: number }> {
  interface Signed {
    readonly signed: { readonly version: number; readonly meta: Record<string, { readonly version: number }> };
  }
  const headers = { authorization: `Bearer ${readFileSync(operatorTokenFile, 'utf8').trim()}` };
  const get = async (name: string): Promise<Signed> => {
    const answer = await fetch(`${catalogUrl}/tuf/${name}`, { headers });
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return (await answer.json()) as Signed;
  };
  const timestamp = await get('timestamp.json');
  const snapshot = await get(`${timestamp.signed.meta['snapshot.json']?.version}.snapshot.json`);
  for (const [name, { version }] of Object.entries(snapshot.signed.meta)) await get(`${version}.${name}`);
  const roles = Object.values(snapshot.signed.meta).map(({ version }) => version);
  const numbers = [timestamp.signed.version, snapshot.signed.version, ...roles];
  return { least: Math.min(...numbers), most: Math.max(...numbers) };
}

function flip(file: string): void {
  const bytes = readFileSync(file);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

interface Site {
  add(): Promise<void>;
  /** Makes one, starts a run of it and cancels that. */
  makeJob(id: string): Promise<void>;
  /** One after the other until it is told to stop; says which are acknowledged. */
  makeJobs(saved: string[], signal: AbortSignal): Promise<void>;
  /** Users log in and out until it is told to stop. */
  comeAndGo(signal: AbortSignal): Promise<void>;
  jobs(): Promise<readonly string[]>;
  openRuns(): Promise<number>;
  close(): void;
}

function openSite({ grpcAddress, operatorTokenFile }: LastcallProcesses): Site {
  const credential = (): string => readFileSync(operatorTokenFile, 'utf8').trim();
  const channel = openChannel({ address: grpcAddress, credential });
  const catalog = createClient(catalogV1.CatalogServiceService, channel);
  const scheduler: UnaryClient<typeof schedulerV1.SchedulerServiceService> = createClient(
    schedulerV1.SchedulerServiceService,
    channel,
  );
  const installer = createClient(installerV1.InstallerServiceService, channel);
  const start = async (jobId: string): Promise<void> => {
    const { run } = await scheduler.startJob({ name: `${NAME}/jobs/${jobId}`, confirmedCautions: [], requestId: '' });
    // One at a time: the next one waits for the end of this one.
    await scheduler.cancelRun({ name: run, reason: 'the next one' });
    const over = async (): Promise<boolean> => (await scheduler.getRun({ name: run })).run?.finishTime !== undefined;
    await until(over, 'the end of the run');
  };
  const makeJob = async (jobId: string): Promise<void> => {
    const job = schedulerV1.Job.fromPartial({
      title: 'Backup',
      type: commonV1.JobType.DATA_BACKUP,
      start: { condition: { $case: 'immediate', value: {} } },
    });
    await scheduler.createJob({ parent: NAME, jobId, job, confirmedCautions: [] });
    await start(jobId);
  };
  /** A host that never connects, so no run gets far. */
  const join = async (): Promise<void> => {
    const asked = { parent: NAME, hostId: 'srv', role: commonV1.HostRole.SERVER, validMinutes: 0 };
    const { token } = await installer.createJoinToken(asked);
    const stranger = openChannel({ address: grpcAddress, credential: () => '' });
    await createClient(hostEdgeV1.HostEdgeServiceService, stranger).join({
      ...{ token, publicKey: randomBytes(32), platform: 'linux-x64', agentVersion: '0.1.0' },
      installedVersion: '1.0.0',
    });
    stranger.close();
  };
  return {
    add: async () => {
      const product = catalogV1.Product.fromPartial({ title: 'Encore' });
      await catalog.createProduct({ productId: 'encore', product });
      const installation = catalogV1.Installation.fromPartial({
        ...{ title: 'Berlin', product: 'encore', channel: 'stable', timeZone: 'UTC' },
        kind: commonV1.InstallationKind.MULTI_USER,
      });
      await catalog.createInstallation({ installationId: 'berlin', installation });
      await join();
      const known = async (): Promise<boolean> =>
        (await installer.listHosts(installerV1.ListHostsRequest.fromPartial({ parent: NAME }))).hosts.length > 0;
      await until(known, 'the host');
    },
    makeJob,
    makeJobs: async (saved, signal) => {
      for (let n = 0; !signal.aborted; n++) {
        await makeJob(`job-${n}`);
        saved.push(`job-${n}`);
      }
    },
    comeAndGo: async (signal) => {
      for (let n = 0; !signal.aborted; n++) {
        const attached = Promise.withResolvers<void>();
        const session = attachSession({
          ...{ channel, installation: 'berlin', user: `user-${n}`, host: 'ts1' },
          version: '1.0.0',
          onAttached: () => attached.resolve(),
          onRefused: () => attached.resolve(),
        });
        await attached.promise;
        await session.goodbye();
      }
    },
    jobs: async () =>
      (await scheduler.listJobs(schedulerV1.ListJobsRequest.fromPartial({ parent: NAME, pageSize: 1_000 }))).jobs.map(
        ({ name }) => name.split('/').at(-1) ?? '',
      ),
    openRuns: async () => {
      const request = schedulerV1.ListRunsRequest.fromPartial({ parent: NAME, pageSize: 1_000 });
      const { runs } = await scheduler.listRuns(request);
      return runs.filter((run) => run.finishTime === undefined).length;
    },
    close: () => channel.close(),
  };
}
