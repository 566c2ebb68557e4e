import { sessionV1 } from '@lastcall/contracts';
import type { RunSpec } from '@lastcall/kernel';
import { describeWith, until } from '@lastcall/testkit';
import { backedUp, cancelledRun, drainingRun, staged } from './world/run-said.js';
import { createSdkCrowd, type CrowdMember, type SdkCrowd } from './world/sdk-crowd.js';
import { INSTALLATION, PARENT } from './world/services.js';
import { startSessionProcesses, type SessionProcesses } from './world/session-processes.js';

/*
 * Three replicas as real processes behind one address, and users with our SDK. A replica is killed between the store and the broadcast
 * of a notice, in the reaction time, and all are restarted one after the other: every session comes back under its id, everybody is
 * told exactly once, and zero is zero.
 *
 * LASTCALL_TEST_ROLLING_RESTART=10000: so many users at the rolling restart instead of 600.
 */

const REPLICAS = 3;
const USERS = 60;
const ROLLING_USERS = Number(process.env['LASTCALL_TEST_ROLLING_RESTART'] ?? 600);
const USERS_PER_CONNECTION = 10;
/** Users, line and replicas share two cores: with thousands of them nothing is as quick as it is with a few. */
const IS_CROWDED = ROLLING_USERS > 2_000;
const PATIENCE_MS = IS_CROWDED ? 90_000 : 30_000;
const SETTINGS = {
  LASTCALL_LOG_LEVEL: 'info',
  LASTCALL_RESUME_GRACE_MS: IS_CROWDED ? '60000' : '20000',
  // Nobody renews it here.
  LASTCALL_GATE_LEASE_MS: '600000',
  LASTCALL_ATTACH_PER_SECOND: '100000',
  LASTCALL_ATTACH_PER_SECOND_PER_INSTALLATION: '100000',
};
const GATE = `${PARENT}/gate`;

