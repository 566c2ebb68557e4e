import { catalogModule } from '@lastcall/catalog';
import { commonV1, hostEdgeV1, installerV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { createTempFolder, findFreePorts, startStack, until, type Stack, type TempFolder } from '@lastcall/testkit';
import { randomBytes } from 'node:crypto';
import { addSite, NAME } from './world/site.js';

/* What alerts look at is said by the services, and changes with what happens: a gate that is shut, a run that is under way. */

let stack: Stack;
let folder: TempFolder;
let metrics: () => Promise<string>;

beforeAll(async () => {
  const [port] = await findFreePorts(1);
  const metricsAddress = `127.0.0.1:${port}`;
  metrics = async () => (await fetch(`http://${metricsAddress}/metrics`)).text();
  const modules = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
  folder = await createTempFolder('gauges');
  // What is counted every few minutes is there when it is counted first.
  const before = await startStack({ modules, dataDir: folder.path });
  await addSite(before);
  await before.stop();
  stack = await startStack({ modules, dataDir: folder.path, settings: { metricsAddress } });
}, 60_000);
afterAll(async () => {
  await stack.stop();
  await folder.remove();
});

/** Value of the series with these labels. */
async function valueOf(name: string, labels = ''): Promise<number> {
  const found = new RegExp(`^lastcall_${name}\\{[^}]*${labels}[^}]*\\} (\\S+)`, 'm').exec(await metrics());
  return Number(found?.[1] ?? NaN);
}

const reaches = (name: string, labels: string, is: (value: number) => boolean): Promise<void> =>
  until(async () => is(await valueOf(name, labels)), `${name} ${labels}`, 12_000);

it('says when signed metadata ends, who is attached, and that nothing is wrong', async () => {
  const now = Date.now() / 1_000;
  await reaches('signatures_end_seconds', 'role="timestamp"', (at) => at > now + 5 * 86_400 && at < now + 8 * 86_400);
  await reaches('gates', 'phase="open"', (count) => count === 1);
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
  expect(await valueOf('backup_age_seconds')).toBe(0);
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
  await reaches('gates', 'phase="open"', (count) => count === 0);
  await reaches('gate_shut_seconds', '', (seconds) => seconds > 0);
  await reaches('runs', 'phase="preflight"', (count) => count === 1);
  expect(await valueOf('run_overdue_seconds')).toBe(0);
  expect(await valueOf('firing_lateness_seconds_count')).toBe(1);
}, 30_000);
