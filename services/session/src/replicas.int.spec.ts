import { sessionV1 } from '@lastcall/contracts';
import { randomSecret, sha256Hex } from '@lastcall/kernel';
import { describeWith, startStack, until, type Stack } from '@lastcall/testkit';
import { BY_INSTALLATION, BY_REPLICA, type SessionDocument } from './documents.js';
import { resumeToken } from './parse-hello.js';
import { sessionId } from './session-id.js';
import { AttachClient } from './testing/attach-client.js';
import { startPair, type Backing, type Pair } from './testing/pair.js';
import {
  backupTaken,
  cancelled,
  INSTALLATION,
  stagingCompleted,
  withoutTerminalServers,
} from './testing/run-events.js';

/*
 * Two replicas on the same store and bus: what one of them decides holds at the other, and nobody slips through between them.
 */

const { EndReason, RefusalReason, GateState } = sessionV1;
const PARENT = `installations/${INSTALLATION}`;
const SETTINGS = { sessionLeaseMs: 5_000, resumeGraceMs: 20_000, heartbeatIntervalMs: 5_000 };

function suite(backing: Backing): void {
  let pair: Pair<Stack>;

  beforeEach(async () => {
    pair = await startPair(startStack, { backing, settings: SETTINGS });
  });
  afterEach(() => pair.stop());

  const client = (stack: Stack) => stack.client(sessionV1.SessionServiceService);
  const stacks = () => [pair.first, pair.second];

  it('tell, log off and prove zero together, and let nobody in who races with the closing', async () => {
    const channels = stacks().map((stack) => stack.channel('client', INSTALLATION));
    const attach = (user: string, i: number): AttachClient => new AttachClient(channels[i % 2]!, { user });
    const inside = Array.from({ length: 20 }, (_, i) => attach(`user-${i}`, i));
    await Promise.all(inside.map((one) => one.until('welcome')));

    // While the gate shuts, others storm both doors.
    const run = withoutTerminalServers({ reactionTimeMs: 600 });
    const published = pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    const storm: { client: AttachClient; welcomed: boolean }[] = [];
    let storming = true;
    const waves = [0, 1].map(async (door) => {
      for (let i = 0; storming; i++) {
        const one = attach(`storm-${door}-${i}`, door);
        const first = await Promise.race([
          one.until('welcome').then(() => true),
          one.until('refused').then(() => false),
        ]).catch(() => false);
        storm.push({ client: one, welcomed: first });
      }
    });
    await published;
    await pair.first.seen('GateClosed');
    const drained = await pair.first.seen('SessionsDrained');
    storming = false;
    await Promise.all(waves);

    // Whoever was let in has been told and ended, at whichever replica.
    const welcomed = [...inside, ...storm.filter((one) => one.welcomed).map((one) => one.client)];
    const ends = await Promise.all(welcomed.map((one) => one.until('ended')));
    expect(ends.every(({ reason }) => reason === EndReason.DEADLINE)).toBe(true);
    expect(welcomed.every((one) => one.count('notice') === 1)).toBe(true);
    // Those who were just being refused were not told, and are not among the lost.
    const { length: all } = welcomed;
    expect(drained.message.summary).toMatchObject({ told: all, ended: all, left: 0, lost: 0 });
    // And nobody was let in after the notice.
    const sent = await pair.first.seen('NoticeSent');
    expect(sent.message.sessionCount).toBe(all);
    const sentAt = sent.envelope.time;
    for (const one of welcomed) {
      const at = one.heard.find(({ message }) => message.$case === 'welcome')?.at ?? Infinity;
      expect(at).toBeLessThanOrEqual(sentAt + 50);
    }
    await pair.first.publish('BackupTaken', INSTALLATION, backupTaken(run));
    await pair.first.seen('DrainConfirmed');
    for (const stack of stacks()) {
      expect((await client(stack).countSessions({ parent: PARENT })).count).toBe(0);
      const refused = await new AttachClient(stack.channel('client', INSTALLATION), {}).until('refused');
      expect(refused.reason).toBe(RefusalReason.GATE_SHUT);
    }
    await pair.first.publish('RunCancelled', INSTALLATION, cancelled(run));
    await pair.first.seen('GateReopened');
  });

  it('let a session come back at the other one, and end it where it was', async () => {
    const one = new AttachClient(pair.first.channel('client', INSTALLATION), {});
    const { session, resumeToken } = await one.until('welcome');
    const other = new AttachClient(pair.second.channel('client', INSTALLATION), { resumeToken });
    expect((await other.until('welcome')).session).toBe(session);
    expect((await one.until('ended')).reason).toBe(EndReason.REPLACED);
  });

  it('let no stream that the client had given up take the place of the one that came after it', async () => {
    const channelOf = (stack: Stack) => stack.channel('client', INSTALLATION);
    const { client: one, welcome } = await pair.attached(pair.first, { attempt: 1n });
    const { resumeToken, session } = welcome;
    const newest = new AttachClient(channelOf(pair.second), { resumeToken, attempt: 3n });
    expect((await newest.until('welcome')).session).toBe(session);
    expect((await one.until('ended')).reason).toBe(EndReason.REPLACED);
    // Both doors: where the newest is, and the other one.
    for (const stack of stacks()) {
      const late = new AttachClient(channelOf(stack), { resumeToken, attempt: 2n });
      expect((await late.until('refused')).reason).toBe(RefusalReason.TOO_MANY);
    }
    expect(newest.count('ended')).toBe(0);
    // A client that says no attempt comes back as ever, and so does the next one of this.
    for (const attempt of [0n, 4n]) {
      const next = new AttachClient(channelOf(pair.first), { resumeToken, attempt });
      expect((await next.until('welcome')).session).toBe(session);
    }
    expect((await newest.until('ended')).reason).toBe(EndReason.REPLACED);
  });

  it('have whoever says goodbye here and comes back there in the same moment once, whatever was first', async () => {
    const rounds = Array.from({ length: 10 }, async (_, i) => {
      const user = `user-${i}`;
      const { client: one, welcome } = await pair.attached(pair.first, { user });
      one.say({ $case: 'goodbye', value: {} });
      const { resumeToken } = welcome;
      const { client: other } = await pair.attached(pair.second, { user, resumeToken });
      await one.ended;
      return other;
    });
    const inside = await Promise.all(rounds);
    const isTidy = async () => (await pair.documents.sessions.count({ index: BY_REPLICA })) === inside.length;
    await until(isTidy, 'one document for each of them');
    // Where the end was in the store before, its token is worth nothing.
    const { client: gone, welcome } = await pair.attached(pair.first, { user: 'gone' });
    gone.say({ $case: 'goodbye', value: {} });
    const isOver = async () => (await pair.documents.sessions.get(`${welcome.session}.1`)) === undefined;
    await until(isOver, 'the first attachment to be over');
    const late = await pair.attached(pair.second, { user: 'gone', resumeToken: welcome.resumeToken });
    expect(late.welcome.session).not.toBe(welcome.session);
    const run = withoutTerminalServers({ reactionTimeMs: 300 });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    for (const other of inside) expect((await other.until('ended')).reason).toBe(EndReason.DEADLINE);
    const { message } = await pair.first.seen('SessionsDrained');
    expect(message.summary).toMatchObject({ told: inside.length + 1, ended: inside.length + 1, left: 0, lost: 0 });
  });

  it('keep one of a session that comes back everywhere at once, and count that one', async () => {
    const { welcome } = await pair.attached(pair.first, { user: 'ann' });
    const { resumeToken, session } = welcome;
    const channels = stacks().map((stack) => stack.channel('client', INSTALLATION));
    const all = Array.from({ length: 24 }, (_, i) => new AttachClient(channels[i % 2]!, { user: 'ann', resumeToken }));
    const first = await Promise.all(
      all.map((one) => Promise.race([one.until('welcome'), one.until('refused').then(() => undefined)])),
    );
    const welcomed = all.filter((_, i) => first[i] !== undefined);
    expect(first.every((one) => one === undefined || one.session === session)).toBe(true);
    // All but one hear that they were replaced, and the document of the one remains.
    const alive = (): AttachClient[] => welcomed.filter((one) => one.count('ended') === 0);
    await until(async () => {
      const { count } = await client(pair.first).countSessions({ parent: PARENT });
      return alive().length === 1 && count === 1;
    }, 'one of them to be left');
    const run = withoutTerminalServers({ reactionTimeMs: 300 });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    const [last] = alive();
    expect((await last?.until('ended'))?.reason).toBe(EndReason.DEADLINE);
    const { message } = await pair.first.seen('SessionsDrained');
    expect(message.summary).toMatchObject({ told: 1, ended: 1, lost: 0 });
  });

  /** What a replica that was killed leaves in the store; its lease runs on for so long. */
  async function leftByKilled(users: readonly string[], leaseMs: number) {
    const now = await pair.first.store('session').now();
    const replica = 'rep-killed';
    const leaseUntil = now + leaseMs;
    await pair.documents.replicas.insertMany([{ id: replica, data: { renewedAt: now, leaseUntil } }]);
    const left = users.map((user) => {
      const [session, secret] = [sessionId(now), randomSecret()];
      const who = { installation: INSTALLATION, session, user, displayName: user, host: 'old', version: '11.0.0' };
      const where = { replica, epoch: 0, createdAt: now, attachment: 1, clientKind: '', secretHash: sha256Hex(secret) };
      const data: SessionDocument = { ...who, ...where };
      return { id: `${session}.1`, data, resumeToken: resumeToken(session, secret) };
    });
    await pair.documents.sessions.insertMany(left);
    return { left, leaseUntil };
  }

  it('count, list and tell once who came back from one that was killed, while its lease lasts', async () => {
    const { left, leaseUntil } = await leftByKilled(['ann', 'bob', 'eve'], 4_000);
    const [ann, bob] = left;
    const { client: one } = await pair.attached(pair.first, { user: 'ann', resumeToken: ann!.resumeToken });
    const { client: two } = await pair.attached(pair.second, { user: 'bob', resumeToken: bob!.resumeToken });
    for (const stack of stacks()) {
      expect((await client(stack).countSessions({ parent: PARENT })).count).toBe(3);
      for (const pageSize of [0, 1]) {
        const users = (await pair.list(stack, { pageSize })).map(({ user }) => user);
        expect(users.sort()).toEqual(['ann', 'bob', 'eve']);
      }
      // Where they are now, not where they were.
      expect((await pair.list(stack, { host: 'old' })).map(({ user }) => user)).toEqual(['eve']);
    }
    const run = withoutTerminalServers({ reactionTimeMs: 300 });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    expect((await pair.first.seen('NoticeSent')).message.sessionCount).toBe(3);
    for (const each of [one, two]) expect((await each.until('ended')).reason).toBe(EndReason.DEADLINE);
    // Both are gone, but what a replica that may be alive has is not.
    const { message, envelope } = await pair.first.seen('SessionsDrained');
    expect(envelope.time).toBeGreaterThanOrEqual(leaseUntil);
    expect(message.summary).toMatchObject({ told: 3, ended: 2, left: 0, lost: 1 });
  });

  it('do not count somebody who raced with the shutting and was never let in', async () => {
    await pair.attached(pair.first, { user: 'ann' });
    const { welcome } = await pair.attached(pair.second, { user: 'bob' });
    const { sessions } = pair.documents;
    const [bob] = (await sessions.query({ index: BY_INSTALLATION, where: { installation: INSTALLATION }, limit: 9 })).items
      .filter(({ data }) => data.session === welcome.session); // prettier-ignore
    // What is in the store between the two looks at the gate.
    const session = sessionId(bob!.data.createdAt);
    await sessions.insertMany([{ id: `${session}.1`, data: { ...bob!.data, session, user: 'racer' } }]);
    const run = withoutTerminalServers({ reactionTimeMs: 300 });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    expect((await pair.first.seen('NoticeSent')).message.sessionCount).toBe(2);
  });

  it('remove what one that was killed has of those who came back when its lease is over, and nothing else', async () => {
    const { left, leaseUntil } = await leftByKilled(['ann', 'eve'], 1_000);
    const [ann, eve] = left;
    await pair.attached(pair.second, { user: 'ann', resumeToken: ann!.resumeToken });
    const { sessions } = pair.documents;
    await until(async () => (await sessions.get(ann!.id)) === undefined, 'what was left behind to be removed');
    expect(await pair.first.store('session').now()).toBeGreaterThanOrEqual(leaseUntil);
    // She may come back until her grace is over.
    expect(await sessions.get(eve!.id)).toBeDefined();
    const { welcome } = await pair.attached(pair.first, { user: 'eve', resumeToken: eve!.resumeToken });
    expect(welcome.session).toBe(eve!.data.session);
    expect((await client(pair.first).countSessions({ parent: PARENT })).count).toBe(2);
  });

  it('prove zero although a replica has gone down with its sessions', async () => {
    const there = new AttachClient(pair.second.channel('client', INSTALLATION), { user: 'there' });
    await there.until('welcome');
    await pair.second.stop({ keep: true });
    expect((await there.until('ended')).reason).toBe(EndReason.MOVE);
    const run = withoutTerminalServers({ reactionTimeMs: 300 });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    await pair.first.seen('SessionsDrained');
    const { gate } = await client(pair.first).getGate({ name: `${PARENT}/gate` });
    expect(gate?.state).toBe(GateState.CLOSED);
  });
}

describe('two replicas of the session service, embedded', () => suite('embedded'));
describeWith('mongodb', 'two replicas of the session service, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite('distributed'));
});
