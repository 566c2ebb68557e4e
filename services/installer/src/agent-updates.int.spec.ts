import { installerV1 } from '@lastcall/contracts';
import { CODE } from '@lastcall/sdk';
import {
  createRecorder,
  describeWith,
  startStack,
  type Recorder,
  type Stack,
  type StackOptions,
} from '@lastcall/testkit';
import { installerModule } from './service.js';
import { simulatedCatalog } from './simulation/simulated-catalog.js';
import { createSimulatedSite, type HostWord, type SimulatedSite } from './simulation/simulated-site.js';

/*
 * Orders to agents to replace themselves, on both pairs of bus and store.
 */

const TIMEOUT_MS = 20_000;
jest.setTimeout(90_000);

function suite(options: Omit<StackOptions, 'modules'>): void {
  let stack: Stack;
  let site: SimulatedSite;
  let words: Recorder<HostWord>;
  beforeEach(async () => {
    stack = await startStack({ modules: [simulatedCatalog, installerModule], ...options });
    words = createRecorder<HostWord>();
    site = createSimulatedSite(
      () => stack,
      (word) => words.add(word),
    );
    await site.joinAll();
  });
  afterEach(() => stack.stop());

  const update = (hostIds: string[], more: Partial<installerV1.UpdateAgentsRequest> = {}) => {
    const parent = `installations/${site.installation}`;
    const request = { parent, hostIds, version: '0.2.0', validMinutes: 0, ...more };
    return stack.client(installerV1.InstallerServiceService).updateAgents(request);
  };
  const ended = (order = '') => stack.seen('HostOrderCompleted', (m) => m.order?.order === order, TIMEOUT_MS);
  const updateOf = async (host: string): Promise<installerV1.AgentUpdate | undefined> => {
    const name = `installations/${site.installation}/hosts/${host}`;
    return (await stack.client(installerV1.InstallerServiceService).getHost({ name })).host?.agentUpdate;
  };
  const received = (order = '') =>
    words.until(
      (w) => w.word === 'received' && w.order === order,
      TIMEOUT_MS,
      () => `the order ${order}`,
    );

  it('go to the hosts that are named, once, and their end is shown', async () => {
    site.connect('srv', 'ts');
    site.agent('ts').next('updateAgent', 'fail');
    site.agent('srv').next('updateAgent', 'hang');
    const { hosts } = await update(['srv', 'ts']);
    const [srv, ts] = hosts.map((host) => host.agentUpdate);
    expect(srv).toMatchObject({ version: '0.2.0', endTime: undefined, failure: undefined });
    const { value } = await received(srv?.order);
    expect(value).toMatchObject({ run: '', issuedBy: 'installer', action: { value: { version: '0.2.0' } } });
    expect((await update(['srv'])).hosts[0]?.agentUpdate?.order).toBe(srv?.order);
    site.agent('srv').release();
    await ended(srv?.order);
    await ended(ts?.order);
    expect(await updateOf('srv')).toMatchObject({ order: srv?.order, endTime: expect.any(Date), failure: undefined });
    expect(await updateOf('ts')).toMatchObject({ endTime: expect.any(Date), failure: { reason: 'COMMAND_FAILED' } });
    expect(await updateOf('ws1')).toBeUndefined();
    expect(words.items.filter((w) => w.word === 'began' && w.host === 'srv')).toHaveLength(1);
    const again = (await update(['srv'])).hosts[0]?.agentUpdate?.order;
    expect(again).not.toBe(srv?.order);
    await ended(again);
  });

  it('have the fence of the last run of their host', async () => {
    const run = site.runOf({ fence: 7 });
    site.connect('srv', 'ts', 'ws1', 'ws2');
    await site.passPreflight(run);
    await stack.seen('StagingCompleted', undefined, TIMEOUT_MS);
    await expect(update(['srv'])).rejects.toMatchObject({ code: CODE.failedPrecondition, reason: 'RUN_ACTIVE' });
    await site.requestCancel(run);
    await stack.seen('RunCancelled', undefined, TIMEOUT_MS);
    const { hosts } = await update(['srv']);
    expect((await received(hosts[0]?.agentUpdate?.order)).value).toMatchObject({ fence: 7 });
  });

  it('are refused for what is wrong, all at once, and for hosts that are not there', async () => {
    await expect(update([], { version: 'newest', validMinutes: 2_000 })).rejects.toMatchObject({
      violations: [{ field: 'host_ids' }, { field: 'version' }, { field: 'valid_minutes' }],
    });
    await expect(update(['srv', 'no-such'])).rejects.toMatchObject({ code: CODE.notFound });
    expect(await updateOf('srv')).toBeUndefined();
  });
}

describe('updates of agents on the embedded bus and SQLite', () => suite({}));
describeWith('nats', 'updates of agents on NATS', () =>
  describeWith('mongodb', 'and MongoDB', () => suite({ bus: 'nats', store: 'mongodb' })),
);
