import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, hostEdgeV1, type MethodDefinition } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { sha256Hex } from '@lastcall/kernel';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { createClient, openStream, toCallError, type CallError } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { signAgentToken, startStack, until, type Stack } from '@lastcall/testkit';
import type { KeyObject } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { NO_CREDENTIALS } from './bad-inputs/credentials.js';
import { badHttp, type BadHttp } from './bad-inputs/http-requests.js';
import { shown } from './bad-inputs/bad-requests.js';
import { addInstallations } from './edge-walk/two-installations.js';
import { settled, versionsIn } from './world/state-files.js';

/*
 * The edges beside the calls: blobs and metadata over HTTP, credentials, the stream of agents. (That of clients: sessions-bad-hellos.)
 * What is wrong is refused and says why, nothing of it is kept, and the next one is served.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const BYTES = Buffer.from('twenty bytes of data');
const BLOB = sha256Hex(BYTES);

let stack: Stack;
let key: KeyObject;
beforeAll(async () => {
  const limits = { maxUploadBytes: 2_000, callsPerSecond: 100_000, callsBurst: 100_000 };
  stack = await startStack({ modules: MODULES, settings: limits });
  key = (await addInstallations(stack)).one;
  const headers = { authorization: `Bearer ${stack.token('operator')}` };
  await fetch(`${stack.httpUrl}/blobs/${BLOB}`, { method: 'PUT', body: BYTES, headers });
  await settled(stack.dataDir);
});
afterAll(() => stack.stop());

describe('over HTTP', () => {
  const names = badHttp('x', BLOB, BYTES.length).map(({ what }) => what);
  /** The catalog keeps blobs in files. */
  const files = (): string[] =>
    readdirSync(join(stack.dataDir, 'catalog'), { recursive: true, encoding: 'utf8' }).toSorted();

  function send({ request }: BadHttp): Promise<string> {
    const { hostname, port } = new URL(stack.httpUrl);
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(Number(port), hostname, () => socket.write(request));
      socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
      socket
        .on('close', () => resolve(answer))
        .on('error', (error) => (answer === '' ? reject(error) : resolve(answer)));
      socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')));
    });
  }

  it.each(names.map((what, i) => [what, i] as const))('%s', async (_, i) => {
    const one = badHttp(stack.token('operator'), BLOB, BYTES.length)[i] as BadHttp;
    const before = files();
    const answer = await send(one);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${one.status} `));
    if (one.says) expect(answer).toMatch(one.says);
    // What was begun is taken away a moment after the answer.
    await until(() => files().every((file) => before.includes(file)), 'nothing new to lie there', 5_000);
  });

  it('what is right is answered afterwards', async () => {
    const headers = { authorization: `Bearer ${stack.token('viewer')}`, range: 'bytes=7-11' };
    expect(await (await fetch(`${stack.httpUrl}/blobs/${BLOB}`, { headers })).text()).toBe('bytes');
  });
});

it.each(NO_CREDENTIALS.map((text) => [shown(text), text] as const))('%s is no credential', async (_, text) => {
  const catalog = createClient(catalogV1.CatalogServiceService, stack.channelWith(text));
  const refused = catalog.createProduct({
    productId: 'stolen',
    product: catalogV1.Product.fromPartial({ title: 'Stolen' }),
  });
  await expect(refused).rejects.toMatchObject({ code: 16, message: expect.stringMatching(/credential/i) as string });
  const own = stack.client(catalogV1.CatalogServiceService);
  await expect(own.getProduct({ name: 'products/stolen' })).rejects.toMatchObject({ code: 5 });
});

describe("over an agent's stream", () => {
  const CONNECT: MethodDefinition = hostEdgeV1.HostEdgeServiceService.connect;
  const HELLO = { agentVersion: '9.0.0', platform: 'linux-x64', installedVersion: '', fence: 0 };
  type Word = NonNullable<hostEdgeV1.ConnectRequest['message']>;
  const hello = (more: object): Word => ({
    $case: 'hello',
    value: hostEdgeV1.AgentHello.fromPartial({ ...HELLO, ...more }),
  });
  const stored = (): object =>
    Object.fromEntries([...versionsIn(stack.dataDir, ['installer', 'scheduler', 'preflight'])]);
  const channel = () => stack.channelWith(signAgentToken(key, 'one', 'srv'));

  /** Says these; answers how the stream ended, or what was answered to the sign of life that follows them. */
  async function say(words: readonly Word[]): Promise<CallError | string> {
    const stream = openStream(hostEdgeV1.HostEdgeServiceService.connect, channel(), { timeoutMs: 10_000 });
    for (const message of [...words, { $case: 'heartbeat', value: {} } as const]) stream.write({ message });
    try {
      for await (const { message } of stream) if (message?.$case === 'heartbeat') return 'goes on';
      return 'ended';
    } catch (error) {
      return toCallError(error);
    } finally {
      stream.cancel();
    }
  }

  it.each<[string, Word, string]>([
    ['a version of the agent that is too long', hello({ agentVersion: 'x'.repeat(101) }), 'hello.agent_version'],
    ['a version of the agent with a line break', hello({ agentVersion: '9.0.0\n' }), 'hello.agent_version'],
    ['a platform that is too long', hello({ platform: 'x'.repeat(65) }), 'hello.platform'],
    ['a platform with a hidden mark', hello({ platform: 'linux\u202ex64' }), 'hello.platform'],
    ['an installed version that is none', hello({ installedVersion: 'newest' }), 'hello.installed_version'],
    ['an installed version with a path', hello({ installedVersion: '../1.0.0' }), 'hello.installed_version'],
    [
      'an installed version that is too long',
      hello({ installedVersion: `1.0.0-${'a'.repeat(70)}` }),
      'hello.installed_version',
    ],
  ])('a hello with %s is refused by its name', async (_, word, field) => {
    const before = stored();
    const refused = await say([word]);
    expect(refused).toMatchObject({ code: 3, violations: [{ field }] });
    expect(stored()).toEqual(before);
  });

  it.each<[string, Word]>([
    ['a sign of life', { $case: 'heartbeat', value: {} }],
    ['a result', { $case: 'result', value: hostEdgeV1.AgentResult.fromPartial({ order: 'x' }) }],
    ['progress', { $case: 'progress', value: hostEdgeV1.AgentProgress.fromPartial({ order: 'x' }) }],
  ])('%s in place of the hello is refused', async (_, word) => {
    const before = stored();
    expect(await say([word])).toMatchObject({ code: 3, reason: 'HELLO_EXPECTED' });
    expect(stored()).toEqual(before);
  });

  const failure = commonV1.Failure.fromPartial({
    reason: 'not a reason!',
    message: 'x'.repeat(50_000),
    facts: { a: 'b\0' },
  });
  it.each<[string, Word]>([
    [
      'progress without a step',
      { $case: 'progress', value: hostEdgeV1.AgentProgress.fromPartial({ order: 'nobody' }) },
    ],
    [
      'progress with a novel',
      {
        $case: 'progress',
        value: hostEdgeV1.AgentProgress.fromPartial({
          order: 'nobody',
          progress: { step: 'x'.repeat(60_000), note: 'y'.repeat(60_000), done: 2n ** 64n - 1n, total: 1n },
        }),
      },
    ],
    ['acceptance of an order that there is not', { $case: 'accepted', value: { order: '../../x' } }],
    ['acceptance of no order', { $case: 'accepted', value: { order: '' } }],
    [
      'the result of an order that there is not',
      {
        $case: 'result',
        value: hostEdgeV1.AgentResult.fromPartial({ order: 'nobody', result: { failure } }),
      },
    ],
    [
      'facts that nobody asked for',
      {
        $case: 'result',
        value: hostEdgeV1.AgentResult.fromPartial({
          order: '',
          result: {
            evidence: {
              $case: 'facts',
              value: { os: '\0', memoryBytes: 2n ** 64n - 1n, ports: [{ port: 4_294_967_295, usable: true }] },
            },
          },
        }),
      },
    ],
    ['a second hello', hello({ installedVersion: '9.9.9' })],
  ])('%s changes nothing, and the stream goes on', async (_, word) => {
    await say([hello({})]);
    const orders = (): object =>
      Object.fromEntries(
        [...versionsIn(stack.dataDir, ['installer'])].filter(([source]) => !source.includes('/hosts/')),
      );
    const before = orders();
    expect(await say([hello({}), word])).toBe('goes on');
    expect(orders()).toEqual(before);
  });

  it('bytes that are no message are refused', async () => {
    const stream = channel().grpc.makeBidiStreamRequest(
      CONNECT.path,
      (bytes: Buffer) => bytes,
      CONNECT.responseDeserialize,
      channel().headers(),
      {},
    );
    stream.write(Buffer.from([0x0a, 0xff, 0xff]));
    const error = await new Promise((resolve) => stream.on('error', resolve).on('data', () => undefined));
    expect(toCallError(error)).toMatchObject({ code: 3, reason: 'BAD_MESSAGE' });
  });
});
