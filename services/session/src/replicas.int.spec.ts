import { sessionV1 } from '@lastcall/contracts';
import { describeWith, startStack, type Stack } from '@lastcall/testkit';
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
const SETTINGS = { sessionLeaseMs: 2_000, resumeGraceMs: 1_000, heartbeatIntervalMs: 5_000 };

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
    const drained = await pair.first.seen('SessionsDrained', undefined, 15_000);
    storming = false;
    await Promise.all(waves);

    // Whoever was let in has been told and ended, at whichever replica.
    const welcomed = [...inside, ...storm.filter((one) => one.welcomed).map((one) => one.client)];
    const ends = await Promise.all(welcomed.map((one) => one.until('ended')));
    expect(ends.every(({ reason }) => reason === EndReason.DEADLINE)).toBe(true);
    expect(welcomed.every((one) => one.count('notice') === 1)).toBe(true);
    // Those who were just being refused may have been counted among the told.
    expect(drained.message.summary).toMatchObject({ ended: welcomed.length, left: 0 });
    expect(drained.message.summary?.told).toBeGreaterThanOrEqual(welcomed.length);
    // And nobody was let in after the notice.
    const sentAt = (await pair.first.seen('NoticeSent')).envelope.time;
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
  }, 30_000);

  it('let a session come back at the other one, and end it where it was', async () => {
    const one = new AttachClient(pair.first.channel('client', INSTALLATION), {});
    const { session, resumeToken } = await one.until('welcome');
    const other = new AttachClient(pair.second.channel('client', INSTALLATION), { resumeToken });
    expect((await other.until('welcome')).session).toBe(session);
    expect((await one.until('ended')).reason).toBe(EndReason.REPLACED);
  }, 20_000);

  it('prove zero although a replica has gone down with its sessions', async () => {
    const there = new AttachClient(pair.second.channel('client', INSTALLATION), { user: 'there' });
    await there.until('welcome');
    await pair.second.stop({ keep: true });
    expect((await there.until('ended')).reason).toBe(EndReason.MOVE);
    const run = withoutTerminalServers({ reactionTimeMs: 300 });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    await pair.first.seen('SessionsDrained', undefined, 15_000);
    const { gate } = await client(pair.first).getGate({ name: `${PARENT}/gate` });
    expect(gate?.state).toBe(GateState.CLOSED);
  }, 30_000);
}

describe('two replicas of the session service, embedded', () => suite('embedded'));
describeWith('mongodb', 'two replicas of the session service, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite('distributed'));
});
