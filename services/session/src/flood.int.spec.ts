import { sessionV1 } from '@lastcall/contracts';
import { CODE, openStream, type ClientStream } from '@lastcall/sdk';
import { startStack, until, type Stack } from '@lastcall/testkit';
import { sessionModule } from './service.js';
import type { SessionSettings } from './settings.js';
import { AttachClient, helloOf } from './testing/attach-client.js';
import { cancelled, INSTALLATION, withoutTerminalServers } from './testing/run-events.js';
import { aboutRun, openSite, SITE_SETTINGS, type Site } from './testing/site.js';

/*
 * Clients that ask too much: too often, too long, too large, what nobody understands. Each one is told so, and the others notice nothing.
 */

const { EndReason, RefusalReason } = sessionV1;
const { attach: method } = sessionV1.SessionServiceService;
const { hosts } = withoutTerminalServers();

let site: Stack & Site;

async function start(settings: Partial<SessionSettings> = {}): Promise<AttachClient> {
  const all = { ...SITE_SETTINGS, ...settings };
  site = await openSite(await startStack({ modules: [sessionModule], settings: all }));
  return (await site.attached({ user: 'bystander' })).client;
}
afterEach(() => site.stop());

/** The bystander is answered, at once, and nothing has happened to it. */
async function isWell(bystander: AttachClient): Promise<void> {
  const before = bystander.count('heartbeat');
  const began = performance.now();
  bystander.say({ $case: 'heartbeat', value: {} });
  await bystander.until('heartbeat', () => bystander.count('heartbeat') > before);
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(bystander.count('ended')).toBe(0);
}

const withCredential = (subject: string, hello?: Partial<sessionV1.Hello>) =>
  new AttachClient(site.channel('client', INSTALLATION, subject), hello);

async function reasonOf(client: AttachClient): Promise<sessionV1.RefusalReason | 'welcome'> {
  return Promise.race([
    client.until('refused').then(({ reason }) => reason),
    client.until('welcome').then(() => 'welcome' as const),
  ]);
}

describe('too many attaches', () => {
  it('with one credential are refused; another one comes in', async () => {
    const bystander = await start({ attachBurst: 3, attachPerSecond: 1 });
    const channel = site.channel('client', INSTALLATION, 'flooder');
    const reasons = await Promise.all(
      Array.from({ length: 20 }, (_, i) => reasonOf(new AttachClient(channel, { user: `user-${i}` }))),
    );
    expect(reasons.filter((reason) => reason === 'welcome').length).toBeLessThanOrEqual(5);
    expect(reasons.filter((reason) => reason === RefusalReason.TOO_MANY).length).toBeGreaterThanOrEqual(15);
    expect(await reasonOf(withCredential('other', { user: 'other' }))).toBe('welcome');
    await isWell(bystander);
  });

  it('to one installation are refused, whatever they come with; who is inside stays', async () => {
    const bystander = await start({ attachBurstPerInstallation: 4, attachPerSecondPerInstallation: 1 });
    const reasons = await Promise.all(
      Array.from({ length: 20 }, (_, i) => reasonOf(withCredential(`c-${i}`, { user: `user-${i}` }))),
    );
    expect(reasons.filter((reason) => reason === 'welcome').length).toBeLessThanOrEqual(5);
    expect(reasons.filter((reason) => reason === RefusalReason.TOO_MANY).length).toBeGreaterThanOrEqual(15);
    await isWell(bystander);
  });

  it('that say nothing are refused beyond a number', async () => {
    const bystander = await start({ attachBurst: 5, helloTimeoutMs: 60_000 });
    const channel = site.channel('client', INSTALLATION, 'flooder');
    const mute = Array.from({ length: 10 }, () => new AttachClient(channel));
    const refused = () => mute.filter((client) => client.count('refused') > 0).length;
    await until(() => refused() >= 5, 'five refusals');
    await isWell(bystander);
    expect(refused()).toBe(5);
    for (const client of mute) client.cut();
  });
});

describe('a message that is too large', () => {
  it('is refused as a hello, before it is read', async () => {
    const bystander = await start();
    const refused = await site.attach({ user: 'x'.repeat(70_000) }).until('refused');
    expect(refused.reason).toBe(RefusalReason.INVALID);
    expect(refused.text).toMatch(/has 70\d\d\d bytes; at most 65536 are allowed/);
    expect(await site.attach({ user: 'x'.repeat(2 ** 21) }).ended).toMatchObject({ code: CODE.resourceExhausted });
    await isWell(bystander);
  });

  it('ends a session, which may come back', async () => {
    const bystander = await start();
    const { client, welcome } = await site.attached();
    client.say({ $case: 'hold', value: { reason: 'x'.repeat(70_000), duration: { seconds: 600n, nanos: 0 } } });
    expect(await client.until('ended')).toMatchObject({ reason: EndReason.CONNECTION, comeBack: true });
    const { welcome: again } = await site.attached({ resumeToken: welcome.resumeToken });
    expect(again.session).toBe(welcome.session);
    await isWell(bystander);
  });
});

