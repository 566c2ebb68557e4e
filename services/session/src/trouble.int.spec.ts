import { eventsV1, sessionV1 } from '@lastcall/contracts';
import { MINUTE_MS } from '@lastcall/kernel';
import { connect, type ClientHttp2Session } from 'node:http2';
import { createTempFolder, startStack, until, type Stack, type TempFolder } from '@lastcall/testkit';
import { BY_INSTALLATION, openDocuments, type Documents, type SessionDocument } from './documents.js';
import { sessionModule } from './service.js';
import { AttachClient, helloOf } from './testing/attach-client.js';
import {
  backupTaken,
  INSTALLATION,
  installationChanged,
  installationUpdated,
  runSpec,
  stagingCompleted,
  withoutTerminalServers,
} from './testing/run-events.js';

/*
 * What goes wrong, and what remains: clients that misbehave, replicas that die, restarts in the middle, events that never come.
 */

const { EndReason, RefusalReason, GateState } = sessionV1;
const PARENT = `installations/${INSTALLATION}`;
const GATE = `${PARENT}/gate`;

let stack: Stack;
let documents: Documents;
let folder: TempFolder | undefined;

async function start(settings: Record<string, unknown> = {}, dataDir?: string): Promise<void> {
  stack = await startStack({ modules: [sessionModule], settings, ...(dataDir !== undefined && { dataDir }) });
  documents = await openDocuments(stack.store('session'));
  if (!(await documents.gates.get(INSTALLATION))) {
    await stack.publish('InstallationChanged', INSTALLATION, installationChanged());
    await until(async () => (await documents.gates.get(INSTALLATION)) !== undefined, 'the installation to be known');
  }
}

afterEach(async () => {
  await stack.stop();
  await folder?.remove();
  folder = undefined;
});

const operator = () => stack.client(sessionV1.SessionServiceService);
const attach = (hello: Partial<sessionV1.Hello> = {}) => new AttachClient(stack.channel('client', INSTALLATION), hello);
const inside = () => documents.sessions.count({ index: BY_INSTALLATION, where: { installation: INSTALLATION } });
const phase = async () => (await documents.gates.get(INSTALLATION))?.data.gate.phase;

async function attached(hello: Partial<sessionV1.Hello> = {}): Promise<AttachClient> {
  const client = attach(hello);
  await client.until('welcome');
  return client;
}

