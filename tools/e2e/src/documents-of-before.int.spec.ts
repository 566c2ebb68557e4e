import { catalogModule } from '@lastcall/catalog';
import {
  catalogV1,
  identityV1,
  installerV1,
  operationsV1,
  preflightV1,
  schedulerV1,
  sessionV1,
} from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { createTempFolder, startStack, type Stack, type TempFolder } from '@lastcall/testkit';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { idsOf } from './world/state-files.js';

/*
 * Documents as version 0.1.0 has written them: some of each collection that an update leaves anything in. A later version starts on them, and
 * everything that lists or shows them does. A version that changes documents records its own file beside this one and leaves this one alone.
 */

interface Stored {
  readonly id: string;
  readonly version: number;
  readonly data: object;
}
type Recorded = Readonly<Record<string, Readonly<Record<string, readonly Stored[]>>>>;

const FILE = join(__dirname, 'fixtures/documents-0.1.0.json');
const RECORDED = JSON.parse(readFileSync(FILE, 'utf8')) as Recorded;
const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];

describe('documents that version 0.1.0 has written', () => {
  let folder: TempFolder;
  let stack: Stack;
  beforeAll(async () => {
    folder = await createTempFolder('documents');
    await (await startStack({ modules: MODULES, dataDir: folder.path })).stop({ keep: true });
    for (const [service, collections] of Object.entries(RECORDED))
      putInto(join(folder.path, `${service}.db`), collections);
    stack = await startStack({ modules: MODULES, dataDir: folder.path });
  });
  afterAll(async () => {
    await stack.stop();
    await folder.remove();
  });

  const ids = (service: string, collection: string): string[] =>
    (RECORDED[service]?.[collection] ?? []).map(({ id }) => id);
  const installations = ids('catalog', 'installations').map((id) => `installations/${id}`);
  const all = { pageSize: 1_000, pageToken: '' };

  it('are there after the start, all of them', () => {
    for (const [service, collections] of Object.entries(RECORDED)) {
      for (const collection of Object.keys(collections)) {
        expect(idsOf(folder.path, service, collection)).toEqual(expect.arrayContaining(ids(service, collection)));
      }
    }
  });

  it('are listed by the catalog', async () => {
    const catalog = stack.client(catalogV1.CatalogServiceService);
    const listed = await catalog.listInstallations(catalogV1.ListInstallationsRequest.fromPartial(all));
    expect(listed.installations.map(({ name }) => name)).toEqual(expect.arrayContaining(installations));
    const { products } = await catalog.listProducts(catalogV1.ListProductsRequest.fromPartial(all));
    for (const { name: parent } of products) {
      const { releases } = await catalog.listReleases(catalogV1.ListReleasesRequest.fromPartial({ ...all, parent }));
      expect(releases.length).toBeGreaterThan(0);
    }
    const tokens = stack.client(identityV1.TokenServiceService);
    expect((await tokens.listTokens(identityV1.ListTokensRequest.fromPartial(all))).tokens).not.toEqual([]);
  });

  it('are listed and shown by the scheduler', async () => {
    const scheduler = stack.client(schedulerV1.SchedulerServiceService);
    let jobs = 0;
    let reports = 0;
    for (const parent of installations) {
      const listed = await scheduler.listJobs(schedulerV1.ListJobsRequest.fromPartial({ ...all, parent }));
      for (const { name } of listed.jobs) await scheduler.listFirings({ ...all, parent: name });
      const { runs } = await scheduler.listRuns(schedulerV1.ListRunsRequest.fromPartial({ ...all, parent }));
      for (const { name } of runs) if ((await scheduler.getRunReport({ name })).report) reports += 1;
      jobs += listed.jobs.length;
    }
    expect(jobs).toBe(ids('scheduler', 'jobs').length);
    expect(reports).toBe(ids('scheduler', 'runs').length);
  });

  it('are listed and shown by the others', async () => {
    const preflight = stack.client(preflightV1.PreflightServiceService);
    const installer = stack.client(installerV1.InstallerServiceService);
    const session = stack.client(sessionV1.SessionServiceService);
    let found = { reports: 0, hosts: 0, plans: 0 };
    for (const parent of installations) {
      const { reports } = await preflight.listReports(preflightV1.ListReportsRequest.fromPartial({ ...all, parent }));
      await preflight.listBackups(preflightV1.ListBackupsRequest.fromPartial({ ...all, parent }));
      const { hosts } = await installer.listHosts(installerV1.ListHostsRequest.fromPartial({ ...all, parent }));
      const { plans } = await installer.listPlans(installerV1.ListPlansRequest.fromPartial({ ...all, parent }));
      await session.getGate({ name: `${parent}/gate` });
      found = {
        reports: found.reports + reports.length,
        hosts: found.hosts + hosts.length,
        plans: found.plans + plans.length,
      };
    }
    expect(found).toEqual({
      reports: ids('preflight', 'reports').length,
      hosts: ids('installer', 'hosts').length,
      plans: ids('installer', 'plans').length,
    });
    const operations = stack.client(operationsV1.OperationsServiceService);
    const { auditRecords } = await operations.listAuditRecords(operationsV1.ListAuditRecordsRequest.fromPartial(all));
    expect(auditRecords.length).toBeGreaterThan(0);
  });
});

/** As if that version had stopped: fields and indexes are made by the one that starts. */
function putInto(file: string, collections: Readonly<Record<string, readonly Stored[]>>): void {
  const db = new DatabaseSync(file);
  for (const [name, documents] of Object.entries(collections)) {
    db.exec(`DELETE FROM c_${name}`);
    const put = db.prepare(`INSERT INTO c_${name} (id, version, data, inbox, said_at) VALUES (?, ?, ?, '[]', 1)`);
    for (const { id, version, data } of documents) put.run(id, version, JSON.stringify(data));
  }
  db.exec("UPDATE collections SET indexes = ''");
  db.close();
}
