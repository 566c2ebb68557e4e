import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, decodeEvent, eventsV1, schedulerV1 } from '@lastcall/contracts';
import { MINUTE_MS } from '@lastcall/kernel';
import { createClient, openChannel, type Channel, type UnaryClient } from '@lastcall/sdk';
import {
  describeWith,
  dropMongoDatabase,
  findFreePorts,
  mongodbUrl,
  startStack,
  until,
  type Stack,
} from '@lastcall/testkit';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createReplica, type ServiceReplica } from './world/service-replica.js';

/*
 * Three replicas of the scheduler as real processes, while jobs are due every few hundred milliseconds. One replica after the other is killed, or
 * held for twice the gate's lease and let go: it then goes on in the middle of what it was doing, long after others have done it. No
 * firing is lost, none is there twice, none leads to two runs, and none comes before its time.
 *
 * LASTCALL_TEST_CLAIM_INJECTIONS=300: so many kills and stops instead of 30.
 */

const REPLICAS = 3;
const INJECTIONS = Number(process.env['LASTCALL_TEST_CLAIM_INJECTIONS'] ?? 30);
const BETWEEN_MS = 1_200;
const LEASE_MS = 1_000;
/** Of single times; one job and one installation each, so that no run waits for another. */
const JOBS = Math.round(INJECTIONS * 5);
const SERIES = 4;
const LEAD_MS = 2_000;
/** To save one job, on a busy machine with a slow store. */
const SAVE_MS = 200;
const TIMEOUT_MS = 180_000 + INJECTIONS * 3_000;

