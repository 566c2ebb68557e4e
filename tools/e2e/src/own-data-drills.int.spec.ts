import { catalogModule } from '@lastcall/catalog';
import { commonV1, hostOrderV1, schedulerV1 } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { randomId } from '@lastcall/kernel';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import {
  createTempFolder,
  describeWith,
  dropNatsStream,
  natsUrl,
  startStack,
  until,
  type Stack,
  type TempFolder,
} from '@lastcall/testkit';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { addSite, NAME } from './world/site.js';
import { idsOf, rowsOf, versionsIn } from './world/state-files.js';

/*
 * Drills with Lastcall's own data: the stream of events is deleted while a run is under way; the database of the scheduler is set back
 * behind the others. The test plays the host.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const SERVICES = MODULES.map(({ name }) => name);

/** Heartbeats, and a note that somebody looks whether there are too many backups: once more changes nothing. */
const LOOKS = /\/(filled_buses|replicas|backup_policies)\//;

const FACTS = hostOrderV1.HostFacts.fromPartial({
  ...{ os: 'linux', osVersion: '6.1', cpuCount: 2, agentVersion: '0.1.0', installedVersion: '11.0.0' },
  ...{ memoryBytes: 2n ** 33n, stageFreeBytes: 2n ** 33n, backupFreeBytes: 2n ** 33n, dataBytes: 2n ** 20n },
  canBackUp: true,
});

describeWith('nats', 'the stream of events is deleted', () => {
  let folder: TempFolder;
  let stack: Stack;
  beforeEach(async () => {
    folder = await createTempFolder('drill');
  });
  afterEach(async () => {
    await stack.stop();
    await folder.remove();
  });

  const lose = (): Promise<void> => dropNatsStream(natsUrl() ?? '', stack.prefix);
  const knownBuses = (): string[] =>
    SERVICES.flatMap((service) => rowsOf(stack.dataDir, service, 'SELECT data FROM c_filled_buses')).map(({ data }) =>
      String(data),
    );

  it('a run that others had not heard of goes on, and what all had heard of happens once', async () => {
    stack = await startStack({ modules: [catalogModule, schedulerModule], bus: 'nats', dataDir: folder.path });
    const { prefix } = stack;
    await addSite(stack);
    const run = await startBackup(stack);
    await stack.seen('RunStarted');
    await until(
      () => rowsOf(stack.dataDir, 'scheduler', 'SELECT * FROM c_filled_buses').length === 1,
      'the first look',
    );
    await stack.stop({ keep: true });
    await lose();

    // Preflight and session have never heard of the run.
    stack = await startStack({ modules: MODULES, bus: 'nats', dataDir: folder.path, prefix });
    const { message } = await stack.seen('HostOrderIssued', (m) => m.order?.run === run);
    const result = hostOrderV1.OrderResult.fromPartial({
      evidence: { $case: 'facts', value: { ...FACTS, clock: new Date() } },
    });
    await stack.publish('HostOrderCompleted', 'berlin', { order: message.order, result });
    await stack.client(schedulerV1.SchedulerServiceService).cancelRun({ name: `${NAME}/runs/${run}`, reason: 'drill' });
    await stack.seen('RunFinished');

    await settled();
    const before = versionsIn(stack.dataDir, SERVICES);
    const buses = knownBuses();
    await lose();
    await until(() => knownBuses().every((bus) => !buses.includes(bus)), 'all archives to be published again');
    await settled();
    const changed = [...versionsIn(stack.dataDir, SERVICES)].filter(
      ([source, version]) => !LOOKS.test(source) && before.get(source) !== version,
    );
    expect(changed).toEqual([]);
    expect(idsOf(stack.dataDir, 'scheduler', 'runs')).toHaveLength(1);
    for (const service of SERVICES) expect(idsOf(stack.dataDir, service, 'dead_letters')).toEqual([]);
  }, 60_000);

  /** Nothing waits in an outbox, and two looks, a second apart, see the same. */
  async function settled(): Promise<void> {
    let last = '';
    let since = Date.now();
    const isQuiet = (): boolean => {
      const waiting = SERVICES.some((service) => rowsOf(stack.dataDir, service, 'SELECT 1 FROM outbox').length > 0);
      const now = JSON.stringify([...versionsIn(stack.dataDir, SERVICES)]) + String(waiting);
      if (now !== last) [last, since] = [now, Date.now()];
      return !waiting && Date.now() - since > 1_000;
    };
    await until(isQuiet, 'nothing to change any more');
  }
});

describe('the database of the scheduler is set back behind the others', () => {
  let folder: TempFolder;
  let stack: Stack;
  const database = (): string => join(folder.path, 'scheduler.db');
  const start = async (): Promise<void> => {
    stack = await startStack({ modules: MODULES, dataDir: folder.path });
  };
  const stop = (): Promise<void> => stack.stop({ keep: true });
  beforeEach(async () => {
    folder = await createTempFolder('drill');
    await start();
    await addSite(stack);
  });
  afterEach(async () => {
    await stack.stop();
    await folder.remove();
  });

  async function cancelledRun(): Promise<number> {
    const run = await startBackup(stack);
    const { message } = await stack.seen('RunStarted', (m) => m.run?.run === run);
    const scheduler = stack.client(schedulerV1.SchedulerServiceService);
    await scheduler.cancelRun({ name: `${NAME}/runs/${run}`, reason: 'drill' });
    await stack.seen('RunFinished', (m) => m.run?.run === run);
    return message.run?.fence ?? 0;
  }

  it('gives no fence that hosts have seen already, and with versions lifted it is heard again', async () => {
    const first = await cancelledRun();
    await stop();
    await copyFile(database(), `${database()}.copy`);
    await start();
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) seen.push(await cancelledRun());
    const before = idsOf(folder.path, 'preflight', 'reports');
    await stop();
    await copyFile(`${database()}.copy`, database());
    liftVersions(database());
    // These runs came faster than the seconds that fences follow.
    await until(() => Date.now() / 1_000 > (seen.at(-1) ?? Infinity) + 1, 'the second after the last run');
    await start();
    const next = await cancelledRun();
    expect([first, ...seen, next]).toEqual([first, ...seen, next].toSorted((a, b) => a - b));
    expect(next).toBeGreaterThan(seen.at(-1) ?? Infinity);
    // Preflight has heard of it: it has a report that it did not have.
    const after = idsOf(folder.path, 'preflight', 'reports');
    expect(after.filter((id) => !before.includes(id))).toHaveLength(1);
  }, 60_000);
});

/** As the README of deploy/mongodb says: beyond every number that others have taken in. */
function liftVersions(file: string): void {
  const db = new DatabaseSync(file);
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'c_*'").all();
  for (const { name } of tables) db.exec(`UPDATE ${String(name)} SET version = version + 1000000`);
  db.close();
}

async function startBackup(stack: Stack): Promise<string> {
  const scheduler = stack.client(schedulerV1.SchedulerServiceService);
  const job = schedulerV1.Job.fromPartial({
    title: 'Backup',
    type: commonV1.JobType.DATA_BACKUP,
    start: { condition: { $case: 'immediate', value: {} } },
  });
  const jobId = randomId('job');
  await scheduler.createJob({ parent: NAME, jobId, job, confirmedCautions: [] });
  const { run } = await scheduler.startJob({ name: `${NAME}/jobs/${jobId}`, confirmedCautions: [], requestId: '' });
  return run.split('/').at(-1) ?? '';
}
