import {
  dateToAt,
  installerV1,
  preflightV1,
  runSpecToWire,
  type EventMessage,
  type EventType,
} from '@lastcall/contracts';
import type { RunSpec } from '@lastcall/kernel';
import {
  createRecorder,
  createTempFolder,
  describeWith,
  startStack,
  type Recorder,
  type Stack,
  type StackOptions,
  type TempFolder,
  until,
} from '@lastcall/testkit';
import { installerModule } from './service.js';
import type { ActionName } from './simulation/simulated-agent.js';
import { simulatedCatalog } from './simulation/simulated-catalog.js';
import { createSimulatedSite, type HostWord, type SimulatedSite } from './simulation/simulated-site.js';

/*
 * Whole plans with real streams, on both pairs of bus and store.
 */

const TIMEOUT_MS = 30_000;
const modules = [simulatedCatalog, installerModule];
const ROLLED_BACK = installerV1.PlanState.ROLLED_BACK;

let stack: Stack;
let site: SimulatedSite;
let folder: TempFolder | undefined;
let words: Recorder<HostWord>;

async function start(options: Omit<StackOptions, 'modules'>): Promise<void> {
  stack = await startStack({ modules, ...options });
}

async function open(options: Omit<StackOptions, 'modules'>): Promise<void> {
  await start(options);
  words = createRecorder<HostWord>();
  site = createSimulatedSite(
    () => stack,
    (word) => words.add(word),
  );
  await site.joinAll();
}

/** A process that ends and another one that begins on what it left. */
async function restart(options: Omit<StackOptions, 'modules'>): Promise<void> {
  const { prefix } = stack;
  await stack.stop({ keep: true });
  await start({ ...options, prefix });
}

const seen = <T extends EventType>(type: T, run: RunSpec) =>
  stack.seen(type, (message) => 'run' in message && message.run?.run === run.run, TIMEOUT_MS);

const heard = (host: string, word: HostWord['word'], action?: ActionName): Promise<HostWord> =>
  words.until(
    (w) => w.host === host && w.word === word && (action === undefined || w.action === action),
    TIMEOUT_MS,
    () =>
      `${word} ${action ?? ''} on ${host}; there was: ${words.items.map((w) => `${w.host} ${w.word} ${w.action ?? w.reason ?? ''}`).join(', ')}`,
  );

const saidOf = (type: EventType, run: RunSpec): number =>
  stack.envelopes.filter((e) => e.type === type && e.installation === run.installation).length;

async function planOf(run: RunSpec): Promise<installerV1.Plan> {
  const name = `installations/${run.installation}/plans/${run.run}`;
  const { plan } = await stack.client(installerV1.InstallerServiceService, 'viewer').getPlan({ name });
  return plan ?? installerV1.Plan.fromPartial({});
}

const statesOf = (plan: installerV1.Plan) => Object.fromEntries(plan.tasks.map((t) => [t.host, t.state]));

async function begin(more: Partial<RunSpec> = {}, absentHosts: readonly string[] = []): Promise<RunSpec> {
  const run = site.runOf(more);
  await site.passPreflight(run, absentHosts);
  await seen('StagingCompleted', run);
  return run;
}

async function install(run: RunSpec): Promise<void> {
  await site.takeBackup(run);
  await site.confirmDrain(run);
}

const HOST_NAMES = ['srv', 'ts', 'ws1', 'ws2'];

