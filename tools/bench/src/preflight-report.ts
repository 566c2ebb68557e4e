import type { hostOrderV1 } from '@lastcall/contracts';
import { catalogV1, commonV1, formatName, preflightV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { until } from '@lastcall/testkit';
import { atMost, type Bench } from './benchmark.js';
import type { Lastcall } from './lastcall.js';
import { joinLightHost } from './light-host.js';
import { readCpuMs } from './process-usage.js';
import { rounded, summarize } from './statistics.js';

/*
 * One installation with many hosts that answer at once, and a release that demands something of each kind. What is measured is everything
 * between: orders to the streams, answers from them, each a durable write, and the checks.
 */

const PRODUCT = 'many-hosts';
const INSTALLATION = 'many-hosts';
const GOAL_MS = 3_000;
const TIMEOUT_MS = 60_000;
const GIB = 1024n ** 3n;
const FOLDERS = ['/srv/app/data', '/srv/app/current'];
const PROCESSES = ['app', 'app-server'];
const PORTS = [8_080, 8_081, 5_432];

const MANIFEST = `title: Many hosts
artifacts:
  - { role: server, directory: a }
  - { role: workstation, directory: b }
requires:
  os: [{ name: linux, version: "4.0" }]
  cpus: 2
  memory: 4GiB
  stageFree: 1GiB
  backupFree: 1GiB
  ports: [${PORTS.join(', ')}]
antivirus:
  folders: [${FOLDERS.join(', ')}]
  processes: [${PROCESSES.join(', ')}]
commands: {}
`;

export async function measureReports(bench: Bench, lastcall: Lastcall, hosts: number, reports: number) {
  await createInstallation(lastcall);
  for (let i = 0; i < hosts; i++) await addLightHost(bench, lastcall, i);
  const catalog = lastcall.client('catalog', catalogV1.CatalogServiceService);
  const name = formatName('installation', { installation: INSTALLATION });
  await until(
    async () => (await catalog.getInstallation({ name })).installation?.hosts.length === hosts,
    'the hosts to join',
    TIMEOUT_MS,
  );
  await publishVersion(lastcall, '1.1.0');
  bench.say(`${hosts} hosts are connected`);
  const pid = lastcall.pidOf('preflight');
  const cpuMs = readCpuMs(pid);
  const times: number[] = [];
  let checks = 0;
  for (let i = 1; i <= reports; i++) {
    const began = performance.now();
    const report = await askAll(lastcall, name);
    times.push(performance.now() - began);
    checks = report.checks.length;
    bench.say(`report ${i}/${reports}: ${checks} checks of ${hosts} hosts in ${Math.round(times.at(-1) ?? 0)} ms`);
  }
  const summary = summarize(times);
  const each = times.map((ms) => rounded(ms));
  return {
    figures: { hosts, checks, reportMs: summary, each, cpuMsPerReport: rounded((readCpuMs(pid) - cpuMs) / reports) },
    goals: { slowestReportMs: atMost(GOAL_MS, summary.max) },
  };
}

async function askAll(lastcall: Lastcall, parent: string): Promise<preflightV1.Report> {
  const preflight = lastcall.client('preflight', preflightV1.PreflightServiceService);
  const { report: begun } = await preflight.createReport(
    { parent, version: '1.1.0', job: '' },
    { timeoutMs: TIMEOUT_MS },
  );
  const name = begun?.name ?? '';
  const { UNSPECIFIED, PASSED } = preflightV1.Verdict;
  let report = preflightV1.Report.create();
  await until(
    async () => {
      report = (await preflight.getReport({ name })).report ?? report;
      return report.verdict !== UNSPECIFIED;
    },
    'the verdict',
    TIMEOUT_MS,
  );
  const bad = report.checks.find((check) => check.verdict !== PASSED && check.verdict !== preflightV1.Verdict.SKIPPED);
  if (report.verdict !== PASSED) throw new Error(`the report is not green: ${JSON.stringify(bad)}`);
  return report;
}

async function createInstallation(lastcall: Lastcall): Promise<void> {
  const catalog = lastcall.client('catalog', catalogV1.CatalogServiceService);
  await catalog.createProduct(
    catalogV1.CreateProductRequest.fromPartial({ productId: PRODUCT, product: { title: 'Many hosts' } }),
  );
  await publishVersion(lastcall, '1.0.0');
  const kind = commonV1.InstallationKind.MULTI_USER;
  const installation = { title: PRODUCT, product: PRODUCT, kind, channel: 'stable', timeZone: 'UTC' };
  await catalog.createInstallation({
    installationId: INSTALLATION,
    installation: catalogV1.Installation.fromPartial(installation),
  });
}

async function publishVersion(lastcall: Lastcall, version: string): Promise<void> {
  const catalog = lastcall.client('catalog', catalogV1.CatalogServiceService);
  const file = Buffer.from(`version ${version}\n`);
  const sha256 = sha256Hex(file);
  const files = [{ path: 'version.txt', mode: 0o644, sizeBytes: BigInt(file.byteLength), sha256 }];
  const { SERVER, WORKSTATION } = commonV1.HostRole;
  await catalog.createRelease(
    catalogV1.CreateReleaseRequest.fromPartial({
      parent: formatName('product', { product: PRODUCT }),
      manifest: Buffer.from(`product: ${PRODUCT}\nversion: ${version}\n${MANIFEST}`),
      artifacts: [SERVER, WORKSTATION].map((role) => ({ role, platform: 'any', files })),
    }),
  );
  const headers = { authorization: `Bearer ${lastcall.operatorToken}` };
  const answer = await fetch(`${lastcall.catalogUrl}/blobs/${sha256}`, { method: 'PUT', headers, body: file });
  if (!answer.ok) throw new Error(`the blob was refused: ${answer.status} ${await answer.text()}`);
  await catalog.publishRelease(
    { name: formatName('release', { product: PRODUCT, version }), channel: 'stable' },
    { timeoutMs: TIMEOUT_MS },
  );
}

/** The first is the server. */
function addLightHost(bench: Bench, lastcall: Lastcall, index: number): Promise<void> {
  const { SERVER, WORKSTATION } = commonV1.HostRole;
  return joinLightHost(bench, lastcall, {
    ...{ installation: INSTALLATION, host: `host-${index}`, role: index === 0 ? SERVER : WORKSTATION },
    facts: FACTS,
    onOrder: () => undefined,
  });
}

/** As much as a real host says. */
const FACTS: Partial<hostOrderV1.HostFacts> = {
  os: 'linux',
  osVersion: '6.1.0',
  architecture: 'x64',
  cpuCount: 8,
  memoryBytes: 16n * GIB,
  stageFreeBytes: 100n * GIB,
  backupFreeBytes: 100n * GIB,
  backupNeededBytes: 20n * GIB,
  dataBytes: 10n * GIB,
  agentVersion: '0.1.0',
  installedVersion: '1.0.0',
  canBackUp: true,
  ports: PORTS.map((port) => ({ port, usable: true })),
  antivirus: {
    product: 'clamav',
    source: '/etc/clamav/clamd.conf',
    exceptions: [
      ...FOLDERS.map((value) => ({ kind: 'folder', value, present: true })),
      ...PROCESSES.map((value) => ({ kind: 'process', value, present: true })),
    ],
  },
};
