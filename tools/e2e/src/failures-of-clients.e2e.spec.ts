import { commonV1, sessionV1, type schedulerV1 } from '@lastcall/contracts';
import { describeWith, type Child } from '@lastcall/testkit';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT, startProgram, type Pair } from './world/lastcall-processes.js';
import { knock, openAttach, type Applicant } from './world/raw-client.js';
import { allOn, eventsOf, remainsOf, unfairness } from './world/remains.js';
import { createWorld, INSTALLATION, until, type World } from './world/world.js';

/*
 * Clients that do not behave: they do not answer, do not let go, or come again and again. The run goes on, those who behave are
 * treated as ever, and nobody is inside while the gate is shut.
 */

const { RunOutcome } = commonV1;
const PARENT = `installations/${INSTALLATION}`;
const SETTINGS = { session: { LASTCALL_FIRST_START_SETTLE_MS: '500' } };

/** A program with our SDK, as a vendor would write it. */
const PROGRAM = `
const { attachSession } = require(process.env.TINY_SDK);
attachSession({
  user: 'frozen',
  version: process.env.TINY_VERSION,
  keepAlive: true,
  onAttached: () => console.log('attached'),
  onLogoff: (reason) => console.log('ended by ' + reason),
  onRefused: (text, at, refusal) => console.log('refused ' + refusal.reason),
});
`;

function suite(pair: Pair): void {
  describe(`clients, ${pair}`, () => {
    let world: World;
    let minor = 0;
    beforeAll(async () => {
      world = await createWorld({ pair, settings: SETTINGS });
    }, 180_000);
    afterAll(() => world.stop(), 60_000);

    async function publishNext(troubles = {}): Promise<string> {
      const version = `1.${++minor}.0`;
      await world.publish({ version, troubles });
      return version;
    }

    /** An update that succeeds for everybody who behaves. */
    async function expectUpdated(version: string): Promise<schedulerV1.Run> {
      const logs = world.users.map((user) => user.log.length);
      const run = await world.ended(await world.update(version));
      expect(run).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: false, failure: undefined });
      await world.everybodyIn();
      expect(await remainsOf(world)).toEqual(allOn(world, version));
      expect(world.users.flatMap((user, i) => unfairness(user, logs[i] ?? 0))).toEqual([]);
      return run;
    }

    async function drainOf(run: schedulerV1.Run) {
      return (await world.services.scheduler.getRunReport({ name: run.name })).report?.drain;
    }

    const applicant = async (user: string): Promise<Applicant> => {
      return { user, host: 'desk', version: await world.versionOn('desk') };
    };

    it('that never acknowledges is logged off at the deadline, not before, and counted as one who did not', async () => {
      const silent = openAttach(world, await applicant('silent'));
      const heard: { readonly kind: string; readonly at: number }[] = [];
      let deadline = 0;
      const listening = (async () => {
        for await (const { message } of silent) {
          if (message?.$case === 'notice') deadline = message.value.deadline?.getTime() ?? 0;
          if (message?.$case === 'ended') expect(message.value.reason).toBe(sessionV1.EndReason.DEADLINE);
          heard.push({ kind: message?.$case ?? '', at: Date.now() });
        }
      })();
      await until(async () => heard.length > 0, 'the welcome');
      const run = await expectUpdated(await publishNext());
      await listening;
      expect(heard.map(({ kind }) => kind)).toEqual(['welcome', 'notice', 'ended']);
      expect(heard.at(-1)?.at).toBeGreaterThanOrEqual(deadline - 50);
      const told = world.users.length + 1;
      expect(await drainOf(run)).toMatchObject({ told, acknowledged: told - 1 });
    }, 180_000);

    it('that is frozen and never closes its stream does not keep its session', async () => {
      const before = (await applicant('frozen')).version;
      const program = await startClient(before);
      await program.until(/attached/);
      program.kill('SIGSTOP');
      try {
        await expectUpdated(await publishNext());
        const page = { pageSize: 0, pageToken: '', user: 'frozen', host: '' };
        const { sessions } = await world.services.session.listSessions({ parent: PARENT, ...page });
        expect(sessions).toEqual([]);
      } finally {
        program.kill('SIGCONT');
      }
      // When it thaws it learns what happened, and as a program of the old version it does not get in again.
      await program.until(/ended by deadline/);
      await program.until(/refused wrong-version/);
      program.kill();
      await program.exited;
    }, 180_000);

    async function startClient(version: string): Promise<Child> {
      const file = join(world.dir, 'frozen-client.cjs');
      await writeFile(file, PROGRAM);
      return startProgram(file, [], {
        TINY_SDK: join(ROOT, 'libs/sdk/dist/index.js'),
        TINY_VERSION: version,
        LASTCALL_ADDR: world.lastcall.grpcAddress,
        LASTCALL_TOKEN_FILE: world.clientTokenFile,
        LASTCALL_INSTALLATION: INSTALLATION,
        LASTCALL_HOST: 'desk',
      });
    }

    it('that comes again and again during the drain gets in neither once nor in the way of others', async () => {
      const version = await publishNext();
      const answers: { readonly answer: string; readonly from: number; readonly to: number }[] = [];
      let over = false;
      // One person who does not give up, and a crowd that has never been here: the limit of attempts holds the one only.
      const loops = ['stubborn', 'crowd'].map(async (name) => {
        for (let i = 0; !over; i++) {
          const user = name === 'crowd' ? `${name}-${i}` : name;
          const from = Date.now();
          const answer = await knock(world, await applicant(user)).catch((error: unknown) => String(error));
          answers.push({ answer, from, to: Date.now() });
        }
      });
      const run = await expectUpdated(version).finally(() => (over = true));
      await Promise.all(loops);
      const at = (event: string): number => run.timeline.find((e) => e.event === event)?.time?.getTime() ?? NaN;
      // Hosts are let in one after the other: a workstation needs no first start.
      const [shutAt, openAt] = [at('GateClosed'), at('InstallationUpdated')];
      expect(openAt).toBeGreaterThan(shutAt);
      const shut = answers.filter(({ from, to }) => from > shutAt && to < openAt).map(({ answer }) => answer);
      expect(shut.length).toBeGreaterThan(10);
      expect(shut).not.toContain('welcome');
      expect(shut).toContain('REFUSAL_REASON_GATE_SHUT');
      expect(new Set(answers.map(({ answer }) => answer))).not.toContain('the end');
    }, 180_000);

    it('that should prove the first start and never comes keeps its host shut, with an alarm; others go on', async () => {
      const version = await publishNext({ 'first-start': 'does-nothing' });
      const run = await world.ended(await world.update(version));
      expect(run).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: true });
      expect(eventsOf(run)).not.toContain('FirstStartProven');
      await world.everybodyIn(
        10_000,
        world.users.filter((user) => user.host === 'desk'),
      );
      expect(await remainsOf(world)).toEqual({ ...allOn(world, version), alarm: true, shutHosts: ['ts'] });
      expect(await knock(world, { user: 'newcomer', host: 'ts', version })).toBe('REFUSAL_REASON_HOST_SHUT');
      expect(world.users.some((user) => user.host === 'ts' && user.isIn())).toBe(false);

      await world.services.session.openGate({ name: `${PARENT}/gate`, reason: 'the client was looked at' });
      await world.everybodyIn();
      expect(await remainsOf(world)).toEqual(allOn(world, version));
    }, 180_000);
  });
}

suite('embedded');
describeWith('nats', 'with NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('distributed'));
});
