import { commonV1, preflightV1, schedulerV1 } from '@lastcall/contracts';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PARENT } from './world/services.js';
import { createWorld, until, type World } from './world/world.js';

/*
 * What a rehearsal is for: somebody took an antivirus exception away and the last backup is old; the owner of the job learns of it before the
 * night, and when both are remedied, so does he.
 */

const { BackupMode, JobType, RunOutcome } = commonV1;
const { Verdict } = preflightV1;
const NEW = '1.1.0';
const HOUR_MS = 3_600_000;
const START_MS = 40_000;
/** So long after the job was enabled it is rehearsed again. */
const AGAIN_MS = 10_000;
const CAUTIONS = ['users-logged-in', 'inside-business-hours'];

let world: World;
beforeAll(async () => {
  world = await createWorld({
    ...{ pair: 'embedded', hosts: [{ id: 'srv', role: 'server' }], users: 0 },
    settings: { preflight: { LASTCALL_REHEARSE_BEFORE_MS: String(START_MS - AGAIN_MS) } },
  });
  await world.publish({ version: NEW, antivirusFolders: ['${dataDir}'], vendorCheck: true });
}, 120_000);
afterAll(() => world.stop(), 60_000);

/** Of the newest reports of a run: the first, and the last look. */
async function vendorChecks(run: string): Promise<readonly [boolean, string][]> {
  const { reports } = await world.services.preflight.listReports({ parent: PARENT, pageSize: 0, pageToken: '' });
  const found = reports.filter((r) => r.run === run).toReversed();
  return found.map((r) => {
    const check = r.checks.find((c) => c.check === 'vendor');
    return [r.beforeBackup, preflightV1.verdictToJSON(check?.verdict ?? Verdict.UNSPECIFIED)];
  });
}

/** What the antivirus product of this host leaves alone. */
const acme = () => join(world.dirOf('srv'), 'acme.json');

/** A product that is asked through a command, as a site would do it for its own. */
async function installAcme(): Promise<void> {
  const program = join(world.dirOf('srv'), 'acme.cjs');
  const text = `
    const set = JSON.parse(require('node:fs').readFileSync(${JSON.stringify(acme())}, 'utf8'));
    const { folders } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
    const exceptions = folders.map((value) => ({ kind: 'folder', value, present: set.includes(value) }));
    console.log(JSON.stringify({ product: 'acme', source: 'acme.json', exceptions }));`;
  await writeFile(program, text);
  await writeFile(join(world.dirOf('srv'), 'antivirus.json'), JSON.stringify({ run: [process.execPath, program] }));
}

/** One that the host has, as it would be after a long weekend. */
async function leaveOldBackup(): Promise<void> {
  const dir = join(world.dirOf('srv'), 'backups', 'friday');
  await mkdir(dir, { recursive: true });
  const takenAt = Date.now() - 60 * HOUR_MS;
  const evidence = { restorePoint: 'friday', takenAt, sizeBytes: 1, sha256: '0', verified: true, version: '1.0.0' };
  await writeFile(join(dir, 'backup.json'), JSON.stringify({ ...evidence, files: [] }));
}

async function planTonight(job: string): Promise<void> {
  const localTime = new Date(Date.now() + START_MS).toISOString().slice(0, 19);
  const wanted = schedulerV1.Job.fromPartial({
    ...{ title: job, type: JobType.SOFTWARE_UPDATE, version: NEW, backupMode: BackupMode.MADE_ELSEWHERE },
    start: { condition: { $case: 'time', value: { localTime } } },
  });
  const { scheduler } = world.services;
  const request = { parent: PARENT, jobId: job, confirmedCautions: CAUTIONS };
  await scheduler.createJob({ ...request, job: wanted });
  await scheduler.enableJob({ name: `${PARENT}/jobs/${job}`, etag: '', confirmedCautions: CAUTIONS });
}

