import { installerV1, type EventType } from '@lastcall/contracts';
import type { RunSpec } from '@lastcall/kernel';
import {
  createRecorder,
  describeWith,
  startStack,
  type Recorder,
  type Stack,
  type StackOptions,
} from '@lastcall/testkit';
import { installerModule } from './service.js';
import type { ActionName } from './simulation/simulated-agent.js';
import { simulatedCatalog } from './simulation/simulated-catalog.js';
import { createSimulatedSite, type HostWord, type SimulatedSite } from './simulation/simulated-site.js';

/*
 * Hosts that catch up with their installation, with real streams, on both pairs of bus and store.
 */

const TIMEOUT_MS = 15_000;

let stack: Stack;
let site: SimulatedSite;
let words: Recorder<HostWord>;

async function open(options: Omit<StackOptions, 'modules'>): Promise<void> {
  stack = await startStack({ modules: [simulatedCatalog, installerModule], ...options });
  words = createRecorder<HostWord>();
  site = createSimulatedSite(
    () => stack,
    (word) => words.add(word),
  );
  await site.joinAll();
}

const seen = <T extends EventType>(type: T, run: RunSpec) =>
  stack.seen(type, (message) => 'run' in message && message.run?.run === run.run, TIMEOUT_MS);

const heard = (host: string, word: HostWord['word'], action?: ActionName): Promise<HostWord> =>
  words.until(
    (w) => w.host === host && w.word === word && (action === undefined || w.action === action),
    TIMEOUT_MS,
    () => `${word} ${action ?? ''} on ${host}`,
  );

const orders = (action: ActionName, host: string): number =>
  words.items.filter((w) => w.word === 'began' && w.action === action && w.host === host).length;

async function statesIn(run: RunSpec): Promise<Record<string, string>> {
  const name = `installations/${run.installation}/plans/${run.run}`;
  const { plan } = await stack.client(installerV1.InstallerServiceService, 'viewer').getPlan({ name });
  return Object.fromEntries((plan?.tasks ?? []).map((t) => [t.host, t.state]));
}

async function begin(more: Partial<RunSpec> = {}): Promise<RunSpec> {
  const run = site.runOf(more);
  await site.passPreflight(run, ['ws2']);
  await seen('StagingCompleted', run);
  return run;
}

async function install(run: RunSpec): Promise<void> {
  await site.takeBackup(run);
  await site.confirmDrain(run);
}

function suite(options: Omit<StackOptions, 'modules'>): void {
  afterEach(() => stack.stop());

  it('lets a workstation that was switched off catch up when it comes back', async () => {
    await open(options);
    site.connect('srv', 'ts', 'ws1');
    const run = await begin();
    await install(run);
    expect((await seen('InstallationUpdated', run)).message.absentHosts).toEqual(['ws2']);
    expect(await statesIn(run)).toMatchObject({ ws2: 'absent' });
    site.agent('ws2').next('installRelease', 'fail');
    site.connect('ws2');
    await heard('ws2', 'finished', 'rollBackRelease');
    expect(site.agent('ws2').version).toBe('11.0.0');
    await stack.seen(
      'HostOrderCompleted',
      ({ order }) => order?.order === `${run.run}.ws2.late-roll-back-1`,
      TIMEOUT_MS,
    );
    site.connect('ws2');
    await stack.seen('HostUpdated', ({ host }) => host === 'ws2', TIMEOUT_MS);
    expect(site.agent('ws2').version).toBe('11.1.0');
    expect(await statesIn(run)).toMatchObject({ ws2: 'updated' });
  });

  it('brings a workstation back that does not stay healthy, and tries no more after three times until a person wants it', async () => {
    await open(options);
    site.connect('srv', 'ts', 'ws1');
    const run = await begin();
    await install(run);
    await seen('InstallationUpdated', run);
    site.agent('ws2').next('watchHealth', 'fail', 'fail', 'fail');
    for (const last of [1, 2, 3]) {
      site.connect('ws2');
      await stack.seen(
        'HostCatchUpFailed',
        ({ host, givenUp }) => host === 'ws2' && givenUp === (last === 3) && orders('watchHealth', 'ws2') === last,
        TIMEOUT_MS,
      );
      expect(site.agent('ws2').version).toBe('11.0.0');
    }
    const quarantined = { ws2: 'quarantined' };
    expect(await statesIn(run)).toMatchObject(quarantined);
    site.connect('ws2');
    await heard('ws2', 'welcome');
    const name = `installations/${run.installation}/hosts/ws2`;
    const operator = stack.client(installerV1.InstallerServiceService, 'operator');
    expect(await operator.releaseQuarantine({ name, reason: 'disk replaced', data: 0 })).toEqual({
      run: run.run,
      order: '',
    });
    await stack.seen('HostUpdated', ({ host }) => host === 'ws2', TIMEOUT_MS);
    expect([site.agent('ws2').version, orders('watchHealth', 'ws2')]).toEqual(['11.1.0', 4]);
    expect(await stack.seen('HostCatchUpBegun', ({ host }) => host === 'ws2', TIMEOUT_MS)).toBeDefined();
    await expect(operator.releaseQuarantine({ name, reason: 'again', data: 0 })).rejects.toMatchObject({
      reason: 'NOT_QUARANTINED',
    });
  });

  it('catches up with a host that came back while the others were updated', async () => {
    await open(options);
    site.connect('srv', 'ts', 'ws1', 'ws2');
    const run = await begin();
    await install(run);
    await stack.seen('HostUpdated', ({ host }) => host === 'ws2', TIMEOUT_MS);
    expect(site.agent('ws2').version).toBe('11.1.0');
  });

  it('catches up when the run that stood in the way has ended without a change', async () => {
    await open(options);
    site.connect('srv', 'ts', 'ws1');
    const run = await begin();
    await install(run);
    await seen('InstallationUpdated', run);
    const next = await begin({ fence: 2, fromVersion: '11.1.0', toVersion: '11.2.0' });
    site.connect('ws2');
    await heard('ws2', 'welcome');
    await site.requestCancel(next);
    await stack.seen('HostUpdated', ({ host }) => host === 'ws2', TIMEOUT_MS);
    expect(site.agent('ws2').version).toBe('11.1.0');
  });
}

describe('hosts that catch up on the embedded bus and SQLite', () => suite({}));
describeWith('nats', 'hosts that catch up on NATS', () =>
  describeWith('mongodb', 'and MongoDB', () => suite({ bus: 'nats', store: 'mongodb' })),
);