describeWith('nats', 'three replicas of the scheduler, with NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => {
    let stack: Stack;
    const replicas: ServiceReplica[] = [];
    let channel: Channel;
    let scheduler: UnaryClient<typeof schedulerV1.SchedulerServiceService>;

    beforeAll(async () => {
      stack = await startStack({ modules: [catalogModule], bus: 'nats', store: 'mongodb' });
      const ports = await findFreePorts(2 * REPLICAS);
      for (let i = 0; i < REPLICAS; i++) {
        const env = {
          LASTCALL_STORE: mongodbUrl() ?? '',
          LASTCALL_PREFIX: stack.prefix,
          LASTCALL_IDENTITY_DIR: stack.identityDir,
          LASTCALL_CATALOG_ADDRESS: stack.grpcAddress,
          LASTCALL_DATA_DIR: join(stack.dataDir, `scheduler-${i}`),
          LASTCALL_HTTP_ADDRESS: `127.0.0.1:${ports[2 * i + 1]}`,
          LASTCALL_GATE_LEASE_MS: String(LEASE_MS),
        };
        replicas.push(await createReplica('scheduler', `127.0.0.1:${ports[2 * i]}`, env));
      }
      await Promise.all(replicas.map((replica) => replica.start()));
      channel = openChannel({ address: replicas[0]!.address, credential: () => stack.token('admin') });
      scheduler = createClient(schedulerV1.SchedulerServiceService, channel);
      await addInstallations();
    }, TIMEOUT_MS);
    afterAll(async () => {
      channel.close();
      for (const { child } of replicas) child.kill('SIGCONT');
      await Promise.all(replicas.map(({ child }) => child.stop()));
      await Promise.all(replicas.map(({ nats }) => nats.remove()));
      await stack.stop();
      await dropMongoDatabase(mongodbUrl() ?? '', `${stack.prefix}_scheduler`);
    }, 60_000);

    const installationOf = (n: number): string => `site-${n}`;
    async function addInstallations(): Promise<void> {
      const catalog = stack.client(catalogV1.CatalogServiceService);
      await catalog.createProduct({ productId: 'encore', product: catalogV1.Product.fromPartial({ title: 'Encore' }) });
      const installation = catalogV1.Installation.fromPartial({
        ...{ title: 'Site', product: 'encore', channel: 'stable', timeZone: 'UTC' },
        kind: commonV1.InstallationKind.MULTI_USER,
      });
      await inParallel(JOBS + SERIES, async (n) => {
        const installationId = installationOf(n);
        await catalog.createInstallation({ installationId, installation });
        await stack.publish('HostJoined', installationId, hostOf(installationId));
      });
      const known = () => stack.envelopes.filter(({ type }) => type === 'InstalledReleaseChanged').length;
      await until(() => known() >= JOBS + SERIES, 'all hosts to be known', 60_000);
    }

    async function save(n: number, start: schedulerV1.StartCondition): Promise<Date> {
      const parent = `installations/${installationOf(n)}`;
      const job = schedulerV1.Job.fromPartial({ title: 'Backup', type: commonV1.JobType.DATA_BACKUP, start });
      const { createJob, enableJob } = scheduler;
      await createJob({ parent, jobId: 'nightly', job, confirmedCautions: [] });
      const enabled = await enableJob({ name: `${parent}/jobs/nightly`, etag: '', confirmedCautions: [] });
      return enabled.job?.nextDueTime ?? new Date(0);
    }

    /** Kills one, or holds one, and never all of them. */
    async function disturb(injection: number): Promise<void> {
      const replica = replicas[injection % REPLICAS]!;
      if (injection % 2 === 0) {
        await replica.kill();
        return replica.start();
      }
      replica.child.kill('SIGSTOP');
      await pause(2 * LEASE_MS);
      replica.child.kill('SIGCONT');
    }

    /** A run ends when the host has said that its backup is there. */
    async function answerRuns(signal: AbortSignal): Promise<void> {
      for (let seen = 0; !signal.aborted; await pause(20)) {
        for (; seen < stack.envelopes.length; seen++) {
          const envelope = stack.envelopes[seen]!;
          if (envelope.type !== 'RunStarted') continue;
          const { run } = decodeEvent('RunStarted', envelope);
          const taken = eventsV1.BackupTaken.fromPartial({ run: run ?? {} });
          await stack.publish('BackupTaken', envelope.installation, taken);
        }
      }
    }

    it(
      `loses no firing and makes none twice, over ${INJECTIONS} kills and stops`,
      async () => {
        const spread = INJECTIONS * BETWEEN_MS;
        const from = Date.now() + LEAD_MS + JOBS * SAVE_MS;
        const at = (n: number): string => new Date(from + (n * spread) / JOBS).toISOString().slice(0, 19);
        const due = new Map<string, Date>();
        await inParallel(JOBS, async (n) => {
          const start = { condition: { $case: 'time' as const, value: { localTime: at(n) } } };
          due.set(installationOf(n), await save(n, start));
        });
        for (let n = JOBS; n < JOBS + SERIES; n++) {
          const start = { condition: { $case: 'series' as const, value: { cron: '* * * * *' } } };
          due.set(installationOf(n), await save(n, start));
        }
        expect(Date.now()).toBeLessThan(from);

        const over = new AbortController();
        const answering = answerRuns(over.signal);
        await pause(from - Date.now());
        // Each replica has its own queue of them: the next one does not wait for what is being done to another.
        const disturbed = replicas.map(() => Promise.resolve());
        for (let injection = 0; injection < INJECTIONS; injection++) {
          const replica = injection % REPLICAS;
          disturbed[replica] = disturbed[replica]!.then(() => disturb(injection));
          await pause(BETWEEN_MS);
        }
        await Promise.all(disturbed);
        const runs = () => startedRuns(stack);
        const finished = () => new Set(stack.envelopes.filter(({ type }) => type === 'RunFinished').map(sourceOf)).size;
        await until(() => runs().length >= JOBS && finished() >= runs().length, 'every run to end', 120_000);
        over.abort();
        await answering;

        for (const [installation, first] of due) {
          const parent = `installations/${installation}/jobs/nightly`;
          const { firings } = await scheduler.listFirings({ parent, pageSize: 0, pageToken: '' });
          const decided = firings.filter(({ fate }) => fate !== schedulerV1.FiringFate.UNSPECIFIED).reverse();
          expect(decided.map(({ fate }) => fate)).toEqual(decided.map(() => schedulerV1.FiringFate.FIRED));
          const expected = decided.map((_, i) => first.getTime() + i * MINUTE_MS);
          expect(decided.map(({ nominalTime }) => nominalTime?.getTime())).toEqual(expected);
          expect(decided.length).toBeGreaterThanOrEqual(1);
          const started = runs().filter((one) => one.installation === installation);
          expect(started.map(({ run }) => run)).toEqual(decided.map(({ run }) => run));
          expect(started.filter(({ saidAt, nominalAt }) => saidAt < nominalAt)).toEqual([]);
          // One that was held may take a number for a run that is over.
          const fences = started.map(({ fence }) => fence ?? 0);
          expect(fences).toEqual([...new Set(fences)].toSorted((a, b) => a - b));
        }
      },
      TIMEOUT_MS,
    );
  });
});

const sourceOf = ({ source }: { readonly source: string }): string => source;

/** As they were said; an event that was said twice has one id. */
function startedRuns(stack: Stack) {
  const said = stack.envelopes.filter(({ type }) => type === 'RunStarted');
  const once = [...new Map(said.map((envelope) => [envelope.id, envelope])).values()];
  return once.map((envelope) => {
    const { run } = decodeEvent('RunStarted', envelope);
    const { installation, time: saidAt } = envelope;
    const nominalAt = run?.nominalTime?.getTime() ?? Infinity;
    return { installation, saidAt, nominalAt, run: run?.run, fence: run?.fence };
  });
}

function hostOf(installation: string): eventsV1.HostJoined {
  return eventsV1.HostJoined.fromPartial({
    ...{
      installation,
      host: 'srv1',
      role: commonV1.HostRole.SERVER,
      installedVersion: '11.0.0',
      platform: 'linux-x64',
    },
    publicKey: Buffer.alloc(32),
  });
}

async function inParallel(count: number, act: (n: number) => Promise<void>): Promise<void> {
  const numbers = Array.from({ length: count }, (_, n) => n).values();
  const worker = async (): Promise<void> => {
    for (const n of numbers) await act(n);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}
