import { describeWith, createRecorder, startStack, type Recorder, type Stack } from '@lastcall/testkit';
import { installerModule } from './service.js';
import { simulatedCatalog } from './simulation/simulated-catalog.js';
import { createSimulatedSite, HOSTS, type HostWord, type SimulatedSite } from './simulation/simulated-site.js';

/*
 * Two replicas of the installer that share bus and store: whichever takes an order in, the one that holds the host's stream
 * sends it, and of two streams of a host only the later one counts.
 */

const TIMEOUT_MS = 30_000;
const options = { bus: 'nats', store: 'mongodb', modules: [simulatedCatalog, installerModule] } as const;

let first: Stack;
let second: Stack;
let words: Recorder<HostWord>;
let site: SimulatedSite;

async function open(): Promise<void> {
  first = await startStack(options);
  second = await startStack({ ...options, prefix: first.prefix });
  words = createRecorder<HostWord>();
  site = createSimulatedSite(
    () => first,
    (word) => words.add(word),
  );
  await site.joinAll();
}

const connectTo = (stack: Stack, host: string): void => {
  const agent = site.agent(host);
  agent.connect(stack.channelWith(agent.credential()));
};

const heard = (host: string, word: HostWord['word']): Promise<HostWord> =>
  words.until(
    (w) => w.host === host && w.word === word,
    TIMEOUT_MS,
    () => `${word} on ${host}`,
  );

function suite(): void {
  beforeEach(open);
  afterEach(async () => {
    await second.stop({ keep: true });
    await first.stop();
  });

  it('update hosts whose streams are spread over them', async () => {
    HOSTS.forEach(({ host }, i) => connectTo(i % 2 === 0 ? first : second, host));
    const run = site.runOf();
    await site.passPreflight(run);
    await first.seen('StagingCompleted', undefined, TIMEOUT_MS);
    await site.takeBackup(run);
    await site.confirmDrain(run);
    await first.seen('InstallationUpdated', undefined, TIMEOUT_MS);
    expect(HOSTS.map(({ host }) => site.agent(host).version)).toEqual(HOSTS.map(() => '11.1.0'));
  });

  it('agree on the stream that counts', async () => {
    connectTo(first, 'srv');
    await heard('srv', 'welcome');
    connectTo(second, 'srv');
    expect((await heard('srv', 'ended')).reason).toBe('STREAM_REPLACED');
    site.agent('srv').heartbeat();
    await heard('srv', 'heartbeat');
  });

  it('go on with the hosts of one that has ended', async () => {
    const { agent } = site;
    HOSTS.forEach(({ host }) => connectTo(second, host));
    agent('ts').next('stageRelease', 'hang');
    const run = site.runOf();
    await site.passPreflight(run);
    await heard('ts', 'began');
    await second.stop({ keep: true });
    await heard('ts', 'ended');
    HOSTS.forEach(({ host }) => connectTo(first, host));
    agent('ts').release();
    await first.seen('StagingCompleted', undefined, TIMEOUT_MS);
  });
}

describeWith('nats', 'replicas on NATS', () => describeWith('mongodb', 'and MongoDB', suite));