/** The newest rehearsal for this reason, when it has its verdict. */
async function rehearsed(why: string): Promise<preflightV1.Report> {
  let found: preflightV1.Report | undefined;
  await until(async () => {
    const { reports } = await world.services.preflight.listReports({ parent: PARENT, pageSize: 0, pageToken: '' });
    found = reports.find((r) => r.rehearsal?.why === why && r.verdict !== Verdict.UNSPECIFIED);
    return found !== undefined;
  }, `a rehearsal: ${why}`);
  if (!found) throw new Error('the report is gone');
  return found;
}

const explanation = async (job: string): Promise<string> =>
  (await world.services.scheduler.getJob({ name: `${PARENT}/jobs/${job}` })).explanation;

describe('a rehearsal', () => {
  it('finds a removed antivirus exception and an old backup, and the next one is green when both are remedied', async () => {
    const data = join(world.dirOf('srv'), 'data');
    await installAcme();
    await writeFile(acme(), JSON.stringify([]));
    await leaveOldBackup();
    await planTonight('tonight');

    const first = await rehearsed('enabled');
    expect(first).toMatchObject({ verdict: Verdict.FAILED, run: '', version: NEW, rehearsal: { job: 'tonight' } });
    expect(first.rehearsal?.requestedBy).not.toBe('');
    const blocking = first.checks.filter((c) => c.verdict === Verdict.FAILED || c.verdict === Verdict.UNKNOWN);
    const old = expect.stringMatching(/^friday, 60\.\d hours old$/) as string;
    const [take, add] = ['backup take', data].map((text) => expect.stringContaining(text) as string);
    expect(blocking).toMatchObject([
      { check: 'backup-age', found: old, remedy: take },
      { check: 'antivirus', host: 'srv', found: 'not set in acme.json', remedy: add },
    ]);
    const report = first.name.split('/').at(-1) ?? '';
    await until(async () => (await explanation('tonight')).includes(report), 'the job to tell of it');
    expect(await explanation('tonight')).toMatch(/would stop at backup-age, antivirus on srv/);

    await writeFile(acme(), JSON.stringify([data]));
    const { backup } = await world.services.preflight.createBackup({ parent: PARENT });
    const name = backup?.name ?? '';
    await until(async () => !(await world.services.preflight.getBackup({ name })).backup?.pending, 'the backup');

    const second = await rehearsed('before-start');
    expect(second.checks.filter((c) => c.verdict === Verdict.FAILED || c.verdict === Verdict.UNKNOWN)).toEqual([]);
    expect(second).toMatchObject({ verdict: Verdict.PASSED, rehearsal: { job: 'tonight' } });
    await until(
      async () => /rehearsal of .* passed/.test(await explanation('tonight')),
      'the job to tell that it passed',
    );

    // It is rehearsed no more, and does not run.
    await world.services.scheduler.disableJob({ name: `${PARENT}/jobs/tonight` });
    const { runs } = await world.services.scheduler.listRuns({ parent: PARENT, pageSize: 0, pageToken: '', job: '' });
    expect(runs).toEqual([]);
  }, 60_000);
});

describe("the vendor's own checks", () => {
  const FIRST = [false, 'VERDICT_SKIPPED'];

  it('are asked when the release is staged and nobody is inside, and end the run with the remedy when they fail', async () => {
    await world.failCommand('check-room', true);
    const failed = await world.ended(await world.update(NEW));
    expect(failed).toMatchObject({ outcome: RunOutcome.FAILED, failure: { reason: 'CHECKS_FAILED', host: 'srv' } });
    expect(failed.failure?.message).toMatch(/vendor on srv: check-room fails as it was told. Make room./);
    expect(failed.timeline.map((e) => e.event)).not.toContain('BackupTaken');
    expect(await vendorChecks(failed.spec?.run ?? '')).toEqual([FIRST, [true, 'VERDICT_FAILED']]);
    await world.failCommand('check-room', false);
    const done = await world.ended(await world.update(NEW));
    expect(done.outcome).toBe(RunOutcome.SUCCEEDED);
    // It was staged already, so the first report has asked it too.
    expect(await vendorChecks(done.spec?.run ?? '')).toEqual([
      [false, 'VERDICT_PASSED'],
      [true, 'VERDICT_PASSED'],
    ]);
  }, 60_000);
});
