import { atToDate, hostEdgeV1, hostOrderV1, installerV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { CODE, openStream } from '@lastcall/sdk';
import {
  createRecorder,
  describeWith,
  findFreePorts,
  startStack,
  type Recorder,
  type Stack,
  type StackOptions,
} from '@lastcall/testkit';
import { installerModule } from './service.js';
import { createSimulatedAgent } from './simulation/simulated-agent.js';
import { simulatedCatalog, SIMULATED_ROOT, SIMULATED_TIMESTAMP } from './simulation/simulated-catalog.js';
import { createSimulatedSite, type HostWord, type SimulatedSite } from './simulation/simulated-site.js';

/*
 * Joining, streams and orders, on both pairs of bus and store.
 */

const TIMEOUT_MS = 20_000;
jest.setTimeout(90_000);
const modules = [simulatedCatalog, installerModule];

let stack: Stack;
let site: SimulatedSite;
let words: Recorder<HostWord>;

async function open(options: Omit<StackOptions, 'modules'>): Promise<void> {
  stack = await startStack({ modules, ...options });
  words = createRecorder<HostWord>();
  site = createSimulatedSite(
    () => stack,
    (word) => words.add(word),
  );
}

const heard = (fits: (word: HostWord) => boolean, what: string): Promise<HostWord> =>
  words.until(
    fits,
    TIMEOUT_MS,
    () => `${what}; there was: ${words.items.map((w) => `${w.word} ${w.order ?? w.reason ?? ''}`).join(', ')}`,
  );

const count = (word: HostWord['word']): number => words.items.filter((w) => w.word === word).length;

async function order(name: string, host = 'srv', more: Partial<hostOrderV1.HostOrder> = {}): Promise<string> {
  const id = `${site.installation}-${name}`;
  const message = hostOrderV1.HostOrder.fromPartial({
    ...{ order: id, installation: site.installation, host, issuedBy: 'preflight' },
    deadline: atToDate(Date.now() + 60_000),
    action: { $case: 'collectFacts', value: { product: 'encore', version: '' } },
    ...more,
  });
  // From one document, as the orders of one plan come: only those are in order.
  await stack.publish('HostOrderIssued', site.installation, { order: message }, `installer/plans/${site.installation}`);
  return id;
}

const completed = (id: string) => stack.seen('HostOrderCompleted', (m) => m.order?.order === id, TIMEOUT_MS);

async function hostNamed(host: string): Promise<installerV1.Host> {
  const name = `installations/${site.installation}/hosts/${host}`;
  const found = await stack.client(installerV1.InstallerServiceService, 'viewer').getHost({ name });
  return found.host ?? installerV1.Host.fromPartial({});
}

function suite(options: Omit<StackOptions, 'modules'>): void {
  afterEach(() => stack.stop());

  describe('joining', () => {
    it('registers the key, answers with what to trust, and says so', async () => {
      await open(options);
      const answer = await site.join('srv', await site.token('srv'));
      expect(answer).toMatchObject({
        installation: site.installation,
        host: 'srv',
        product: 'encore',
        catalogUrl: stack.httpUrl,
      });
      expect(Buffer.from(answer.trustedRoot).toString()).toBe(SIMULATED_ROOT);
      expect(Buffer.from(answer.trustedTimestamp).toString()).toBe(SIMULATED_TIMESTAMP);
      const { message } = await stack.seen('HostJoined');
      expect(message).toMatchObject({ host: 'srv', installedVersion: '11.0.0', platform: 'linux-x64' });
      expect(Buffer.from(message.publicKey).equals(site.agent('srv').publicKey)).toBe(true);
      expect((await hostNamed('srv')).keyFingerprint).toBe(sha256Hex(site.agent('srv').publicKey));
    });
    it('reads the catalog where the settings say, and sends hosts where they reach it', async () => {
      const [port] = await findFreePorts(1);
      const inside = { httpAddress: `127.0.0.1:${port}`, catalogInsideUrl: `http://127.0.0.1:${port}/` };
      await open({ ...options, settings: { ...inside, catalogUrl: 'https://updates.example.org' } });
      const answer = await site.join('srv', await site.token('srv'));
      expect(answer.catalogUrl).toBe('https://updates.example.org');
      expect(Buffer.from(answer.trustedRoot).toString()).toBe(SIMULATED_ROOT);
    });

    it('answers the same key again, says it once, and refuses another key', async () => {
      await open(options);
      const token = await site.token('srv');
      const first = await site.join('srv', token);
      expect(await site.join('srv', token)).toEqual(first);
      await expect(site.join('srv', token, site.agent('ts').publicKey)).rejects.toMatchObject({
        code: CODE.unauthenticated,
        reason: 'JOIN_TOKEN_USED',
      });
      await stack.seen('HostJoined');
      await site.join('ts', await site.token('ts'));
      await stack.seen('HostJoined', (m) => m.host === 'ts');
      expect(stack.envelopes.filter((e) => e.type === 'HostJoined')).toHaveLength(2);
      expect((await hostNamed('srv')).keyFingerprint).toBe(sha256Hex(site.agent('srv').publicKey));
    });
    it('refuses a token that it does not know, and wrong fields all at once', async () => {
      await open(options);
      await expect(site.join('srv', 'guessed')).rejects.toMatchObject({ reason: 'JOIN_TOKEN_UNKNOWN' });
      await expect(site.join('srv', '', Buffer.alloc(3))).rejects.toMatchObject({
        code: CODE.invalidArgument,
        violations: [{ field: 'token' }, { field: 'public_key' }],
      });
    });
    it('makes no token for an installation that does not exist or a host without a name', async () => {
      await open(options);
      const create = (parent: string, hostId: string) =>
        stack.client(installerV1.InstallerServiceService).createJoinToken({ parent, hostId, role: 1, validMinutes: 0 });
      await expect(create('installations/no-where', 'srv')).rejects.toMatchObject({ code: CODE.notFound });
      await expect(create('installations/berlin', '../x')).rejects.toMatchObject({
        violations: [{ field: 'host_id' }],
      });
    });
    it('ends the stream of the old key when the host joins with a new one', async () => {
      await open(options);
      await site.join('srv', await site.token('srv'));
      site.connect('srv');
      await heard((w) => w.word === 'welcome', 'welcome');
      const other = createSimulatedAgent({
        installation: site.installation,
        host: 'srv',
        version: '11.0.0',
        onWord: () => undefined,
      });
      await site.join('srv', await site.token('srv'), other.publicKey);
      site.agent('srv').heartbeat();
      expect((await heard((w) => w.word === 'ended', 'end')).reason).toBe('STREAM_REPLACED');
    });
  });

  describe('a stream', () => {
    beforeEach(async () => {
      await open({ ...options, settings: { hostSilenceMs: 5_000, minimumAgentVersion: '0.1.0' } });
      await site.join('srv', await site.token('srv'));
    });
    it('shows the host as connected until it ends', async () => {
      expect((await hostNamed('srv')).connected).toBe(false);
      site.connect('srv');
      await heard((w) => w.word === 'welcome', 'welcome');
      expect(await hostNamed('srv')).toMatchObject({
        connected: true,
        installedVersion: '11.0.0',
        agentVersion: '0.1.0',
      });
      const { hosts } = await stack.client(installerV1.InstallerServiceService).listHosts({
        ...{ parent: `installations/${site.installation}`, pageSize: 0, pageToken: '' },
      });
      expect(hosts).toHaveLength(1);
    });
    it('is refused with a wrong key', async () => {
      const stranger = createSimulatedAgent({
        installation: site.installation,
        host: 'srv',
        version: '',
        onWord: (w) => words.add({ ...w, host: 'x' }),
      });
      stranger.connect(stack.channelWith(stranger.credential()));
      expect((await heard((w) => w.word === 'ended', 'end')).reason).toBe('BAD_CREDENTIAL');
    });
    it('is refused when its first message is no hello', async () => {
      const stream = openStream(
        hostEdgeV1.HostEdgeServiceService.connect,
        stack.channelWith(site.agent('srv').credential()),
      );
      stream.write({ message: { $case: 'heartbeat', value: {} } });
      await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ reason: 'HELLO_EXPECTED' });
    });
    it('is refused for an agent that is too old, and welcomes one from the future', async () => {
      const { agent } = site;
      agent('srv').connect(stack.channelWith(agent('srv').credential()), { agentVersion: '0.0.9' });
      expect((await heard((w) => w.word === 'ended', 'end')).reason).toBe('AGENT_TOO_OLD');
      agent('srv').connect(stack.channelWith(agent('srv').credential()), { agentVersion: '99.0.0' });
      await heard((w) => w.word === 'welcome', 'welcome');
    });
    it('ends when a second one of the same host comes', async () => {
      site.connect('srv');
      await heard((w) => w.word === 'welcome', 'welcome');
      site.connect('srv');
      expect((await heard((w) => w.word === 'ended', 'end')).reason).toBe('STREAM_REPLACED');
      site.agent('srv').heartbeat();
      await heard((w) => w.word === 'heartbeat', 'heartbeat');
      expect((await hostNamed('srv')).connected).toBe(true);
      expect(count('ended')).toBe(1);
    });
    it('ends when nothing is heard on it', async () => {
      await stack.stop();
      await open({ ...options, settings: { hostSilenceMs: 150 } });
      await site.join('srv', await site.token('srv'));
      site.connect('srv');
      expect((await heard((w) => w.word === 'ended', 'end')).reason).toBe('STREAM_SILENT');
    });
  });

  describe('an order', () => {
    beforeEach(async () => {
      await open({ ...options, settings: { resultGraceMs: 50 } });
      await site.join('srv', await site.token('srv'));
    });
    it('goes to a connected host, is answered, confirmed and completed once, however often it is answered', async () => {
      site.connect('srv');
      await heard((w) => w.word === 'welcome', 'welcome');
      const first = await order('a');
      await heard((w) => w.word === 'stored' && w.order === first, 'confirmation');
      site.agent('srv').repeatResults();
      site.agent('srv').repeatResults();
      const second = await order('b');
      await completed(second);
      expect(words.items.filter((w) => w.word === 'stored' && w.order === first)).toHaveLength(3);
      expect(stack.envelopes.filter((e) => e.type === 'HostOrderCompleted')).toHaveLength(2);
      expect(words.items.filter((w) => w.word === 'began')).toHaveLength(2);
    });
    it('waits for a host that is away and comes in the order of issue', async () => {
      const ids = [await order('a'), await order('b'), await order('c')];
      const marker = await order('gone', 'srv', { deadline: atToDate(Date.now() - 1) });
      expect((await completed(marker)).message.result?.failure?.reason).toBe('TIMED_OUT');
      site.connect('srv');
      for (const id of ids) await completed(id);
      expect(words.items.filter((w) => w.word === 'began').map((w) => w.order)).toEqual(ids);
    });
    it('is answered with the recorded result when the stream was cut in the middle', async () => {
      site.agent('srv').next('collectFacts', 'hang');
      site.connect('srv');
      const id = await order('a');
      await heard((w) => w.word === 'began', 'beginning');
      site.agent('srv').cut();
      await heard((w) => w.word === 'ended', 'end');
      site.agent('srv').release();
      await heard((w) => w.word === 'finished', 'finish');
      expect(count('stored')).toBe(0);
      site.connect('srv');
      await completed(id);
      await heard((w) => w.word === 'stored', 'confirmation');
      expect(count('began')).toBe(1);
    });
    it('shows its progress, and says each step once', async () => {
      site.agent('srv').next('collectFacts', 'hang');
      site.connect('srv');
      const id = await order('a');
      const { message } = await stack.seen('HostOrderProgressed', undefined, TIMEOUT_MS);
      expect(message.progress).toMatchObject({ step: 'swap', done: 1n, total: 2n, note: '' });
      expect(await hostNamed('srv')).toMatchObject({ currentOrder: id, progress: { step: 'swap' } });
      for (let done = 2n; done < 50n; done++) {
        site
          .agent('srv')
          .send({ $case: 'progress', value: { order: id, progress: { step: 'swap', done, total: 50n, note: '' } } });
      }
      site.agent('srv').release();
      await completed(id);
      expect(stack.envelopes.filter((e) => e.type === 'HostOrderProgressed')).toHaveLength(1);
    });
    it('times out at its deadline; a result that comes later is confirmed and changes the version only', async () => {
      site.agent('srv').next('collectFacts', 'hang');
      site.connect('srv');
      const id = await order('a', 'srv', { deadline: atToDate(Date.now() + 300) });
      await heard((w) => w.word === 'began', 'beginning');
      expect((await completed(id)).message.result?.failure).toMatchObject({ reason: 'TIMED_OUT', host: 'srv' });
      site.agent('srv').version = '12.0.0';
      site.agent('srv').release();
      await heard((w) => w.word === 'stored', 'confirmation');
      expect((await hostNamed('srv')).installedVersion).toBe('12.0.0');
      expect(stack.envelopes.filter((e) => e.type === 'HostOrderCompleted')).toHaveLength(1);
    });
    it('survives messages of a newer agent and words about orders that nobody gave', async () => {
      site.connect('srv');
      await heard((w) => w.word === 'welcome', 'welcome');
      const { agent } = site;
      agent('srv').send(undefined);
      agent('srv').send({ $case: 'accepted', value: { order: 'nobody-gave-this' } });
      agent('srv').send({ $case: 'progress', value: { order: 'nobody-gave-this', progress: undefined } });
      agent('srv').send({ $case: 'result', value: { order: 'nobody-gave-this', result: undefined } });
      await heard((w) => w.word === 'stored' && w.order === 'nobody-gave-this', 'confirmation');
      expect(stack.envelopes.filter((e) => e.type.startsWith('HostOrderCompleted'))).toEqual([]);
    });
  });
}

describe('the host edge on the embedded bus and SQLite', () => suite({}));
describeWith('nats', 'the host edge on NATS', () =>
  describeWith('mongodb', 'and MongoDB', () => suite({ bus: 'nats', store: 'mongodb' })),
);
