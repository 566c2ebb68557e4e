import { catalogModule } from '@lastcall/catalog';
import { commonV1, hostEdgeV1, installerV1, preflightV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import {
  createTempFolder,
  readMetrics,
  startStack,
  type Metrics,
  type Stack,
  type TempFolder,
} from '@lastcall/testkit';
import { randomBytes } from 'node:crypto';
import { addSite, NAME } from './world/site.js';

/* What alerts look at is said by the services, and changes with what happens: a gate that is shut, a run that is under way. */

const BACKED_UP_MS = 3 * 3_600_000;

let stack: Stack;
let folder: TempFolder;
let valueOf: Metrics['valueOf'];
let reaches: Metrics['reaches'];

beforeAll(async () => {
  const metrics = await readMetrics();
  ({ valueOf, reaches } = metrics);
  const modules = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
  folder = await createTempFolder('gauges');
  // What is counted every few minutes is there when it is counted first.
  const before = await startStack({ modules, dataDir: folder.path });
  await addSite(before);
  await addSite(before, { id: 'bremen' });
  await backUpElsewhere(before, 'bremen', BACKED_UP_MS);
  await before.stop();
  stack = await startStack({ modules, dataDir: folder.path, settings: { metricsAddress: metrics.address } });
}, 60_000);
afterAll(async () => {
  await stack.stop();
  await folder.remove();
});

async function backUpElsewhere(services: Stack, installation: string, agoMs: number): Promise<void> {
  const report = preflightV1.ReportBackupRequest.fromPartial({
    ...{ parent: `installations/${installation}`, takenAt: new Date(Date.now() - agoMs) },
    proof: { evidence: { $case: 'sha256', value: 'ab'.repeat(32) } },
  });
  await services.client(preflightV1.PreflightServiceService).reportBackup(report);
}

it('says when signed metadata ends, who is attached, and that nothing is wrong', async () => {
  const now = Date.now() / 1_000;
  await reaches('signatures_end_seconds', 'role="timestamp"', (at) => at > now + 5 * 86_400 && at < now + 8 * 86_400);
  await reaches('gates', 'phase="open"', (count) => count === 2);
  expect(await valueOf('sessions')).toBe(0);
  expect(await valueOf('gates_in_alarm')).toBe(0);
  expect(await valueOf('gate_shut_seconds')).toBe(0);
}, 30_000);

it('counts hosts, and installations whose data nobody could bring back', async () => {
  const installer = stack.client(installerV1.InstallerServiceService);
  const host = { hostId: 'srv2', role: commonV1.HostRole.SERVER, validMinutes: 5 };
  const { token } = await installer.createJoinToken({ parent: NAME, ...host });
  const publicKey = randomBytes(32);
  const about = { platform: 'linux-x64', agentVersion: '0.1.0', installedVersion: '11.0.0' };
  await stack.client(hostEdgeV1.HostEdgeServiceService).join({ token, publicKey, ...about });
  await reaches('hosts', 'role="server",connected="false"', (count) => count === 1);
  expect(await valueOf('hosts', 'role="server",connected="true"')).toBe(0);
  expect(await valueOf('staging_bytes')).toBe(0);
  await reaches('installations_without_backup', '', (count) => count === 1);
  const age = await valueOf('backup_age_seconds');
  expect(age).toBeGreaterThanOrEqual(BACKED_UP_MS / 1_000);
  expect(age).toBeLessThan(BACKED_UP_MS / 1_000 + 60);
}, 30_000);

it('says for how long a gate is shut, and what is under way', async () => {
  const sessions = stack.client(sessionV1.SessionServiceService);
  const reactionTime = { seconds: 0n, nanos: 0 };
  await sessions.closeGate({ name: `${NAME}/gate`, reason: 'We move.', reactionTime });
  // Preflight waits for the host, which is not there.
  const scheduler = stack.client(schedulerV1.SchedulerServiceService);
  const start = { condition: { $case: 'immediate' as const, value: {} } };
  const job = schedulerV1.Job.fromPartial({ title: 'Backup', type: commonV1.JobType.DATA_BACKUP, start });
  const confirmedCautions = ['users-logged-in', 'inside-business-hours', 'collides-with-job'];
  await scheduler.createJob({ parent: NAME, jobId: 'backup', job, confirmedCautions });
  await scheduler.startJob({ name: `${NAME}/jobs/backup`, confirmedCautions, requestId: '' });
  await reaches('gates', 'phase="open"', (count) => count === 1);
  await reaches('gate_shut_seconds', '', (seconds) => seconds > 0);
  await reaches('runs', 'phase="preflight"', (count) => count === 1);
  await reaches('run_age_seconds', 'phase="preflight"', (seconds) => seconds > 0);
  expect(await valueOf('run_age_seconds', 'phase="preflight"')).toBeLessThan(30);
  expect(await valueOf('run_age_seconds', 'phase="installing"')).toBe(0);
  expect(await valueOf('run_overdue_seconds')).toBe(0);
  expect(await valueOf('firing_lateness_seconds_count')).toBe(1);
}, 30_000);

it('counts what is asked for by HTTP, by route and status, and how long events take', async () => {
  const route = 'route="GET /tuf/*"';
  const get = async (credential: string): Promise<void> => {
    const headers = { authorization: `Bearer ${credential}` };
    await (await fetch(`${stack.httpUrl}/tuf/timestamp.json`, { headers })).arrayBuffer();
  };
  for (const credential of [stack.token('viewer'), stack.token('viewer'), 'guessed']) await get(credential);
  await reaches('http_requests_total', `${route},status="200"`, (requests) => requests === 2);
  expect(await valueOf('http_requests_total', `${route},status="401"`)).toBe(1);
  // The host above has joined, and the catalog has taken that in.
  const joined = 'service="catalog",type="HostJoined"';
  await reaches('event_duration_seconds_count', joined, (events) => events === 1);
  const seconds = await valueOf('event_duration_seconds_sum', joined);
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThan(10);
}, 30_000);
