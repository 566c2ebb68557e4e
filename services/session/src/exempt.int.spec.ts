import { sessionV1 } from '@lastcall/contracts';
import { describeWith, type Stack, type StackOptions, startStack } from '@lastcall/testkit';
import { sessionModule } from './service.js';
import { backupTaken, INSTALLATION, installationUpdated, withoutTerminalServers } from './testing/run-events.js';
import { aboutRun, PARENT, openSite, SITE_SETTINGS, type Site } from './testing/site.js';

/*
 * Support looks while nobody else is in: exempt users stay inside through the logoff and leave before the install.
 */

const { EndReason, RefusalReason } = sessionV1;
const { hosts } = withoutTerminalServers();
const support = { user: 'support' };

async function start(options: Omit<StackOptions, 'modules'>): Promise<Stack & Site> {
  const settings = { ...SITE_SETTINGS, ...options.settings };
  return openSite(await startStack({ modules: [sessionModule], ...options, settings }));
}

function suite(options: Omit<StackOptions, 'modules'>): void {
  let site: Stack & Site;

  beforeEach(async () => {
    site = await start(options);
    await site.setPolicy({ exemptUsers: ['support'] });
  });
  afterEach(() => site.stop());

  const count = async () => (await site.operator().countSessions({ parent: PARENT })).count;

  it('are told, stay through the logoff, and leave when the data has been backed up', async () => {
    const { client: ann, welcome: hers } = await site.attached({ user: 'ann' });
    const { client: inside, welcome } = await site.attached(support);
    expect([hers.exempt, welcome.exempt]).toEqual([false, true]);
    const run = await site.shutFor({ hosts, reactionTimeMs: 1_000 });
    const notice = await ann.until('notice');
    expect((await inside.until('notice')).notice).toBe(notice.notice);

    expect((await ann.until('ended')).reason).toBe(EndReason.DEADLINE);
    const { message: drained } = await site.seen('SessionsDrained', aboutRun(run));
    expect(drained.summary).toMatchObject({ told: 1, ended: 1, left: 0, lost: 0 });
    expect(inside.count('ended')).toBe(0);
    expect(await count()).toBe(1);

    // The gate is shut for everybody else.
    const { client: second, welcome: late } = await site.attached({ ...support, host: 'ws1' });
    expect(late.exempt).toBe(true);
    expect((await site.attach({ user: 'bob' }).until('refused')).reason).toBe(RefusalReason.GATE_SHUT);
    expect((await site.attach({ ...support, version: '10.0.0' }).until('refused')).reason).toBe(
      RefusalReason.WRONG_VERSION,
    );

    await site.publish('BackupTaken', INSTALLATION, backupTaken(run));
    const ends = await Promise.all([inside, second].map((client) => client.until('ended')));
    for (const end of ends) expect(end).toMatchObject({ reason: EndReason.INSTALL, comeBack: true });
    await site.seen('DrainConfirmed', aboutRun(run));
    expect(await count()).toBe(0);
    expect((await site.attach(support).until('refused')).reason).toBe(RefusalReason.GATE_SHUT);

    await site.publish('InstallationUpdated', INSTALLATION, installationUpdated(run));
    await site.seen('GateReopened', aboutRun(run));
    await site.attached({ ...support, version: '11.1.0' });
  });

  it('do not keep the drain waiting when all the others have left', async () => {
    const { client: ann } = await site.attached({ user: 'ann' });
    await site.attached(support);
    const run = await site.shutFor({ hosts, reactionTimeMs: 10 * 60_000 });
    await ann.until('notice');
    ann.say({ $case: 'goodbye', value: {} });
    const { message } = await site.seen('SessionsDrained', aboutRun(run));
    expect(message.summary).toMatchObject({ told: 1, left: 1, ended: 0, lost: 0 });
    expect(await count()).toBe(1);
  });

  it('keep the time that the notice named when all the others left early and the backup was short', async () => {
    const { client: ann } = await site.attached({ user: 'ann' });
    const { client: waits, welcome } = await site.attached(support);
    const { client: isReady } = await site.attached({ ...support, host: 'ws1' });
    const run = await site.shutFor({ hosts, reactionTimeMs: 4_000 });
    const { deadline } = await waits.until('notice');
    await ann.until('notice');
    ann.say({ $case: 'ready', value: {} });
    await site.seen('SessionsDrained', aboutRun(run));
    await site.publish('BackupTaken', INSTALLATION, backupTaken(run));
    await site.gateUntil(({ phase }) => phase === 'confirming');

    // Who says that nobody has to wait is logged off at once; who loses the connection comes back.
    isReady.say({ $case: 'ready', value: {} });
    expect((await isReady.until('ended')).reason).toBe(EndReason.READY);
    waits.cut();
    const { client: again, welcome: resumed } = await site.attached({ ...support, resumeToken: welcome.resumeToken });
    expect(resumed.session).toBe(welcome.session);
    expect((await site.attach({ ...support, host: 'ws2' }).until('refused')).reason).toBe(RefusalReason.GATE_SHUT);
    expect((await again.until('ended')).reason).toBe(EndReason.INSTALL);
    const endedAt = again.heard.at(-1)?.at ?? 0;
    expect(endedAt - (deadline?.getTime() ?? Infinity)).toBeGreaterThanOrEqual(-5);
    const { envelope } = await site.seen('DrainConfirmed', aboutRun(run));
    expect(envelope.time - (deadline?.getTime() ?? 0)).toBeLessThan(5_000);
    expect(await count()).toBe(0);
  });

  it('are not waited for when they have all gone before', async () => {
    const { client } = await site.attached(support);
    const run = await site.shutFor({ hosts, reactionTimeMs: 10 * 60_000 });
    await site.seen('SessionsDrained', aboutRun(run));
    await site.publish('BackupTaken', INSTALLATION, backupTaken(run));
    await site.gateUntil(({ phase }) => phase === 'confirming');
    client.say({ $case: 'goodbye', value: {} });
    await site.seen('DrainConfirmed', aboutRun(run));
  });

  it('may come back to their session until then, and not after', async () => {
    const { client, welcome } = await site.attached(support);
    const run = await site.shutFor({ hosts, reactionTimeMs: 0 });
    await site.seen('SessionsDrained', aboutRun(run));
    client.cut();
    const { client: again, welcome: resumed } = await site.attached({ ...support, resumeToken: welcome.resumeToken });
    expect(resumed).toMatchObject({ session: welcome.session, exempt: true });
    await site.publish('BackupTaken', INSTALLATION, backupTaken(run));
    await again.until('ended');
    const late = await site.attach({ ...support, resumeToken: resumed.resumeToken }).until('refused');
    expect(late.reason).toBe(RefusalReason.GATE_SHUT);
    await site.seen('DrainConfirmed', aboutRun(run));
  });
}

describe('exempt users, embedded', () => suite({}));
describeWith('mongodb', 'exempt users, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite({ store: 'mongodb', bus: 'nats' }));
});