function suite(options: Omit<StackOptions, 'modules'>): void {
  // The streams of a stopped process end with it, and its folder is removed by the last one.
  afterEach(async () => {
    await stack.stop();
    await folder?.remove();
  });

  it('updates four hosts, the server first, the others together', async () => {
    await open(options);
    site.connect(...HOST_NAMES);
    const run = await begin();
    await site.confirmDrain(run);
    await site.takeBackup(run);
    expect((await seen('InstallStarted', run)).message.restorePoint).toBe('rp-1');
    expect((await seen('InstallationUpdated', run)).message.absentHosts).toEqual([]);
    expect(saidOf('HostUpdated', run)).toBe(4);
    const installs = words.items.filter((w) => w.action === 'installRelease' && w.word !== 'received');
    expect(installs.slice(0, 2).map((w) => `${w.host} ${w.word}`)).toEqual(['srv began', 'srv finished']);
    expect(words.items.filter((w) => w.word === 'received').map((w) => w.value?.fence)).toEqual(Array(12).fill(1));
    const watched = words.items.filter((w) => w.word === 'received' && w.action === 'watchHealth');
    expect(watched.map((w) => w.host).toSorted()).toEqual(HOST_NAMES.toSorted());
    const plan = await planOf(run);
    expect(plan.state).toBe(installerV1.PlanState.UPDATED);
    expect(new Set(Object.values(statesOf(plan)))).toEqual(new Set(['updated']));
    expect(HOST_NAMES.map((h) => site.agent(h).version)).toEqual(Array(4).fill('11.1.0'));
  });

  it('rolls every touched host back when one install fails, the data on the server with it', async () => {
    await open(options);
    site.connect(...HOST_NAMES);
    site.agent('ts').next('installRelease', 'fail');
    const run = await begin();
    await install(run);
    const { message } = await seen('InstallationRolledBack', run);
    expect(message).toMatchObject({ dataRestored: true, failure: { reason: 'COMMAND_FAILED', host: 'ts' } });
    expect(HOST_NAMES.map((h) => site.agent(h).version)).toEqual(Array(4).fill('11.0.0'));
    const back = words.items.filter((w) => w.word === 'received' && w.action === 'rollBackRelease');
    const restored = back.map((w) => [
      w.host,
      w.value?.action?.$case === 'rollBackRelease' && w.value.action.value.restorePoint,
    ]);
    expect(Object.fromEntries(restored)).toEqual({ srv: 'rp-1', ts: '', ws1: '', ws2: '' });
    expect(await planOf(run)).toMatchObject({ state: ROLLED_BACK, failure: { host: 'ts' } });
    expect(saidOf('InstallationUpdated', run)).toBe(0);
  });

  it('quarantines when a rollback fails twice, and brings the others back nevertheless', async () => {
    await open(options);
    site.connect(...HOST_NAMES);
    site.agent('ws1').next('installRelease', 'lie');
    site.agent('srv').next('rollBackRelease', 'fail', 'fail');
    const run = await begin();
    await install(run);
    const { message } = await seen('InstallationQuarantined', run);
    expect(message.failure).toMatchObject({ reason: 'WRONG_VERSION', host: 'ws1' });
    expect(message.rollbackFailures).toMatchObject([{ reason: 'COMMAND_FAILED', host: 'srv' }]);
    expect(statesOf(await planOf(run))).toEqual({
      srv: 'quarantined',
      ts: 'rolled-back',
      ws1: 'rolled-back',
      ws2: 'rolled-back',
    });
  });

  it('goes back without a host that vanished for good, which a person releases when it is there again', async () => {
    await open({ ...options, settings: { installTimeoutMs: 4_000, rollbackTimeoutMs: 4_000, resultGraceMs: 50 } });
    site.connect(...HOST_NAMES);
    site.agent('ts').next('installRelease', 'hang');
    const run = await begin();
    const began = heard('ts', 'began', 'installRelease');
    await install(run);
    await began;
    site.agent('ts').cut();
    const { message } = await seen('InstallationQuarantined', run);
    expect(message.failure).toMatchObject({ reason: 'TIMED_OUT', host: 'ts' });
    expect(message.rollbackFailures).toMatchObject([{ reason: 'TIMED_OUT', host: 'ts' }]);
    expect(['srv', 'ws1', 'ws2'].map((h) => site.agent(h).version)).toEqual(Array(3).fill('11.0.0'));
    const name = `installations/${run.installation}/hosts/ts`;
    const operator = stack.client(installerV1.InstallerServiceService, 'operator');
    const ask = (more: Partial<installerV1.ReleaseQuarantineRequest> = {}) =>
      operator.releaseQuarantine({ name, reason: 'plugged in', data: 0, ...more });
    await expect(ask({ reason: '' })).rejects.toMatchObject({ message: expect.stringContaining('reason') });
    const srv = `installations/${run.installation}/hosts/srv`;
    await expect(ask({ name: srv })).rejects.toMatchObject({ reason: 'NOT_QUARANTINED' });
    site.agent('ts').release();
    site.connect('ts');
    const { order } = await ask();
    expect(order).toBe(`${run.run}.ts.roll-back-1`);
    await stack.seen('HostReleased', ({ host }) => host === 'ts', TIMEOUT_MS);
    expect(site.agent('ts').version).toBe('11.0.0');
    expect(await planOf(run)).toMatchObject({ state: ROLLED_BACK, failure: { host: 'ts' } });
    await expect(ask()).rejects.toMatchObject({ reason: 'NOT_QUARANTINED' });
  });

  it('succeeds with the second attempt of a rollback', async () => {
    await open(options);
    site.connect(...HOST_NAMES);
    site.agent('srv').next('installRelease', 'fail');
    site.agent('srv').next('rollBackRelease', 'fail');
    const run = await begin();
    await install(run);
    await seen('InstallationRolledBack', run);
    const back = words.items.filter((w) => w.word === 'began' && w.action === 'rollBackRelease');
    expect(back.map((w) => w.order)).toEqual([`${run.run}.srv.roll-back-1`, `${run.run}.srv.roll-back-2`]);
  });

  it('leads to an older version by orders of their own, with the data of a restore point on the server alone', async () => {
    await open(options);
    site.connect(...HOST_NAMES);
    const run = await begin({ toVersion: '10.0.0', downgrade: { dataFrom: 'rp-old' } });
    await install(run);
    await seen('InstallationUpdated', run);
    const orders = words.items.filter((w) => w.word === 'received' && w.action === 'downgradeRelease');
    const from = orders.map((w) => [
      w.host,
      w.value?.action?.$case === 'downgradeRelease' && w.value.action.value.restorePoint,
    ]);
    expect(Object.fromEntries(from)).toEqual({ srv: 'rp-old', ts: '', ws1: '', ws2: '' });
    expect(words.items.some((w) => w.action === 'installRelease')).toBe(false);
    expect(HOST_NAMES.map((h) => site.agent(h).version)).toEqual(Array(4).fill('10.0.0'));
  });

  it('forces an outcome when a host is silent', async () => {
    await open({ ...options, settings: { installTimeoutMs: 400, rollbackTimeoutMs: 400, resultGraceMs: 50 } });
    site.connect(...HOST_NAMES);
    site.agent('srv').next('installRelease', 'hang');
    const run = await begin();
    await install(run);
    const { message } = await seen('InstallationQuarantined', run);
    expect(message.failure).toMatchObject({ reason: 'TIMED_OUT', host: 'srv' });
    // It answers at last: that is confirmed, and changes nothing but what is known of it.
    site.agent('srv').release();
    await words.until(
      (w) => w.word === 'stored' && w.order === `${run.run}.srv.install-1`,
      TIMEOUT_MS,
      () => 'late result stored',
    );
    expect((await planOf(run)).state).toBe(installerV1.PlanState.QUARANTINED);
  });

  it('says exactly one of cancelled and install started, for a run that it does not know too', async () => {
    await open(options);
    site.connect(...HOST_NAMES);
    const unknown = site.runOf();
    await site.requestCancel(unknown);
    await seen('RunCancelled', unknown);
    await site.passPreflight(unknown);

    const run = await begin({ fence: 2 });
    await install(run);
    await seen('InstallStarted', run);
    await site.requestCancel(run);
    await seen('InstallationUpdated', run);
    expect(saidOf('RunCancelled', run)).toBe(1);
    expect(saidOf('StagingCompleted', run)).toBe(1);
  });

  it.each(['BackupFailed', 'DrainFailed'] as const)('installs nothing after %s', async (type) => {
    await open(options);
    site.connect(...HOST_NAMES);
    const run = await begin();
    const failure = { reason: 'SOMETHING_FAILED', message: 'it failed', host: '', facts: {} };
    const say = <T extends EventType>(what: T, message: EventMessage<T>) =>
      stack.publish(what, run.installation, message);
    const wire = runSpecToWire(run);
    await say(type, { run: wire, failure });
    await until(async () => (await planOf(run)).failure !== undefined, 'the plan to be given up');
    await say('BackupTaken', { run: wire, backup: preflightV1.Backup.fromPartial({ restorePoint: 'rp-1' }) });
    await say('DrainConfirmed', { run: wire, epoch: 1 });
    await say('RunCancelRequested', { run: wire, requestedBy: 'anna', reason: '', expired: true });
    await seen('RunCancelled', run);
    expect(await planOf(run)).toMatchObject({ state: installerV1.PlanState.CANCELLED, failure });
    expect(saidOf('InstallStarted', run)).toBe(0);
  });

  it('refuses a first install, because there is nothing to go back to', async () => {
    await open(options);
    const run = site.runOf({ fromVersion: '' });
    await site.passPreflight(run);
    expect((await seen('StagingFailed', run)).message.failure?.reason).toBe('NOTHING_TO_ROLL_BACK_TO');
  });

  it('answers an order of a run that a newer one has overtaken without asking the host', async () => {
    await open(options);
    const newer = site.runOf({ fence: 9 });
    site.connect(...HOST_NAMES);
    await site.passPreflight(newer);
    await seen('StagingCompleted', newer);
    const old = site.runOf({ fence: 8 });
    await site.passPreflight(old);
    expect((await seen('StagingFailed', old)).message.failure?.reason).toBe('FENCE_TOO_LOW');
    expect(words.items.some((w) => w.order?.startsWith(old.run))).toBe(false);
  });

  it.each(['staging', 'staged', 'installing', 'rolling-back'] as const)(
    'goes on after a restart while %s',
    async (phase) => {
      folder = await createTempFolder('installer');
      const kept = { ...options, dataDir: folder.path };
      await open(kept);
      site.connect(...HOST_NAMES);
      const run = site.runOf();
      const { agent } = site;
      if (phase === 'staging') agent('ts').next('stageRelease', 'hang');
      if (phase === 'installing') agent('ws1').next('installRelease', 'hang');
      if (phase === 'rolling-back') {
        agent('ts').next('installRelease', 'fail');
        agent('ts').next('rollBackRelease', 'hang');
      }
      await site.passPreflight(run);
      const pauses = {
        staging: () => heard('ts', 'began', 'stageRelease'),
        staged: () => seen('StagingCompleted', run),
        installing: () => heard('ws1', 'began', 'installRelease'),
        'rolling-back': () => heard('ts', 'began', 'rollBackRelease'),
      };
      if (phase === 'installing' || phase === 'rolling-back') {
        await seen('StagingCompleted', run);
        await install(run);
      }
      await pauses[phase]();
      await restart(kept);
      HOST_NAMES.forEach((host) => agent(host).release());
      site.connect(...HOST_NAMES);
      if (phase === 'staging') await seen('StagingCompleted', run);
      if (phase === 'staging' || phase === 'staged') await install(run);
      await seen(phase === 'rolling-back' ? 'InstallationRolledBack' : 'InstallationUpdated', run);
      const version = phase === 'rolling-back' ? '11.0.0' : '11.1.0';
      expect(HOST_NAMES.map((h) => agent(h).version)).toEqual(Array(4).fill(version));
      // Whatever was sent twice was begun once.
      const begun = words.items.filter((w) => w.word === 'began').map((w) => w.order);
      expect(new Set(begun).size).toBe(begun.length);
    },
  );

  it('gives an install no time beyond its own, whatever the deadline of the run', async () => {
    await open({ ...options, settings: { installTimeoutMs: 60_000 } });
    site.connect(...HOST_NAMES);
    const deadlineAt = Date.now() + 5_000;
    const run = await begin({ deadlineAt });
    await install(run);
    const staged = (await heard('srv', 'received', 'stageRelease')).value;
    const installed = (await heard('srv', 'received', 'installRelease')).value;
    expect(dateToAt(staged?.deadline)).toBe(deadlineAt);
    expect(dateToAt(installed?.deadline)).toBeGreaterThan(deadlineAt + 50_000);
  });
}

describe('plans on the embedded bus and SQLite', () => suite({}));
describeWith('nats', 'plans on NATS', () =>
  describeWith('mongodb', 'and MongoDB', () => suite({ bus: 'nats', store: 'mongodb' })),
);