/** Says hello and then does not take a byte from the network any more, as a program that hangs. gRPC's client would read on. */
function connectDeaf(hello: Partial<sessionV1.Hello>): ClientHttp2Session {
  const connection = connect(`http://${stack.grpcAddress}`);
  const { path, requestSerialize } = sessionV1.SessionServiceService.attach;
  const stream = connection.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${stack.token('client', INSTALLATION)}`,
  });
  const body = requestSerialize({ message: { $case: 'hello', value: helloOf(hello) } });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  stream.write(Buffer.concat([head, body]));
  return connection;
}

describe('clients', () => {
  it('that are silent are ended, may come back, and are forgotten after the grace', async () => {
    await start({ heartbeatIntervalMs: 200, resumeGraceMs: 300 });
    const client = await attached();
    expect(await client.until('ended')).toMatchObject({ reason: EndReason.CONNECTION, comeBack: true });
    await until(async () => (await inside()) === 0, 'it to be over');
  });

  it('that give a sign of life stay, and each one is answered', async () => {
    await start({ heartbeatIntervalMs: 1_000, maxMessagesPerSecond: 10_000 });
    const client = await attached();
    // Longer than one that is silent may stay.
    const end = Date.now() + 4_000;
    for (let answers = 0; Date.now() < end; answers++) {
      client.say({ $case: 'heartbeat', value: {} });
      await client.until('heartbeat', () => client.count('heartbeat') > answers);
    }
    expect(client.count('ended')).toBe(0);
  });

  it('that send too much are dropped', async () => {
    await start({ maxMessagesPerSecond: 20 });
    const client = await attached();
    for (let i = 0; i < 500; i++) client.say({ $case: 'acknowledgement', value: { notice: 'n', read: false } });
    expect((await client.until('ended')).reason).toBe(EndReason.CONNECTION);
  });

  it('that do not read are dropped, and cost the others nothing', async () => {
    await start({ maxQueuedBytes: 20_000, resumeGraceMs: 200 });
    const reader = await attached({ user: 'reader' });
    const deaf = connectDeaf({ user: 'deaf' });
    await until(async () => (await inside()) === 2, 'both to be inside');
    const text = 'x'.repeat(4_000);
    let sent = 0;
    await until(async () => {
      // What the sockets hold has to be filled first.
      for (let i = 0; i < 10; i++, sent++) await operator().sendNotice({ parent: PARENT, text });
      return (await inside()) === 1;
    }, 'the deaf one to be dropped');
    await reader.until('notice', () => reader.count('notice') === sent);
    expect(reader.count('ended')).toBe(0);
    deaf.destroy();
  });

  it('that come too often are told so', async () => {
    await start({ attachBurstPerUser: 3 });
    const channel = stack.channel('client', INSTALLATION);
    for (let i = 0; i < 3; i++) await new AttachClient(channel, { user: 'loop' }).until('welcome');
    const fourth = await new AttachClient(channel, { user: 'loop' }).until('refused');
    expect(fourth.reason).toBe(RefusalReason.TOO_MANY);
    await new AttachClient(channel, { user: 'other' }).until('welcome');
  });

  it('that are too many are told so', async () => {
    await start({ maxSessionsPerInstallation: 2 });
    await attached({ user: 'a' });
    await attached({ user: 'b' });
    expect(await attach({ user: 'c' }).until('refused')).toMatchObject({ reason: RefusalReason.TOO_MANY });
    expect(await inside()).toBe(2);
  });

  it('whose credential is revoked are ended', async () => {
    await start();
    const credential = stack.token('client', INSTALLATION);
    const { jti } = JSON.parse(Buffer.from(credential.split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
    const client = new AttachClient(stack.channelWith(credential), {});
    await client.until('welcome');
    const other = await attached({ user: 'other' });
    const expiresAt = new Date(Date.now() + MINUTE_MS);
    await stack.publish('TokenRevoked', INSTALLATION, eventsV1.TokenRevoked.fromPartial({ token: jti, expiresAt }));
    expect(await client.until('ended')).toMatchObject({ reason: EndReason.REVOKED, comeBack: false });
    expect(other.count('ended')).toBe(0);
    await until(async () => (await inside()) === 1, 'one of them to be left');
  });

  it('cannot come back as a session that is over, however fast they are', async () => {
    await start();
    for (let i = 0; i < 10; i++) {
      const client = attach({ user: `user-${i}` });
      const { session, resumeToken } = await client.until('welcome');
      client.say({ $case: 'goodbye', value: {} });
      const again = attach({ user: `user-${i}`, resumeToken });
      expect((await again.until('welcome')).session).not.toBe(session);
      again.cut();
    }
  });

  it('cannot come back with a credential that was given to somebody else', async () => {
    await start();
    const { session, resumeToken } = await attach({ user: 'ann' }).until('welcome');
    const thief = new AttachClient(stack.channel('client', INSTALLATION, 'somebody-else'), {
      user: 'ann',
      resumeToken,
    });
    expect((await thief.until('welcome')).session).not.toBe(session);
    // A new credential for the same owner is as good as the old one.
    const renewed = new AttachClient(stack.channel('client', INSTALLATION), { user: 'ann', resumeToken });
    expect((await renewed.until('welcome')).session).toBe(session);
  });

  it('cannot use the token of another session', async () => {
    await start();
    const client = attach({ user: 'ann' });
    const { session, resumeToken } = await client.until('welcome');
    const forged = `${session}.${'A'.repeat(43)}`;
    expect((await attach({ user: 'ann', resumeToken: forged }).until('welcome')).session).not.toBe(session);
    expect((await attach({ user: 'ann', resumeToken: 'nonsense' }).until('welcome')).session).not.toBe(session);
    expect((await attach({ user: 'ann', resumeToken }).until('welcome')).session).toBe(session);
  });
});

describe('replicas', () => {
  const ghost: SessionDocument = {
    installation: INSTALLATION,
    session: 's-aaaaaaaaaaaaaaaa',
    attachment: 1,
    user: 'ghost',
    displayName: 'ghost',
    host: '',
    version: '11.0.0',
    clientKind: '',
    secretHash: '',
    replica: 'rep-dead',
    epoch: 0,
    createdAt: 1,
  };

  it('that have died hold up the logoff until their lease has run out, and no longer', async () => {
    await start({ sessionLeaseMs: 5_000, drainTimeoutMs: 10_000, saveTimeoutMs: 5_000 });
    const now = await stack.store('session').now();
    const leaseUntil = now + 1_500;
    await documents.replicas.insertMany([{ id: 'rep-dead', data: { renewedAt: now, leaseUntil } }]);
    await documents.sessions.insertMany([{ id: 's-aaaaaaaaaaaaaaaa.1', data: ghost }]);
    await stack.publish(
      'StagingCompleted',
      INSTALLATION,
      stagingCompleted(withoutTerminalServers({ reactionTimeMs: 0 })),
    );
    const { message, envelope } = await stack.seen('SessionsDrained');
    expect(envelope.time).toBeGreaterThanOrEqual(leaseUntil);
    expect(message.summary).toMatchObject({ told: 1, ended: 0, lost: 1 });
  });

  it('leave documents behind that nobody owns: they hold up the logoff for a moment only', async () => {
    await start({ sessionLeaseMs: 5_000, drainTimeoutMs: 10_000, saveTimeoutMs: 5_000 });
    await documents.sessions.insertMany([{ id: 's-aaaaaaaaaaaaaaaa.1', data: ghost }]);
    await stack.publish(
      'StagingCompleted',
      INSTALLATION,
      stagingCompleted(withoutTerminalServers({ reactionTimeMs: 0 })),
    );
    await stack.seen('SessionsDrained');
    expect(await inside()).toBe(0);
  });

  it('that hang make the drain fail, and the gate opens again', async () => {
    await start({ drainTimeoutMs: 700, saveTimeoutMs: 500 });
    const now = await stack.store('session').now();
    await documents.replicas.insertMany([{ id: 'rep-dead', data: { renewedAt: now, leaseUntil: now + MINUTE_MS } }]);
    await documents.sessions.insertMany([{ id: 's-aaaaaaaaaaaaaaaa.1', data: ghost }]);
    await stack.publish(
      'StagingCompleted',
      INSTALLATION,
      stagingCompleted(withoutTerminalServers({ reactionTimeMs: 0 })),
    );
    const { message } = await stack.seen('DrainFailed');
    expect(message.failure).toMatchObject({ reason: 'SESSIONS_REMAIN', facts: { sessions: '1' } });
    await stack.seen('GateReopened');
    expect(await phase()).toBe('open');
  });

  it('that lose their lease end their streams', async () => {
    await start({ sessionLeaseMs: 5_000 });
    const client = await attached();
    const [mine] = (await documents.sessions.query({ index: BY_INSTALLATION, limit: 1 })).items;
    // Somebody thinks that this replica is dead.
    await documents.replicas.change(mine?.data.replica ?? '', (current) =>
      current ? { write: { ...current, leaseUntil: 0 }, result: undefined } : { keep: undefined },
    );
    expect(await client.until('ended')).toMatchObject({ reason: EndReason.MOVE, comeBack: true });
    await attached();
  });
});

describe('a process', () => {
  it('that stops in the middle of the reaction time logs off at the deadline when it is back', async () => {
    folder = await createTempFolder('session');
    const settings = { sessionLeaseMs: 5_000, resumeGraceMs: 20_000 };
    await start(settings, folder.path);
    const client = attach({ user: 'ann' });
    const { resumeToken } = await client.until('welcome');
    const run = withoutTerminalServers({ reactionTimeMs: 2_500 });
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    const notice = await client.until('notice');
    await stack.stop();
    expect((await client.until('ended')).reason).toBe(EndReason.MOVE);

    await start(settings, folder.path);
    const back = attach({ user: 'ann', resumeToken });
    expect((await back.until('welcome')).notice).toEqual(notice);
    expect(await attach({ user: 'new' }).until('refused')).toMatchObject({ reason: RefusalReason.GATE_SHUT });
    expect((await back.until('ended')).reason).toBe(EndReason.DEADLINE);
    const { envelope, message } = await stack.seen('SessionsDrained');
    expect(envelope.time).toBeGreaterThanOrEqual(notice.deadline?.getTime() ?? Infinity);
    expect(message.summary).toMatchObject({ told: 1, ended: 1 });
  });
});

describe('when nothing is heard of a run any more', () => {
  it('opens the gate if the install cannot have begun', async () => {
    await start({ gateOverdueGraceMs: 0 });
    const run = withoutTerminalServers({ reactionTimeMs: 0, deadlineAt: Date.now() + 6_000 });
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    await stack.seen('SessionsDrained');
    expect((await stack.seen('DrainFailed')).message.failure?.reason).toBe('NO_OUTCOME');
    await stack.seen('GateReopened');
    expect(await phase()).toBe('open');
  });

  it('raises the alarm and stays shut if it can, until a person opens it', async () => {
    await start({ gateOverdueGraceMs: 0 });
    const run = withoutTerminalServers({ reactionTimeMs: 0, deadlineAt: Date.now() + 6_000 });
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    await stack.seen('SessionsDrained');
    await stack.publish('BackupTaken', INSTALLATION, backupTaken(run));
    await stack.seen('DrainConfirmed');
    await until(async () => (await operator().getGate({ name: GATE })).gate?.alarm === true, 'the alarm');
    expect(await phase()).toBe('confirmed');
    const { gate } = await operator().openGate({ name: GATE, reason: 'looked at the hosts' });
    expect(gate).toMatchObject({ state: GateState.OPEN, alarm: false });
    await stack.seen('GateReopened');
  });

  it('opens without the terminal server whose first start does not come, with an alarm', async () => {
    await start({ firstStartTimeoutMs: 500 });
    const run = runSpec({ reactionTimeMs: 0 });
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    await stack.seen('SessionsDrained');
    await stack.publish('BackupTaken', INSTALLATION, backupTaken(run));
    await stack.seen('DrainConfirmed');
    await stack.publish('InstallationUpdated', INSTALLATION, installationUpdated(run));
    const { message } = await stack.seen('GateReopened');
    expect(Object.keys(message.shutHosts)).toEqual(['ts1']);
    const { gate } = await operator().getGate({ name: GATE });
    expect(gate).toMatchObject({ state: GateState.OPEN, alarm: true, reason: 'Hosts that stay shut: ts1' });
    expect(await attach({ host: 'ts1', version: '11.1.0' }).until('refused')).toMatchObject({
      reason: RefusalReason.HOST_SHUT,
    });
    await attached({ host: 'ws1', version: '11.1.0' });
    // A person starts the client there once: the host is in.
    const code = (await documents.gates.get(INSTALLATION))?.data.gate.firstStarts['ts1']?.code ?? '';
    await attach({ host: 'ts1', version: '11.1.0', firstStartCode: code }).until('ended');
    await attached({ host: 'ts1', version: '11.1.0' });
  });
});