describeWith('nats', 'three replicas of the session service, with NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => {
    let replicas: SessionProcesses;
    let crowd: SdkCrowd;
    beforeAll(async () => {
      replicas = await startSessionProcesses(REPLICAS, SETTINGS);
    }, 180_000);
    afterEach(async () => {
      await crowd.leave();
      // A test that failed may have left it shut.
      await replicas
        .operator(2)
        .openGate({ name: GATE, reason: 'The test is over.' })
        .catch(() => undefined);
      await until(async () => (await count()) === 0, 'everybody to have left');
    }, 180_000);
    afterAll(() => replicas.stop(), 60_000);

    const count = async (replica = REPLICAS - 1): Promise<number> =>
      (await replicas.operator(replica).countSessions({ parent: PARENT })).count;

    async function logIn(users: number, name: string): Promise<void> {
      const channels = Array.from({ length: users / USERS_PER_CONNECTION }, () => replicas.clientChannel());
      crowd = createSdkCrowd(users, channels, name);
      await crowd.everybody(({ attached }) => attached.length === 1, 'logged in', 120_000);
    }

    const wasTold = (notice: string) => (member: CrowdMember) => member.told.includes(notice);

    /** Those who came back are the same as before, and nobody was told anything twice, or logged off. */
    function expectUndisturbed(notices: readonly string[]): void {
      const changed = crowd.members.filter(({ attached }) => new Set(attached).size !== 1);
      expect(changed.map(({ attached }) => attached)).toEqual([]);
      const expected = [...notices].sort();
      const others = crowd.members.filter(({ told }) => JSON.stringify([...told].sort()) !== JSON.stringify(expected));
      expect(others.map(({ told }) => told)).toEqual([]);
      expect(crowd.members.flatMap(({ refusals }) => refusals)).toEqual([]);
    }

    /** The replica writes, its broadcast does not get out, and then it is dead. */
    async function killBetweenStoreAndBroadcast<T>(replica: number, write: () => Promise<T>): Promise<T> {
      const { nats, kill } = replicas.replicas[replica]!;
      await nats.cut();
      const written = await write();
      await kill();
      await nats.mend();
      return written;
    }

    /** Everybody is logged off at the deadline, and zero is true. */
    async function expectDrained(run: RunSpec, told: number): Promise<void> {
      const { seen, publish } = replicas.stack;
      const of = (message: { readonly run?: { readonly run: string } | undefined }) => message.run?.run === run.run;
      const { message } = await seen('SessionsDrained', of, 60_000);
      expect(await count()).toBe(0);
      expect(message.summary).toMatchObject({ told, ended: told, left: 0, lost: 0 });
      await publish('BackupTaken', INSTALLATION, backedUp(run));
      await seen('DrainConfirmed', of, 60_000);
      expect(await count()).toBe(0);
      await crowd.everybody(({ logoffs }) => logoffs.includes('deadline'), 'logged off', PATIENCE_MS);
      await replicas.stack.publish('RunCancelled', INSTALLATION, cancelledRun(run));
      await seen('GateReopened', of, 60_000);
    }

    it('a message is stored, and its replica dies before the broadcast: everybody is told once', async () => {
      await logIn(USERS, 'message');
      const { notice } = await killBetweenStoreAndBroadcast(0, () =>
        replicas.operator(0).sendNotice({ parent: PARENT, text: 'The printer works again.' }),
      );
      await crowd.everybody(wasTold(notice?.notice ?? ''), 'told');
      await crowd.everybody(({ session }) => session.phase === 'attached', 'back');
      // Also while the dead replica's lease lasts.
      expect(await count()).toBe(USERS);
      await replicas.replicas[0]!.start();
      expectUndisturbed([notice?.notice ?? '']);
      expect(await count()).toBe(USERS);
    }, 180_000);

    it('a logoff is stored, its replica dies before the broadcast, and another one in the reaction time', async () => {
      await logIn(USERS, 'logoff');
      const { gate } = await killBetweenStoreAndBroadcast(0, () =>
        replicas.operator(0).closeGate({ name: GATE, reason: 'New disks.', reactionTime: { seconds: 8n, nanos: 0 } }),
      );
      const notice = gate?.notice?.notice ?? '';
      await crowd.everybody(wasTold(notice), 'told');
      await replicas.replicas[1]!.kill();
      await crowd.everybody(({ session }) => session.phase === 'attached', 'back');
      expectUndisturbed([notice]);
      expect(crowd.members.flatMap(({ logoffs }) => logoffs)).toEqual([]);

      const deadlineAt = gate?.notice?.deadline?.getTime() ?? Infinity;
      await crowd.everybody(({ logoffs }) => logoffs.length === 1, 'logged off');
      expect(Date.now()).toBeGreaterThanOrEqual(deadlineAt);
      const { CLOSED } = sessionV1.GateState;
      const operator = replicas.operator(2);
      await until(async () => (await operator.getGate({ name: GATE })).gate?.state === CLOSED, 'zero to be said');
      expect(await count()).toBe(0);
      expect(new Set(crowd.members.flatMap(({ logoffs }) => logoffs))).toEqual(new Set(['deadline']));
      await operator.openGate({ name: GATE, reason: 'The disks are in.' });
      await crowd.everybody(({ session }) => session.phase === 'attached', 'in again');
      await Promise.all([0, 1].map((i) => replicas.replicas[i]!.start()));
    }, 180_000);

    it('a run: the replica that wrote the notice is killed as soon as it has', async () => {
      await logIn(USERS, 'run');
      const run = drainingRun({ reactionTimeMs: 6_000 });
      const wrote = replicas.replicas.map(async ({ child }, i) => {
        await new Promise<void>((resolve) => child.onLine((line) => line.includes('"told"') && resolve()));
        return i;
      });
      await replicas.stack.publish('StagingCompleted', INSTALLATION, staged(run));
      const killed = await Promise.race(wrote);
      await replicas.replicas[killed]!.kill();
      const { message } = await replicas.stack.seen('NoticeSent', ({ run: said }) => said?.run === run.run, 30_000);
      await crowd.everybody(wasTold(message.notice), 'told');
      await crowd.everybody(({ session }) => session.phase === 'attached', 'back');
      await replicas.replicas[killed]!.start();
      expectUndisturbed([message.notice]);
      await expectDrained(run, USERS);
    }, 180_000);

    it(`all are restarted one after the other under ${ROLLING_USERS} sessions`, async () => {
      await logIn(ROLLING_USERS, 'rolling');
      const notices: string[] = [];
      const tell = async (replica: number): Promise<void> => {
        const text = `Replica ${replica} is restarted.`;
        const { notice } = await replicas.operator(replica).sendNotice({ parent: PARENT, text });
        notices.push(notice?.notice ?? '');
      };
      for (const [i, replica] of replicas.replicas.entries()) {
        const ending = replica.terminate();
        await tell((i + 1) % REPLICAS);
        expect(await ending).toEqual({ code: 0, signal: null });
        await replica.start();
        await crowd.everybody(({ session }) => session.phase === 'attached', 'back', PATIENCE_MS);
        const newest = notices.at(-1) ?? '';
        await crowd.everybody(wasTold(newest), 'told', PATIENCE_MS);
      }
      expectUndisturbed(notices);
      await until(async () => (await count()) === ROLLING_USERS, 'the count to be exact again', PATIENCE_MS);
      const run = drainingRun({ reactionTimeMs: 2_000 });
      await replicas.stack.publish('StagingCompleted', INSTALLATION, staged(run));
      await expectDrained(run, ROLLING_USERS);
    }, 600_000);
  });
});
