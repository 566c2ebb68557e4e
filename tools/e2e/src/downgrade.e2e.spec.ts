import { commonV1, schedulerV1 } from '@lastcall/contracts';
import { allOn, eventsOf, remainsOf, unfairness } from './world/remains.js';
import { createWorld, INSTALLATION, type World } from './world/world.js';

/*
 * Back to an older version on purpose: a run of its own with checks, notice, gate and backup. Without a word about the data it is refused,
 * because the newer version has changed it; with one it brings the data of that restore point back.
 */

const { SUCCEEDED } = commonV1.RunOutcome;

describe('a rollback that a person asks for', () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld({ pair: 'embedded' });
  }, 180_000);
  afterAll(() => world.stop(), 60_000);

  const parent = `installations/${INSTALLATION}`;
  const jobOf = (version: string, dataFrom: string) =>
    schedulerV1.Job.fromPartial({
      ...{ title: `Back to ${version}`, type: commonV1.JobType.SOFTWARE_UPDATE, version, downgrade: { dataFrom } },
      start: { condition: { $case: 'immediate', value: {} } },
      reactionTime: { seconds: 1n, nanos: 0 },
    });
  async function start(jobId: string, job: schedulerV1.Job): Promise<string> {
    const { scheduler } = world.services;
    const confirmedCautions = ['users-logged-in', 'inside-business-hours'];
    await scheduler.createJob({ parent, jobId, job, confirmedCautions });
    await scheduler.startJob({ name: `${parent}/jobs/${jobId}`, confirmedCautions, requestId: jobId });
    return jobId;
  }

  it('leads back to the older version and the data that it knows', async () => {
    const old = await world.versionOn('srv');
    await world.enter('before the update');
    await world.publish({ version: '1.1.0' });
    const updated = await world.ended(await world.update('1.1.0'));
    expect(updated.outcome).toBe(SUCCEEDED);
    const { report } = await world.services.scheduler.getRunReport({ name: updated.name });
    const restorePoint = report?.backup?.restorePoint ?? '';
    await world.everybodyIn();
    await world.enter('after the update');

    await expect(start('back-blind', jobOf(old, ''))).rejects.toMatchObject({
      message: expect.stringContaining('1.1.0 changed the data'),
    });
    await expect(start('not-older', jobOf('1.1.0', restorePoint))).rejects.toMatchObject({
      message: expect.stringContaining('not older'),
    });

    const before = world.users.map((user) => user.log.length);
    const run = await world.ended(await start('back', jobOf(old, restorePoint)));
    expect([run.outcome, run.failure]).toEqual([SUCCEEDED, undefined]);
    expect(eventsOf(run)).toEqual(
      expect.arrayContaining(['PreflightPassed', 'NoticeSent', 'SessionsDrained', 'BackupTaken', 'DrainConfirmed']),
    );
    await world.everybodyIn();
    world.users.forEach((user, i) => expect(unfairness(user, before[i] ?? 0)).toEqual([]));
    // What was entered after the update is in the backup of this very run, and nowhere else.
    expect(await remainsOf(world)).toEqual(allOn(world, old, ['before the update']));
    const backups = await world.services.preflight.listBackups({ parent, pageSize: 0, pageToken: '' });
    expect(backups.backups.map((b) => b.version)).toContain('1.1.0');
  }, 180_000);
});
