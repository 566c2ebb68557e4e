import { commonV1, hostOrderV1, operationsV1, sessionV1, type eventsV1 } from '@lastcall/contracts';
import { CODE } from '@lastcall/sdk';
import { startStack, type Stack, type StackOptions } from '@lastcall/testkit';
import { sessionModule } from './service.js';
import { backupTaken, INSTALLATION, installationUpdated } from './testing/run-events.js';
import { aboutRun, GATE, openSite, SITE_SETTINGS, type Site } from './testing/site.js';

/*
 * A terminal server whose client could not be started by itself: it stays shut with an alarm and holds nobody up, until a person starts
 * the client there with the code.
 */

const { EndReason, RefusalReason } = sessionV1;
let site: Stack & Site;

beforeEach(async () => {
  site = await start();
});
afterEach(() => site.stop());

async function start(options: Omit<StackOptions, 'modules'> = {}): Promise<Stack & Site> {
  const settings = { ...SITE_SETTINGS, ...options.settings };
  return openSite(await startStack({ modules: [sessionModule], ...options, settings }));
}

const onTerminal = { host: 'ts1', version: '11.1.0' };
const firstStart = () => site.operator().getFirstStart({ name: GATE, host: 'ts1' });

async function updateWithoutFirstStart(): Promise<eventsV1.GateReopened> {
  const run = await site.shutFor({ reactionTimeMs: 0 });
  await site.seen('SessionsDrained', aboutRun(run));
  await site.publish('BackupTaken', INSTALLATION, backupTaken(run));
  await site.seen('DrainConfirmed', aboutRun(run));
  await site.publish('InstallationUpdated', INSTALLATION, installationUpdated(run));
  const { message } = await site.seen('HostOrderIssued', ({ order }) => order?.run === run.run);
  const failure = commonV1.Failure.fromPartial({ reason: 'NO_COMMAND', message: 'There is no command for it.' });
  await site.publish('HostOrderCompleted', INSTALLATION, {
    order: message.order,
    result: hostOrderV1.OrderResult.fromPartial({ failure }),
  });
  return (await site.seen('GateReopened', aboutRun(run))).message;
}

it('is proven by a client that a person starts, long after the gate has opened', async () => {
  const { shutHosts } = await updateWithoutFirstStart();
  expect(shutHosts).toEqual({
    ts1: 'There is no command for it. An administrator has to start the client there once.',
  });
  expect(await site.gate()).toMatchObject({ state: sessionV1.GateState.OPEN, alarm: true });
  await site.attached({ host: 'ws1', version: '11.1.0' });
  expect((await site.attach(onTerminal).until('refused')).reason).toBe(RefusalReason.HOST_SHUT);

  const { code, version } = await firstStart();
  expect(version).toBe('11.1.0');
  const wrong = await site.attach({ ...onTerminal, version: '11.0.0', firstStartCode: code }).until('refused');
  expect(wrong.reason).toBe(RefusalReason.WRONG_VERSION);
  expect((await site.attach({ ...onTerminal, firstStartCode: 'guessed' }).until('refused')).reason).toBe(
    RefusalReason.HOST_SHUT,
  );
  const proof = await site.attach({ ...onTerminal, firstStartCode: code }).until('ended');
  expect(proof.reason).toBe(EndReason.FIRST_START_DONE);
  expect(await site.gate()).toMatchObject({ alarm: false, shutHosts: {} });
  await site.attached(onTerminal);
  await expect(firstStart()).rejects.toMatchObject({ code: CODE.failedPrecondition, reason: 'NO_FIRST_START' });
});

it('gives the code to operators only, and every reading of it is on record', async () => {
  await updateWithoutFirstStart();
  const viewer = site.client(sessionV1.SessionServiceService, 'viewer', INSTALLATION);
  await expect(viewer.getFirstStart({ name: GATE, host: 'ts1' })).rejects.toMatchObject({
    code: CODE.permissionDenied,
  });
  await firstStart();
  const { auditRecords } = await site
    .client(operationsV1.OperationsServiceService)
    .listAuditRecords({ pageSize: 10, pageToken: '', ownProcess: true });
  expect(auditRecords).toMatchObject([{ actor: 'operator', resource: GATE }]);
  expect(auditRecords[0]?.method).toContain('GetFirstStart');
});
