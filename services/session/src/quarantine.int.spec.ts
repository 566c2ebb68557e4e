import { commonV1, runSpecToWire, sessionV1 } from '@lastcall/contracts';
import { startStack, until, type Stack } from '@lastcall/testkit';
import { sessionModule } from './service.js';
import {
  backupTaken,
  INSTALLATION,
  installationUpdated,
  quarantined,
  withoutTerminalServers,
} from './testing/run-events.js';
import { aboutRun, openSite, SITE_SETTINGS, type Site } from './testing/site.js';

/*
 * A host that a failed run could not bring back: it stays shut with an alarm that says what to do, the others go on, and it opens when it
 * is released.
 */

const { RefusalReason, GateState } = sessionV1;
let site: Stack & Site;

beforeEach(async () => {
  site = await openSite(await startStack({ modules: [sessionModule], settings: SITE_SETTINGS }));
});
afterEach(() => site.stop());

it('lets nobody in on a host that was switched off until it has caught up, and says why it could not', async () => {
  const run = await site.shutFor(withoutTerminalServers({ reactionTimeMs: 0 }));
  await site.seen('SessionsDrained', aboutRun(run));
  await site.publish('BackupTaken', INSTALLATION, backupTaken(run));
  await site.seen('DrainConfirmed', aboutRun(run));
  // Of one source, so that they come in this order.
  const source = `installer/plans/${run.run}`;
  const ofHost = { run: runSpecToWire(run), host: 'ws9' };
  await site.publish(
    'InstallationUpdated',
    INSTALLATION,
    { ...installationUpdated(run), absentHosts: ['ws9'] },
    source,
  );
  const { message } = await site.seen('GateReopened', aboutRun(run));
  // Nobody waits for it: the run has succeeded.
  expect(message).toMatchObject({ outcome: commonV1.RunOutcome.SUCCEEDED, shutHosts: {} });
  await site.attached({ host: 'ws1', version: run.toVersion });
  const hello = { host: 'ws9', version: run.toVersion };
  expect(await site.attach(hello).until('refused')).toMatchObject({ reason: RefusalReason.HOST_SHUT });

  await site.publish('HostCatchUpBegun', INSTALLATION, ofHost, source);
  const failure = { reason: 'HEALTH_LOST', message: 'the port is silent', host: 'ws9', facts: {} };
  await site.publish('HostCatchUpFailed', INSTALLATION, { ...ofHost, failure, givenUp: true }, source);
  await until(async () => (await site.gate()).alarm, 'the alarm');
  expect((await site.gate()).shutHosts).toEqual({ ws9: expect.stringContaining('the port is silent') });
  // What failed is for operators.
  const why = { reason: RefusalReason.HOST_SHUT, text: expect.stringContaining('The update of ws9 has failed') };
  expect(await site.attach(hello).until('refused')).toMatchObject(why);

  await site.publish(
    'HostUpdated',
    INSTALLATION,
    { ...ofHost, fromVersion: '11.0.0', toVersion: run.toVersion },
    source,
  );
  await until(async () => !(await site.gate()).alarm, 'the alarm to end');
  await site.attached(hello);
}, 30_000);

it('shuts the gate for that host alone, until it is released', async () => {
  const run = await site.shutFor({ reactionTimeMs: 0 });
  await site.seen('SessionsDrained', aboutRun(run));
  await site.publish('BackupTaken', INSTALLATION, backupTaken(run));
  await site.seen('DrainConfirmed', aboutRun(run));
  await site.publish('InstallationQuarantined', INSTALLATION, quarantined(run, 'ts1'));
  const { message } = await site.seen('GateReopened', aboutRun(run));
  expect(message).toMatchObject({ outcome: commonV1.RunOutcome.QUARANTINED, version: '11.0.0' });
  expect(message.shutHosts).toEqual({ ts1: expect.stringContaining('lastcall host release-quarantine ts1') });
  expect(await site.gate()).toMatchObject({ state: GateState.OPEN, alarm: true });
  await site.attached({ host: 'ws1', version: '11.0.0' });
  const refused = await site.attach({ host: 'ts1', version: '11.0.0' }).until('refused');
  expect(refused).toMatchObject({ reason: RefusalReason.HOST_SHUT, text: expect.stringContaining('ts1') });

  await site.publish('HostReleased', INSTALLATION, { run: runSpecToWire(run), host: 'ts1' });
  await until(async () => !(await site.gate()).alarm, 'the alarm to end');
  expect((await site.gate()).shutHosts).toEqual({});
  await site.attached({ host: 'ts1', version: '11.0.0' });
});
