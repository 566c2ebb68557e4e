import { catalogV1, commonV1, formatName, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import type { UnaryClient } from '@lastcall/sdk';
import { until } from '@lastcall/testkit';
import type { Bench } from './benchmark.js';
import type { Lastcall } from './lastcall.js';
import { joinLightHost } from './light-host.js';

/*
 * Installations of a tiny product, each with a server and a workstation that are always there, and runs on them as an operator starts
 * them: a saved job that is enabled.
 */

const PRODUCT = 'tiny';
const { HostRole, InstallationKind, JobType, RunOutcome } = commonV1;
const HOSTS = [
  { host: 'server', role: HostRole.SERVER },
  { host: 'desk', role: HostRole.WORKSTATION },
] as const;
const CAUTIONS = ['users-logged-in', 'inside-business-hours', 'collides-with-job'];
const RUN_TIMEOUT_MS = 60_000;

export interface Sites {
  readonly installations: readonly string[];
  /** Publishes the next version; jobs take the newest. */
  publishNext(): Promise<void>;
  /** Saves and enables a job. */
  save(installation: string, start: schedulerV1.StartCondition): Promise<SavedJob>;
}

export interface SavedJob {
  /** Resolves with the id of its run when that has ended well. */
  ended(): Promise<string>;
}

export async function createSites(bench: Bench, lastcall: Lastcall, count: number): Promise<Sites> {
  const catalog = lastcall.client('catalog', catalogV1.CatalogServiceService);
  const scheduler = lastcall.client('scheduler', schedulerV1.SchedulerServiceService);
  const begun = new Map<string, (run: string) => void>();
  const onOrder = (installation: string, run: string): void => {
    begun.get(installation)?.(run);
    begun.delete(installation);
  };
  let minor = 0;
  let jobs = 0;
  const publishNext = (): Promise<void> => publish(lastcall, catalog, `1.${minor++}.0`);
  await catalog.createProduct(
    catalogV1.CreateProductRequest.fromPartial({ productId: PRODUCT, product: { title: 'Tiny' } }),
  );
  await publishNext();
  const installations = Array.from({ length: count }, (_, i) => `site-${i + 1}`);
  await Promise.all(installations.map((id) => addInstallation(bench, lastcall, catalog, id, onOrder)));
  return {
    installations,
    publishNext,
    save: async (installation, start) => {
      const job = `job-${++jobs}`;
      const name = formatName('job', { installation, job });
      const run = new Promise<string>((resolve) => begun.set(installation, resolve));
      await scheduler.createJob(jobRequest(installation, job, start));
      await scheduler.enableJob({ name, etag: '', confirmedCautions: CAUTIONS });
      return { ended: async () => watchToEnd(scheduler, installation, await run) };
    },
  };
}

function jobRequest(installation: string, jobId: string, start: schedulerV1.StartCondition) {
  return schedulerV1.CreateJobRequest.fromPartial({
    parent: formatName('installation', { installation }),
    jobId,
    job: { title: jobId, type: JobType.SOFTWARE_UPDATE, start, maxRunTime: { seconds: 600n, nanos: 0 } },
    confirmedCautions: CAUTIONS,
  });
}

type Scheduler = UnaryClient<schedulerV1.SchedulerServiceService>;
type Catalog = UnaryClient<catalogV1.CatalogServiceService>;

async function watchToEnd(scheduler: Scheduler, installation: string, run: string): Promise<string> {
  const name = formatName('run', { installation, run });
  for await (const { run: seen } of scheduler.watchRun({ name }, { timeoutMs: RUN_TIMEOUT_MS })) {
    if (seen?.finishTime === undefined) continue;
    if (seen.outcome === RunOutcome.SUCCEEDED) return run;
    const why = seen.failure?.message ?? 'no reason was given';
    throw new Error(`${name} ended with ${commonV1.runOutcomeToJSON(seen.outcome)}: ${why}`);
  }
  throw new Error(`nothing more was heard of ${name}`);
}

async function publish(lastcall: Lastcall, catalog: Catalog, version: string): Promise<void> {
  const file = Buffer.from(`version ${version}\n`);
  const sha256 = sha256Hex(file);
  const manifest = [
    `product: ${PRODUCT}`,
    `version: ${version}`,
    `title: Tiny ${version}`,
    'artifacts:',
    '  - { role: server, directory: server }',
    '  - { role: workstation, directory: client }',
    'commands: {}',
    '',
  ].join('\n');
  const files = [{ path: 'version.txt', mode: 0o644, sizeBytes: BigInt(file.byteLength), sha256 }];
  const { missingBlobs } = await catalog.createRelease(
    catalogV1.CreateReleaseRequest.fromPartial({
      parent: formatName('product', { product: PRODUCT }),
      manifest: Buffer.from(manifest),
      artifacts: HOSTS.map(({ role }) => ({ role, platform: 'any', files })),
    }),
  );
  if (missingBlobs.length > 0) {
    const headers = { authorization: `Bearer ${lastcall.operatorToken}` };
    const answer = await fetch(`${lastcall.catalogUrl}/blobs/${sha256}`, { method: 'PUT', headers, body: file });
    if (!answer.ok) throw new Error(`the blob was refused: ${answer.status} ${await answer.text()}`);
  }
  await catalog.publishRelease(
    { name: formatName('release', { product: PRODUCT, version }), channel: 'stable' },
    { timeoutMs: RUN_TIMEOUT_MS },
  );
}

async function addInstallation(
  bench: Bench,
  lastcall: Lastcall,
  catalog: Catalog,
  id: string,
  onOrder: (installation: string, run: string) => void,
): Promise<void> {
  const installation = catalogV1.Installation.fromPartial({
    title: id,
    product: PRODUCT,
    kind: InstallationKind.MULTI_USER,
    channel: 'stable',
    timeZone: 'UTC',
    reactionTime: { seconds: 0n, nanos: 0 },
  });
  await catalog.createInstallation({ installationId: id, installation });
  for (const host of HOSTS) await addHost(bench, lastcall, id, host, onOrder);
  const name = formatName('installation', { installation: id });
  await until(
    async () => (await catalog.getInstallation({ name })).installation?.hosts.length === HOSTS.length,
    'the hosts to join',
  );
  // The gate learns of the installation by an event; a run that is faster would find none.
  const session = lastcall.client('session', sessionV1.SessionServiceService);
  const gate = { name: formatName('gate', { installation: id }) };
  await until(async () => (await session.getGate(gate)).gate?.version === '1.0.0', 'the gate to know the installation');
}

function addHost(
  bench: Bench,
  lastcall: Lastcall,
  installation: string,
  host: (typeof HOSTS)[number],
  onOrder: (installation: string, run: string) => void,
): Promise<void> {
  return joinLightHost(bench, lastcall, {
    ...{ installation, ...host },
    onOrder: ({ run }) => run !== '' && onOrder(installation, run),
  });
}
