import { commonV1, sessionV1 } from '@lastcall/contracts';
import { CODE } from '@lastcall/sdk';
import { describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { openDocuments } from './documents.js';
import { sessionModule } from './service.js';
import { AttachClient, attachedOn, type Attached } from './testing/attach-client.js';
import {
  backupFailed,
  backupTaken,
  cancelled,
  INSTALLATION,
  installationChanged,
  installationUpdated,
  quarantined,
  rolledBack,
  runSpec,
  stagingCompleted,
  withoutTerminalServers,
} from './testing/run-events.js';

/*
 * One run through the gate with real streams: told, logged off, proven, shut, reopened; and the clients that make trouble.
 */

const { EndReason, RefusalReason, GateState } = sessionV1;
const GATE = `installations/${INSTALLATION}/gate`;
const PARENT = `installations/${INSTALLATION}`;
const SETTINGS = { sessionLeaseMs: 10_000, resumeGraceMs: 4_000, heartbeatIntervalMs: 5_000, helloTimeoutMs: 3_000 };

function suite(options: Omit<StackOptions, 'modules'>): void {
  let stack: Stack;
  let fence = 0;

  beforeAll(async () => {
    stack = await startStack({ modules: [sessionModule], ...options, settings: { ...SETTINGS, ...options.settings } });
  });
  afterAll(() => stack.stop());

  beforeEach(async () => {
    // Every test has an installation in its first state: known, open, on 11.0.0. The catalog tells the update of the test before first.
    let sequence = 0;
    for (const installedVersion of ['11.1.0', '11.0.0']) {
      const changed = installationChanged({ installedVersion });
      const source = 'catalog/installations/encore-berlin';
      ({ sequence } = await stack.publish('InstallationChanged', INSTALLATION, changed, source));
    }
    const { gates } = await openDocuments(stack.store('session'));
    await until(async () => {
      const data = (await gates.get(INSTALLATION))?.data;
      return data?.versionSequence === sequence && data.gate.phase === 'open';
    }, 'the gate to be as the test needs it');
  });

  const operator = () => stack.client(sessionV1.SessionServiceService);
  const gate = async () => (await operator().getGate({ name: GATE })).gate!;

  const attach = (hello: Partial<sessionV1.Hello> = {}): AttachClient =>
    new AttachClient(stack.channel('client', INSTALLATION), hello);

  const attached = (hello: Partial<sessionV1.Hello> = {}): Promise<Attached> => attachedOn(() => attach(hello));

  const nextRun = (make: typeof runSpec, more: Parameters<typeof runSpec>[0] = {}) => make({ fence: ++fence, ...more });
  const of =
    ({ run }: { run: string }) =>
    (message: { run?: { run: string } | undefined }) =>
      message.run?.run === run;

  it('tells fifty users, logs them off at the deadline, proves zero, refuses while shut, and reopens', async () => {
    const channel = stack.channel('client', INSTALLATION);
    const clients = Array.from({ length: 50 }, (_, i) => new AttachClient(channel, { user: `user-${i}` }));
    await Promise.all(clients.map((client) => client.until('welcome')));
    expect((await operator().countSessions({ parent: PARENT })).count).toBe(50);

    const run = nextRun(runSpec);
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    const notices = await Promise.all(clients.map((client) => client.until('notice')));
    expect(new Set(notices.map(({ notice }) => notice)).size).toBe(1);
    const { message: sent } = await stack.seen('NoticeSent', of(run));
    expect(sent).toMatchObject({ notice: notices[0]?.notice, deadline: notices[0]?.deadline, sessionCount: 50 });
    await stack.seen('GateClosed', of(run));

    // Thirty acknowledge, five log off, five are ready before the time.
    clients.slice(0, 30).forEach((client) => client.acknowledge(sent.notice));
    clients.slice(30, 35).forEach((client) => client.say({ $case: 'goodbye', value: {} }));
    clients.slice(35, 40).forEach((client) => client.say({ $case: 'ready', value: {} }));
    expect((await clients[35]?.until('ended'))?.reason).toBe(EndReason.READY);

    const late = attach({ user: 'late' });
    const refused = await late.until('refused');
    expect(refused).toMatchObject({ reason: RefusalReason.GATE_SHUT, requiredVersion: '11.0.0' });
    expect(refused.text).toMatch(/encore is being updated to 11\.1\.0\. No logins since \d\d:\d\d \(Europe\/Berlin\)/);

    const rest = clients.filter((_, i) => i < 30 || i >= 40);
    const ends = await Promise.all(rest.map((client) => client.until('ended')));
    expect(ends.every(({ reason, comeBack }) => reason === EndReason.DEADLINE && comeBack)).toBe(true);
    const deadline = sent.deadline?.getTime() ?? Infinity;
    for (const client of rest) {
      const at = client.heard.find(({ message }) => message.$case === 'ended')?.at ?? 0;
      expect(at).toBeGreaterThanOrEqual(deadline);
    }

    const { message: drained } = await stack.seen('SessionsDrained', of(run));
    const counts = { told: 50, acknowledged: 30, read: 30, left: 10, ready: 5, ended: 40, lost: 0, holds: 0 };
    expect(drained.summary).toEqual(counts);
    expect((await operator().countSessions({ parent: PARENT })).count).toBe(0);

    await stack.publish('BackupTaken', INSTALLATION, backupTaken(run));
    expect((await stack.seen('DrainConfirmed', of(run))).message.epoch).toBe(drained.epoch);
    await expect(operator().openGate({ name: GATE, reason: 'now' })).rejects.toMatchObject({
      reason: 'INSTALL_RUNNING',
    });

    // The update is there: workstations come in, the terminal server after its first start.
    await stack.publish('InstallationUpdated', INSTALLATION, installationUpdated(run));
    const { message: order } = await stack.seen('HostOrderIssued', (m) => m.order?.run === run.run);
    if (order.order?.action?.$case !== 'startClientOnce') throw new Error('no first start was ordered');
    expect(order.order).toMatchObject({ host: 'ts1', issuedBy: 'session', fence: run.fence });
    await attached({ user: 'early', host: 'ws1', version: '11.1.0' });
    const onTerminal = await attach({ host: 'ts1', version: '11.1.0' }).until('refused');
    expect(onTerminal.reason).toBe(RefusalReason.HOST_SHUT);
    const old = await attach({ host: 'ws1', version: '11.0.0' }).until('refused');
    expect(old).toMatchObject({ reason: RefusalReason.WRONG_VERSION, requiredVersion: '11.1.0' });

    const { code } = order.order.action.value;
    const guess = await attach({ host: 'ts1', version: '11.1.0', firstStartCode: 'guess' }).until('refused');
    expect(guess.reason).toBe(RefusalReason.HOST_SHUT);
    const start = await attach({ host: 'ts1', version: '11.1.0', firstStartCode: code }).until('ended');
    expect(start).toMatchObject({ reason: EndReason.FIRST_START_DONE, comeBack: false });
    await stack.seen('FirstStartProven', (m) => of(run)(m) && m.host === 'ts1');
    const { message: reopened } = await stack.seen('GateReopened', of(run));
    expect(reopened).toMatchObject({ outcome: commonV1.RunOutcome.SUCCEEDED, version: '11.1.0', shutHosts: {} });
    await attached({ host: 'ts1', version: '11.1.0' });
    expect(await gate()).toMatchObject({ state: GateState.OPEN, alarm: false, version: '11.1.0' });
  });

  it('gives who was away the standing notice, and withdraws it when the run is cancelled', async () => {
    const { client, welcome } = await attached({ user: 'bob' });
    const run = nextRun(withoutTerminalServers, { reactionTimeMs: 20_000 });
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    const notice = await client.until('notice');
    client.cut();
    await client.ended;
    const { client: back, welcome: again } = await attached({ user: 'bob', resumeToken: welcome.resumeToken });
    expect(again.session).toBe(welcome.session);
    expect(again.notice).toEqual(notice);
    back.acknowledge(notice.notice);
    await listedUntil(({ acknowledged }) => acknowledged);

    await stack.publish('RunCancelled', INSTALLATION, cancelled(run));
    expect((await back.until('noticeWithdrawn')).notice).toBe(notice.notice);
    const { message } = await stack.seen('GateReopened', of(run));
    expect(message).toMatchObject({ outcome: commonV1.RunOutcome.CANCELLED, failure: { message: 'Not today.' } });
    // Late, and of a run that is over.
    const { epoch } = await gate();
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    await stack.publish('BackupFailed', INSTALLATION, backupFailed(nextRun(withoutTerminalServers)));
    await stack.seen('GateReopened', (m) => m.epoch === 0);
    expect(await gate()).toMatchObject({ state: GateState.OPEN, epoch });
    back.say({ $case: 'goodbye', value: {} });
    await back.ended;
  });

  async function listedUntil(fits: (session: sessionV1.Session) => boolean): Promise<void> {
    const request = { parent: PARENT, pageSize: 0, pageToken: '', user: 'bob', host: '' };
    await until(async () => (await operator().listSessions(request)).sessions.some(fits), 'bob to be listed as he is');
  }

  it('logs off clients that never acknowledge, never read and never close, and one that reconnects in a loop', async () => {
    const { client: silent } = await attached({ user: 'silent' });
    const { client: gone } = await attached({ user: 'gone' });
    let looping = true;
    let loops = 0;
    const loop = (async () => {
      while (looping) {
        const client = attach({ user: 'loop' });
        await Promise.race([client.until('welcome'), client.until('refused')]).catch(() => undefined);
        client.cut();
        await client.ended;
        loops++;
      }
    })();
    const run = nextRun(withoutTerminalServers, { reactionTimeMs: 700 });
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    await gone.until('notice');
    gone.cut();
    expect((await silent.until('ended')).reason).toBe(EndReason.DEADLINE);
    const { message } = await stack.seen('SessionsDrained', of(run), 20_000);
    expect(message.summary).toMatchObject({ acknowledged: 0, left: 0 });
    expect((message.summary?.ended ?? 0) + (message.summary?.lost ?? 0)).toBe(message.summary?.told);
    looping = false;
    await loop;
    expect(loops).toBeGreaterThan(0);
    await stack.publish('InstallationRolledBack', INSTALLATION, rolledBack(run));
    const { message: reopened } = await stack.seen('GateReopened', of(run));
    expect(reopened).toMatchObject({ outcome: commonV1.RunOutcome.ROLLED_BACK, version: '11.0.0' });
  });

  it('keeps the gate shut in quarantine until a person opens it', async () => {
    const run = nextRun(withoutTerminalServers, { reactionTimeMs: 0 });
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    await stack.seen('SessionsDrained', of(run));
    await stack.publish('BackupTaken', INSTALLATION, backupTaken(run));
    await stack.seen('DrainConfirmed', of(run));
    await stack.publish('InstallationQuarantined', INSTALLATION, quarantined(run));
    const { message } = await stack.seen('GateReopened', of(run));
    expect(message.outcome).toBe(commonV1.RunOutcome.QUARANTINED);
    expect(Object.keys(message.shutHosts)).toEqual(['srv']);
    expect(await gate()).toMatchObject({ state: GateState.CLOSED, alarm: true });
    expect((await attach().until('refused')).text).toContain('Ask your administrator');
    const opened = await operator().openGate({ name: GATE, reason: 'looked at it' });
    expect(opened.gate).toMatchObject({ state: GateState.OPEN, alarm: false });
  });

  it('shuts and opens by hand; who waits is told when it opens', async () => {
    const { client } = await attached();
    const closing = await operator().closeGate({
      name: GATE,
      reason: 'New disks.',
      reactionTime: { seconds: 0n, nanos: 3e8 },
    });
    expect(closing.gate?.state).toBe(GateState.CLOSING);
    expect((await client.until('notice')).text).toBe('New disks.');
    expect((await client.until('ended')).reason).toBe(EndReason.DEADLINE);
    await until(async () => (await gate()).state === GateState.CLOSED, 'the gate to be closed');
    const seen: sessionV1.WaitForReopeningResponse[] = [];
    const waiter = stack.client(sessionV1.SessionServiceService, 'client', INSTALLATION);
    const waiting = (async () => {
      for await (const answer of waiter.waitForReopening({ name: PARENT, host: '', language: '' })) {
        seen.push(answer);
        if (seen.length === 1) await operator().openGate({ name: GATE, reason: 'done' });
      }
    })();
    await waiting;
    expect(seen.map(({ open }) => open)).toEqual([false, true]);
    expect(seen[0]?.gate).toMatchObject({ state: GateState.CLOSED, reason: 'New disks.' });
  });

  it('sends a message to everybody without consequence', async () => {
    const { client } = await attached();
    const { notice } = await operator().sendNotice({ parent: PARENT, text: 'Cake in the kitchen.' });
    expect(await client.until('notice')).toMatchObject({ notice: notice?.notice, text: 'Cake in the kitchen.' });
    expect(notice?.deadline).toBeUndefined();
    client.say({ $case: 'goodbye', value: {} });
    await client.ended;
  });

  it('grants a hold when the job allows it, moves the logoff, and takes it back', async () => {
    const { client } = await attached();
    const run = nextRun(withoutTerminalServers, { reactionTimeMs: 10_000, holdsAllowed: true });
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    const first = await client.until('notice');
    client.say({ $case: 'hold', value: { reason: 'One more booking.', duration: { seconds: 600n, nanos: 0 } } });
    const decision = await client.until('holdDecision');
    expect(decision).toMatchObject({ granted: true });
    const moved = await client.until('notice', ({ notice }) => notice !== first.notice);
    expect(moved.deadline).toEqual(decision.expiresAt);
    const { holds } = await operator().listHolds({ parent: PARENT, pageSize: 0, pageToken: '' });
    expect(holds).toMatchObject([{ user: 'ann', reason: 'One more booking.' }]);
    await operator().releaseHold({ name: holds[0]?.name ?? '', reason: 'No.' });
    const back = await client.until('notice', ({ notice }) => notice !== first.notice && notice !== moved.notice);
    expect(back.deadline?.getTime()).toBeLessThan(moved.deadline?.getTime() ?? 0);
    await stack.publish('RunCancelled', INSTALLATION, cancelled(run));
    await stack.seen('GateReopened', of(run));
    client.say({ $case: 'goodbye', value: {} });
    await client.ended;
  });

  it('replaces the first connection by a second one with the same token', async () => {
    const { client, welcome } = await attached();
    const { welcome: second, client: other } = await attached({ resumeToken: welcome.resumeToken });
    expect(second.session).toBe(welcome.session);
    expect((await client.until('ended')).reason).toBe(EndReason.REPLACED);
    const stranger = await attached({ user: 'eve', resumeToken: welcome.resumeToken });
    expect(stranger.welcome.session).not.toBe(welcome.session);
    other.cut();
    stranger.client.cut();
  });

  it.each([
    ['another installation', { installation: 'elsewhere' }, RefusalReason.NOT_PERMITTED],
    ['no user', { user: '' }, RefusalReason.INVALID],
    ['a long name', { user: 'x'.repeat(201) }, RefusalReason.INVALID],
    ['a control character', { displayName: 'a\u0000b' }, RefusalReason.INVALID],
    ['no version', { version: '' }, RefusalReason.INVALID],
    ['another version', { version: '10.0.0' }, RefusalReason.WRONG_VERSION],
  ])('refuses %s with a text', async (_, hello, reason) => {
    const refused = await attach(hello).until('refused');
    expect(refused.reason).toBe(reason);
    expect(refused.text).not.toBe('');
  });

  it.each([
    ['a bidi override', { user: 'ann\u202egnp.exe' }, 'hello.user'],
    ['an isolate', { displayName: '\u2066ann\u2069' }, 'hello.display_name'],
    ['a mark of direction', { user: 'a\u200enn' }, 'hello.user'],
    ['another one', { displayName: 'Ann\u200f' }, 'hello.display_name'],
    ['an Arabic one', { user: 'a\u061cnn' }, 'hello.user'],
    ['half a character', { user: 'ann\ud83d' }, 'hello.user'],
    ['a line break', { displayName: 'Ann\nadmin' }, 'hello.display_name'],
    ['an invisible space', { user: 'an\u200bn' }, 'hello.user'],
    ['a host that is none', { host: '../etc' }, 'hello.host'],
    ['a language that is none', { language: 'de;q=1' }, 'hello.language'],
    ['a kind that is none', { clientKind: 'fridge' }, 'hello.client_kind'],
    ['a version that is none', { version: '11' }, 'hello.version'],
    ['a long code', { firstStartCode: 'x'.repeat(201) }, 'hello.first_start_code'],
  ])('refuses %s in the hello, with the field named', async (_, hello, field) => {
    const refused = await attach(hello).until('refused');
    expect(refused.reason).toBe(RefusalReason.INVALID);
    expect(refused.text.startsWith(`${field} `)).toBe(true);
  });

  it('names all wrong fields at once', async () => {
    const refused = await attach({ user: '', version: '', language: '?' }).until('refused');
    for (const field of ['hello.user', 'hello.version', 'hello.language']) expect(refused.text).toContain(field);
  });

  it('says in the welcome how long a session may be away, and how long a hold may be', async () => {
    const { client, welcome } = await attached();
    expect(welcome).toMatchObject({
      exempt: false,
      resumeGrace: { seconds: 4n, nanos: 0 },
      heartbeatInterval: { seconds: 5n },
      longestHold: { seconds: 14_400n },
    });
    client.say({ $case: 'goodbye', value: {} });
    await client.ended;
  });

  it('refuses an installation that it has not heard of, whoever asks', async () => {
    const client = new AttachClient(stack.channel('client'), { installation: 'elsewhere' });
    const refused = await client.until('refused');
    expect(refused.reason).toBe(RefusalReason.NOT_PERMITTED);
    expect(refused.text).toContain('not known here');
    await expect(operator().getGate({ name: 'installations/elsewhere/gate' })).rejects.toMatchObject({
      code: CODE.notFound,
    });
  });

  it('does not wait for a hello for ever, and takes nothing else for one', async () => {
    const mute = new AttachClient(stack.channel('client', INSTALLATION));
    const odd = new AttachClient(stack.channel('client', INSTALLATION));
    odd.say({ $case: 'heartbeat', value: {} });
    expect((await odd.until('refused')).reason).toBe(RefusalReason.INVALID);
    // It tries again: it may be the server that was slow.
    expect((await mute.until('refused')).reason).toBe(RefusalReason.TOO_MANY);
    await mute.ended;
  });

  it('answers an end of a run that never shut anything, and lets single seats alone', async () => {
    const run = nextRun(withoutTerminalServers);
    await stack.publish('BackupFailed', INSTALLATION, backupFailed(run));
    expect((await stack.seen('GateReopened', of(run))).message).toMatchObject({ epoch: 0, closedAt: undefined });
    const single = nextRun(withoutTerminalServers, { kind: 'single-user' });
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(single));
    const after = nextRun(withoutTerminalServers);
    await stack.publish('BackupFailed', INSTALLATION, backupFailed(after));
    await stack.seen('GateReopened', of(after));
    expect((await gate()).state).toBe(GateState.OPEN);
  });
}

describe('session service, embedded', () => suite({}));
describeWith('mongodb', 'session service, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite({ store: 'mongodb', bus: 'nats' }));
});
