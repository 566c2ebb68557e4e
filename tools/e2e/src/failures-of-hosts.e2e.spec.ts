import { commonV1, hostEdgeV1, preflightV1, schedulerV1 } from '@lastcall/contracts';
import { CODE, createClient, openChannel, openStream, toCallError } from '@lastcall/sdk';
import { describeWith, signAgentToken } from '@lastcall/testkit';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pair } from './world/lastcall-processes.js';
import { knock } from './world/raw-client.js';
import { allOn, eventsOf, remainsOf, reportOf, watchUsers } from './world/remains.js';
import { addInstallation, startUpdate } from './world/services.js';
import { createWorld, INSTALLATION, until, type World } from './world/world.js';

/*
 * Hosts that are not there, or not as they should be: a run that needs them does not begin to disturb anybody, and one that does
 * not is caught up with later.
 */

const { RunOutcome } = commonV1;
const TOO_OLD = '0.0.9';
const SETTINGS = {
  preflight: { LASTCALL_FACTS_TIMEOUT_MS: '4000', LASTCALL_BACKUP_TIMEOUT_MS: '6000' },
  installer: { LASTCALL_MINIMUM_AGENT_VERSION: '0.1.0' },
};

function suite(pair: Pair): void {
  describe(`hosts, ${pair}`, () => {
    let world: World;
    let minor = 0;
    beforeAll(async () => {
      world = await createWorld({ pair, settings: SETTINGS });
    }, 180_000);
    afterAll(() => world.stop(), 60_000);
    const current = (): Promise<string> => world.versionOn('srv');

    async function publishNext(requires = ''): Promise<string> {
      const version = `1.${++minor}.0`;
      await world.publish({ version, requires });
      return version;
    }

    /** Names of the checks that did not pass, with their hosts. */
    async function blockersOf(run: schedulerV1.Run): Promise<readonly string[]> {
      const { report } = await world.services.scheduler.getRunReport({ name: run.name });
      const { PASSED, SKIPPED } = preflightV1.Verdict;
      const blocking = report?.preflight?.checks.filter((c) => c.verdict !== PASSED && c.verdict !== SKIPPED) ?? [];
      return blocking.map(({ check, host }) => `${check} ${host}`.trim()).toSorted();
    }

    async function expectNothingBegun(run: schedulerV1.Run, version: string, blockers: readonly string[]) {
      expect(run).toMatchObject({ outcome: RunOutcome.FAILED, alarm: false, failure: { reason: 'NOT_READY' } });
      expect((await reportOf(world, run)).reason).toBe('NOT_READY');
      expect(await blockersOf(run)).toEqual(blockers);
      expect(eventsOf(run)).not.toContain('GateClosed');
      expect(await remainsOf(world)).toEqual(allOn(world, version));
    }

    it.each(['srv', 'ts'])(
      '%s that is switched off blocks: nobody is told or logged off',
      async (host) => {
        const version = await current();
        const next = await publishNext();
        const whatHappened = watchUsers(world);
        await world.stopAgent(host);
        const run = await world.ended(await world.update(next));
        await world.startAgent(host);
        await expectNothingBegun(run, version, [`host-online ${host}`]);
        expect(whatHappened()).toEqual([]);
      },
      60_000,
    );

    it('a workstation that is switched off follows later, and until then lets nobody in', async () => {
      const version = await current();
      const next = await publishNext();
      await world.stopAgent('desk');
      const run = await world.ended(await world.update(next));
      expect(run).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: false });
      const { report } = await world.services.scheduler.getRunReport({ name: run.name });
      expect(report?.absentHosts).toEqual(['desk']);
      const elsewhere = world.users.filter((user) => user.host !== 'desk');
      const waiting = world.users.filter((user) => user.host === 'desk');
      await world.everybodyIn(10_000, elsewhere);
      const missing = { srv: next, ts: next, desk: version };
      expect(await remainsOf(world)).toEqual({ ...allOn(world, next), versions: missing, shutHosts: ['desk'] });
      const refused = await knock(world, { user: 'newcomer', host: 'desk', version });
      expect(refused).toBe('REFUSAL_REASON_WRONG_VERSION');
      // The right version is not enough while the host has another one.
      expect(await knock(world, { user: 'newcomer', host: 'desk', version: next })).toBe('REFUSAL_REASON_HOST_SHUT');
      expect(waiting.some((user) => user.isIn())).toBe(false);

      await world.startAgent('desk');
      await until(async () => (await world.versionOn('desk')) === next, 'the workstation to catch up');
      await world.everybodyIn();
      await until(async () => (await remainsOf(world)).unfinished.length === 0, 'its work to be done');
      expect(await remainsOf(world)).toEqual(allOn(world, next));
      expect(await knock(world, { user: 'newcomer', host: 'desk', version: next })).toBe('welcome');
    }, 180_000);

    it('a server that is switched off when the users are out ends the run, and they get in again', async () => {
      const version = await current();
      const next = await publishNext();
      const drained = world.lastcall.nextSaid('SessionsDrained');
      // Killed, not stopped: nothing says goodbye.
      void drained.then(() => world.agentOf('srv').kill('SIGKILL'));
      const run = await world.ended(await world.update(next));
      expect(run).toMatchObject({ outcome: RunOutcome.FAILED, alarm: false, failure: { reason: 'CHECKS_FAILED' } });
      expect(eventsOf(run)).not.toContain('InstallStarted');
      await world.everybodyIn();
      await world.startAgent('srv');
      await until(async () => (await remainsOf(world)).unfinished.length === 0, 'the agent to tidy up');
      expect(await remainsOf(world)).toEqual(allOn(world, version));
      // The order that nobody waits for any more is not carried out late; the next run finds its way.
      expect((await world.ended(await world.update(next))).outcome).toBe(RunOutcome.SUCCEEDED);
      await world.everybodyIn();
      expect(await remainsOf(world)).toEqual(allOn(world, next));
    }, 180_000);

    it('a release that wants a newer agent is not installed by an older one', async () => {
      const version = await current();
      const next = await publishNext('  agent: 99.0.0');
      const whatHappened = watchUsers(world);
      const run = await world.ended(await world.update(next));
      await expectNothingBegun(
        run,
        version,
        ['desk', 'srv', 'ts'].map((host) => `agent-version ${host}`),
      );
      expect(whatHappened()).toEqual([]);
    }, 180_000);

    it('an agent that is older than the place allows neither joins nor connects', async () => {
      const { installer } = world.services;
      const parent = `installations/${INSTALLATION}`;
      const role = commonV1.HostRole.WORKSTATION;
      const { token } = await installer.createJoinToken({ parent, hostId: 'old', role, validMinutes: 10 });
      const publicKey = rawKey();
      const about = { token, publicKey, platform: 'linux-x64', agentVersion: TOO_OLD, installedVersion: '' };
      const nobody = openChannel({ address: world.lastcall.grpcAddress, credential: () => '' });
      const joining = createClient(hostEdgeV1.HostEdgeServiceService, nobody).join(about);
      await expect(joining).rejects.toMatchObject({ code: CODE.failedPrecondition, reason: 'AGENT_TOO_OLD' });
      nobody.close();
      const { hosts } = await installer.listHosts({ parent, pageSize: 0, pageToken: '' });
      expect(hosts.map((host) => host.name.split('/').at(-1)).toSorted()).toEqual(['desk', 'srv', 'ts']);

      expect(await connectAs('desk', TOO_OLD)).toBe('AGENT_TOO_OLD');
      const desk = await installer.getHost({ name: `${parent}/hosts/desk` });
      expect(desk.host?.connected).toBe(true);
    });

    /** With the real key of the host; answers why it was refused. */
    async function connectAs(host: string, agentVersion: string): Promise<string> {
      const key = createPrivateKey(readFileSync(join(world.dirOf(host), 'identity.pem')));
      const credential = signAgentToken(key, INSTALLATION, host);
      const channel = openChannel({ address: world.lastcall.grpcAddress, credential: () => credential });
      const stream = openStream(hostEdgeV1.HostEdgeServiceService.connect, channel, { timeoutMs: 10_000 });
      const hello = hostEdgeV1.AgentHello.fromPartial({ agentVersion, platform: 'linux-x64' });
      stream.write({ message: { $case: 'hello', value: hello } });
      try {
        for await (const { message } of stream) return `let in with ${message?.$case}`;
        return 'no reason';
      } catch (error) {
        return toCallError(error).reason;
      } finally {
        channel.close();
      }
    }

    it('an installation without any host has nothing to run on, and its gate stays open', async () => {
      await addInstallation(world.services, 0, 'empty');
      const parent = 'installations/empty';
      const gateOf = async () => (await world.services.session.getGate({ name: `${parent}/gate` })).gate;
      // The session service hears of a new installation by an event.
      await until(async () => (await gateOf()) !== undefined, 'the gate to be known');
      const started = startUpdate(world.services, 'nowhere', await current(), {}, parent);
      await expect(started).rejects.toMatchObject({ reason: 'NO_HOSTS' });
      const { scheduler } = world.services;
      const name = `${parent}/jobs/nowhere`;
      expect((await scheduler.getJob({ name })).job?.state).toBe(schedulerV1.JobState.DISABLED);
      // Nor by hand.
      const byHand = scheduler.startJob({ name, confirmedCautions: [], requestId: '' });
      await expect(byHand).rejects.toMatchObject({ reason: 'NOT_STARTED' });
      const { runs } = await scheduler.listRuns({ parent, pageSize: 0, pageToken: '', job: '' });
      expect(runs).toEqual([]);
      const gate = await gateOf();
      expect(gate).toMatchObject({ alarm: false, run: '', epoch: 0 });
    }, 180_000);
  });
}

function rawKey(): Buffer {
  const { x = '' } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
  return Buffer.from(x, 'base64url');
}

suite('embedded');
describeWith('nats', 'with NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('distributed'));
});
