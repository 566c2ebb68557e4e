import { Server, ServerCredentials } from '@grpc/grpc-js';
import { agentsOn } from '../testing/agent-service.js';
import { oneWorks } from '../testing/one-works.js';
import { packAgent, type AgentPackage, type SelfUpdatingHost } from '../testing/self-updating-host.js';

/*
 * The agent is followed by another version of itself: the real launcher, built programs, real processes. Whatever the new one does, one agent
 * works afterwards, and it does what it is ordered.
 */

const NEW = '0.2.0';
const release = (version: string) => ({ product: 'encore', version });

// Up to six programs are started one after the other, and one has to be waited for.
jest.setTimeout(180_000);

let pack: AgentPackage;
let host: SelfUpdatingHost;

beforeAll(() => {
  pack = packAgent();
});
afterAll(() => pack.remove());
beforeEach(async () => {
  host = await pack.startHost(new Server(), ServerCredentials.createInsecure());
});
afterEach(() => host.close());

const ordered = (version = NEW) => host.edge.result(host.orderUpdate(version));

describe('a new agent', () => {
  it('takes over in the place of the old one, and nothing else changes', async () => {
    host.repository.publish(pack.build.release(NEW));
    const before = host.identity();
    const { pid } = host.startService();
    const first = pid();
    const result = await ordered();
    expect(result).toMatchObject({ failure: undefined, installedVersion: '11.0.0' });
    expect(result.evidence).toMatchObject({ $case: 'stage' });
    expect(host.linked()).toBe(NEW);
    expect([pid(), host.service.starts()]).toEqual([first, 1]);
    expect(host.identity()).toEqual(before);
    await oneWorks(host, NEW);
    await host.service.stop();
    host.startService();
    const again = await host.edge.result(host.edge.order({ $case: 'collectFacts', value: release('') }, { fence: 0 }));
    expect(again.evidence).toMatchObject({ $case: 'facts', value: { agentVersion: NEW } });
  });

  it('is followed by the next one, and by an older one', async () => {
    host.repository.publish(pack.build.release(NEW), pack.build.release('0.3.0'), pack.build.release('0.1.1'));
    host.startService();
    for (const version of [NEW, '0.3.0', '0.1.1']) {
      expect((await ordered(version)).failure).toBeUndefined();
      expect(host.linked()).toBe(version);
    }
    await oneWorks(host, '0.1.1');
  });
});

/** What spoils it, how the old one says so, and whether the new one came as far as taking over. */
const SPOILED: readonly (readonly [string, string, string, Record<string, string>, readonly string[]])[] = [
  ['cannot start', 'process.exit(1);', 'NEW_AGENT_FAILED', { exit_code: '1', step: 'try-out' }, []],
  [
    'hangs when it is started',
    `if (process.argv.includes('run')) for (;;);`,
    'NEW_AGENT_TIMED_OUT',
    { step: 'take-over' },
    ['3'],
  ],
  [
    'never connects',
    `if (process.argv.includes('run')) require('node:net').Socket.prototype.connect = function () { return this; };`,
    'NEW_AGENT_TIMED_OUT',
    { step: 'take-over' },
    ['3'],
  ],
  [
    'ends before it is accepted',
    `const { write } = process.stderr;
     process.stderr.write = function (line) { write.call(this, line); if (/agent started/.test(line)) process.exit(7); };`,
    'NEW_AGENT_FAILED',
    { exit_code: '7', step: 'take-over' },
    [],
  ],
  [
    'ends each time after it has taken over',
    `const { write } = process.stderr;
     process.stderr.write = function (line) {
       write.call(this, line);
       if (/"connected"/.test(line) && !process.argv.includes('--take-over')) process.exit(7);
     };`,
    'NEW_AGENT_ENDED',
    { starts: '3' },
    [],
  ],
  ['says that it is another version', `process.argv.includes('try-out') && (console.log('{"agentVersion":"9.9.9"}'), process.exit(0));`, 'WRONG_AGENT_VERSION', { said: '9.9.9' }, []], // prettier-ignore
];

describe('the old agent goes on when the new one', () => {
  it.each(SPOILED)('%s', async (_name, prelude, reason, facts, seconds) => {
    host.repository.publish(pack.build.release(NEW, prelude));
    const before = host.identity();
    host.startService(...seconds.flatMap((n) => ['--take-over-seconds', n]));
    const result = await ordered();
    expect(result.failure).toMatchObject({ reason, host: 'srv', facts: { version: NEW, ...facts } });
    expect(host.linked()).toBe('');
    expect(host.identity()).toEqual(before);
    await oneWorks(host, '0.1.0');
    // What was wrong is mended under a new version.
    host.repository.publish(pack.build.release('0.2.1'));
    const mended = host.orderUpdate('0.2.1', { fence: 2 });
    expect((await host.edge.result(mended)).failure).toBeUndefined();
    expect(host.linked()).toBe('0.2.1');
  });

  it('is not as signed', async () => {
    const bad = pack.build.release(NEW);
    host.repository.publish(bad);
    for (const [path, bytes] of host.repository.served) {
      if (path.startsWith('/blobs/') && bytes.includes('AGENT_VERSION')) host.repository.served.set(path, Buffer.alloc(bytes.length)); // prettier-ignore
    }
    host.startService();
    expect((await ordered()).failure).toMatchObject({ reason: 'BLOB_CHANGED' });
    await oneWorks(host, '0.1.0');
  });

  it('is not published', async () => {
    host.startService();
    expect((await ordered()).failure).toMatchObject({ reason: 'RELEASE_NOT_FOUND' });
    await oneWorks(host, '0.1.0');
  });
});

it('is started by a launcher that runs on an older Node too', async () => {
  await host.close();
  host = await pack.startOldHost(new Server(), ServerCredentials.createInsecure());
  host.repository.publish(pack.build.release(NEW));
  host.startService();
  expect((await ordered()).failure).toBeUndefined();
  expect([host.linked(), host.service.starts()]).toEqual([NEW, 1]);
  expect(agentsOn(host.dir)).toHaveLength(2);
  await host.service.stop();
  expect(agentsOn(host.dir)).toEqual([]);
});

it('is not for an agent that no launcher has started', async () => {
  host.repository.publish(pack.build.release(NEW));
  await host.start();
  expect((await ordered()).failure).toMatchObject({ reason: 'AGENT_NOT_REPLACEABLE', facts: { step: 'try-out' } });
});

it('waits for the order before it, and is refused behind the fence of a later run', async () => {
  host.repository.publish(pack.build.release(NEW));
  host.startService();
  host.behave({ '11.1.0 migrate': 'hang' });
  await host.edge.result(host.edge.order({ $case: 'stageRelease', value: release('11.1.0') }, { fence: 3 }));
  const install = host.edge.order({ $case: 'installRelease', value: release('11.1.0') }, { fence: 3 });
  const order = host.orderUpdate(NEW, { fence: 3 });
  await host.edge.until('accepted', (value) => value.order === order);
  await host.service.until((line) => line.includes('"step":"migrate"'));
  expect(host.service.lines.some((line) => line.includes(order))).toBe(false);
  host.behave({});
  expect((await host.edge.result(install)).failure).toBeUndefined();
  expect((await host.edge.result(order)).failure).toBeUndefined();
  const late = host.orderUpdate(NEW, { fence: 2 });
  expect((await host.edge.result(late)).failure).toMatchObject({ reason: 'FENCE_TOO_LOW' });
});