/** A client that sends whatever bytes it likes. */
function rawStream(): ClientStream<Buffer, sessionV1.AttachResponse> {
  const raw = { ...method, requestSerialize: (bytes: Buffer) => bytes };
  return openStream(raw, site.channel('client', INSTALLATION)) as ClientStream<Buffer, sessionV1.AttachResponse>;
}

async function nextOf(stream: AsyncIterator<sessionV1.AttachResponse>): Promise<sessionV1.AttachResponse['message']> {
  const next = await stream.next();
  if (next.done) throw new Error('the stream has ended');
  return next.value.message;
}

const HELLO = method.requestSerialize({ message: { $case: 'hello', value: helloOf({ user: 'raw' }) } });
/** Field 99 of the message, which no version has. */
const UNKNOWN = Buffer.from([0x9a, 0x06, 0x02, 0x08, 0x01]);
/** The hello's field with a length that goes beyond the end. */
const BROKEN = Buffer.from([0x0a, 0x7f, 0x01]);

describe('bytes that nobody understands', () => {
  it('are no hello', async () => {
    const bystander = await start();
    for (const bytes of [BROKEN, UNKNOWN, Buffer.alloc(0), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      const stream = rawStream();
      stream.write(bytes);
      const message = await nextOf(stream[Symbol.asyncIterator]());
      expect(message).toMatchObject({ $case: 'refused', value: { reason: RefusalReason.INVALID } });
    }
    await isWell(bystander);
  });

  it('change nothing when they may be of a newer client, and end the session when they are none at all', async () => {
    const bystander = await start();
    const stream = rawStream();
    const messages = stream[Symbol.asyncIterator]();
    stream.write(HELLO);
    expect((await nextOf(messages))?.$case).toBe('welcome');
    stream.write(UNKNOWN);
    stream.write(method.requestSerialize({ message: { $case: 'heartbeat', value: {} } }));
    expect((await nextOf(messages))?.$case).toBe('heartbeat');
    stream.write(BROKEN);
    expect(await nextOf(messages)).toMatchObject({ $case: 'ended', value: { reason: EndReason.CONNECTION } });
    await isWell(bystander);
  });

  it('end the session when there are too many of them', async () => {
    const bystander = await start({ maxMessagesPerSecond: 20 });
    const stream = rawStream();
    const messages = stream[Symbol.asyncIterator]();
    stream.write(HELLO);
    expect((await nextOf(messages))?.$case).toBe('welcome');
    for (let i = 0; i < 100; i++) stream.write(UNKNOWN);
    expect(await nextOf(messages)).toMatchObject({ $case: 'ended', value: { reason: EndReason.CONNECTION } });
    await isWell(bystander);
  });
});

describe('a session that says too much', () => {
  it('is refused holds beyond a few a minute', async () => {
    const bystander = await start({ holdsPerMinute: 3 });
    const { client } = await site.attached();
    const run = await site.shutFor({ hosts, reactionTimeMs: 60_000, holdsAllowed: true });
    await client.until('notice');
    const hold = { reason: 'One more booking.', duration: { seconds: 600n, nanos: 0 } };
    for (let i = 0; i < 10; i++) client.say({ $case: 'hold', value: hold });
    await client.until('holdDecision', () => client.count('holdDecision') === 10);
    const refused = client.heard.filter(
      ({ message }) => message.$case === 'holdDecision' && /too often/.test(message.value.text),
    );
    expect(refused).toHaveLength(7);
    expect(client.count('ended')).toBe(0);
    await isWell(bystander);
    await site.publish('RunCancelled', INSTALLATION, cancelled(run));
    await site.seen('GateReopened', aboutRun(run));
  });

  it('is dropped at once when it acknowledges without end', async () => {
    const bystander = await start();
    const { client } = await site.attached();
    const run = await site.shutFor({ hosts, reactionTimeMs: 60_000 });
    const { notice } = await client.until('notice');
    for (let i = 0; i < 2_000; i++) client.say({ $case: 'acknowledgement', value: { notice, read: i % 2 === 0 } });
    expect(await client.until('ended')).toMatchObject({ reason: EndReason.CONNECTION, comeBack: true });
    await isWell(bystander);
    await site.publish('RunCancelled', INSTALLATION, cancelled(run));
    await site.seen('GateReopened', aboutRun(run));
  });
});

describe('a hold', () => {
  it('ends with its session', async () => {
    await start({ resumeGraceMs: 200 });
    const { client } = await site.attached();
    const { client: other } = await site.attached({ user: 'other' });
    const run = await site.shutFor({ hosts, reactionTimeMs: 5_000, holdsAllowed: true });
    const first = await other.until('notice');
    client.say({ $case: 'hold', value: { reason: 'Closing the month.', duration: { seconds: 600n, nanos: 0 } } });
    const moved = await other.until('notice', ({ notice }) => notice !== first.notice);
    // Whose connection is lost keeps it within the grace.
    client.cut();
    const back = await other.until('notice', ({ notice }) => notice !== first.notice && notice !== moved.notice);
    expect(back.deadline!.getTime()).toBeLessThan(moved.deadline!.getTime() - 500_000);
    await site.publish('RunCancelled', INSTALLATION, cancelled(run));
    await site.seen('GateReopened', aboutRun(run));
  });
});
