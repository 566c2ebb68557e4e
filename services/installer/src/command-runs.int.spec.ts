import type { EventType } from '@lastcall/contracts';
import type { RunHost, RunSpec } from '@lastcall/kernel';
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
import { createSimulatedSite, HOSTS, type HostWord, type SimulatedSite } from './simulation/simulated-site.js';

/*
 * The command of a run, with real streams to hosts, on both pairs of bus and store.
 */

const TIMEOUT_MS = 15_000;
const SOON = { resultGraceMs: 100, planPatienceMs: 100 };

let stack: Stack;
let site: SimulatedSite;
let words: Recorder<HostWord>;

async function open(options: Omit<StackOptions, 'modules'>): Promise<void> {
  stack = await startStack({ modules: [simulatedCatalog, installerModule], settings: SOON, ...options });
  words = createRecorder<HostWord>();
  site = createSimulatedSite(
    () => stack,
    (word) => words.add(word),
  );
  await site.joinAll();
}

const commandOn = (hosts: readonly RunHost[], more: Partial<RunSpec> = {}): RunSpec =>
  site.runOf({ type: 'run-command', command: 'reindex', toVersion: '', hosts, ...more });
const seen = <T extends EventType>(type: T, run: RunSpec) =>
  stack.seen(type, (message) => 'run' in message && message.run?.run === run.run, TIMEOUT_MS);
const said = (type: EventType): number => stack.envelopes.filter((envelope) => envelope.type === type).length;
const heard = (host: string, word: HostWord['word']) =>
  words.until(
    (w) => w.host === host && w.word === word,
    TIMEOUT_MS,
    () => `${word} on ${host}`,
  );

function suite(options: Omit<StackOptions, 'modules'>): void {
  beforeEach(() => open(options));
  afterEach(() => stack.stop());

  it('tells every host that is there, once, and says what each has answered', async () => {
    site.connect('srv', 'ts', 'ws1');
    site.agent('ts').next('runCommand', 'fail');
    const run = commandOn(HOSTS);
    await site.passPreflight(run, ['ws2']);
    await site.passPreflight(run, ['ws2']);
    expect((await seen('CommandsStarted', run)).message.hosts).toEqual(['srv', 'ts', 'ws1']);
    const { message } = await seen('CommandsFailed', run);
    expect(message.failure?.host).toBe('ts');
    expect(message.results.map(({ host, failure }) => [host, failure !== undefined])).toEqual([
      ['srv', false],
      ['ts', true],
      ['ws1', false],
    ]);
    const [order] = words.items.filter(({ word, host }) => word === 'received' && host === 'srv');
    expect(order?.value).toMatchObject({
      ...{ run: run.run, fence: run.fence, issuedBy: 'installer' },
      action: { $case: 'runCommand', value: { product: 'encore', version: '11.0.0', command: 'reindex' } },
    });
    site.agent('ts').repeatResults();
    const next = commandOn(HOSTS.slice(0, 1), { fence: 2 });
    await site.passPreflight(next);
    await seen('CommandsRun', next);
    expect([said('CommandsStarted'), said('CommandsFailed'), said('CommandsRun')]).toEqual([2, 1, 1]);
  });

  it('tells nobody when it was cancelled before, and is not cancelled when a host was told', async () => {
    site.connect('srv');
    const early = commandOn(HOSTS.slice(0, 1));
    await site.requestCancel(early);
    // Events of two services have no order: only what was heard first came first.
    expect((await seen('RunCancelled', early)).message.requestedBy).toBe('anna');
    await site.passPreflight(early);
    site.agent('srv').next('runCommand', 'hang');
    const late = commandOn(HOSTS.slice(0, 1), { fence: 2 });
    await site.passPreflight(late);
    await heard('srv', 'began');
    await site.requestCancel(late);
    site.agent('srv').release();
    await seen('CommandsRun', late);
    expect([said('RunCancelled'), said('HostOrderIssued')]).toEqual([1, 1]);
  });

  it('ends when its time is up, with those who have not answered', async () => {
    site.connect('srv', 'ts');
    site.agent('ts').next('runCommand', 'hang');
    const run = commandOn(HOSTS.slice(0, 2), { deadlineAt: Date.now() + 1_000 });
    await site.passPreflight(run);
    const { message } = await seen('CommandsFailed', run);
    expect(message).toMatchObject({ failure: { reason: 'TIMED_OUT', host: 'ts' } });
    expect(message.results.map(({ failure }) => failure?.reason)).toEqual([undefined, 'TIMED_OUT']);
  });
}

describe('commands on the embedded bus and SQLite', () => suite({}));
describeWith('nats', 'commands on NATS', () =>
  describeWith('mongodb', 'and MongoDB', () => suite({ bus: 'nats', store: 'mongodb' })),
);
