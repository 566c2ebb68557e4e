import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { hostEdgeV1 } from '@lastcall/contracts';
import { agentsOn } from '../testing/agent-service.js';
import { oneWorks } from '../testing/one-works.js';
import { packAgent, type AgentPackage, type SelfUpdatingHost } from '../testing/self-updating-host.js';

/*
 * The old agent and the new one are killed (SIGKILL) at each step of an update of the agent; a service manager starts the launcher again. Each time
 * one agent works afterwards, it is the one that the result speaks of, and it does what it is ordered.
 */

const OLD = '0.1.0';
const NEW = '0.2.0';
const STEPS = ['metadata', 'download', 'build', 'try-out', 'take-over'];
const ROUNDS = Number(process.env['LASTCALL_TEST_KILL_ROUNDS'] ?? 1);

// Up to six programs are started one after the other.
jest.setTimeout(180_000);

let pack: AgentPackage;
let host: SelfUpdatingHost;
let identity: string[];

beforeAll(() => {
  pack = packAgent();
});
afterAll(() => pack.remove());
beforeEach(async () => {
  host = await pack.startHost(new Server(), ServerCredentials.createInsecure());
  host.repository.publish(pack.build.release(NEW));
  identity = host.identity();
});
afterEach(() => host.close());

const kill = (pid: number): void => void process.kill(pid, 'SIGKILL');
const says =
  (event: string, ...words: string[]) =>
  (line: string) =>
    line.includes(`"event":"${event}"`) && words.every((word) => line.includes(word));

/** Kills what the service manager sees when it has said this, and waits for what comes of the order. */
async function killAt(fits: (line: string) => boolean): Promise<void> {
  const { service } = host;
  const order = host.orderUpdate(NEW);
  await service.until(fits);
  kill(service.pid());
  expect((await host.edge.result(order)).failure).toBeUndefined();
  expect([host.linked(), service.starts()]).toEqual([NEW, 2]);
  expect(host.identity()).toEqual(identity);
  await oneWorks(host, NEW);
}

/** Called when the new agent says hello as a child of the old one. */
function whenNewIsTried(then: () => boolean): void {
  let isOver = false;
  host.edge.welcomes = ({ agentVersion }: hostEdgeV1.AgentHello) => {
    if (agentVersion !== NEW || isOver) return true;
    isOver = true;
    return then();
  };
}

const newAgent = (): number => agentsOn(host.dir, '--take-over')[0] ?? 0;

describe.each(Array.from({ length: ROUNDS }, (_, i) => i + 1))('kill -9, round %d', (round) => {
  it.each(STEPS)('of the old agent when %s has begun', async (step) => {
    host.startService();
    await killAt(says('step begun', `"step":"${step}"`));
  });

  it.each(STEPS.slice(0, -1))('of the old agent when %s has ended', async (step) => {
    host.startService();
    await killAt(says('step ended', `"step":"${step}"`));
  });

  it('of the old agent while it watches the new one, which nobody lets in', async () => {
    host.startService();
    whenNewIsTried(() => {
      kill(host.service.pid());
      return false;
    });
    expect((await host.edge.result(host.orderUpdate(NEW))).failure).toBeUndefined();
    expect([host.linked(), host.service.starts()]).toEqual([NEW, 2]);
    expect(host.identity()).toEqual(identity);
    await oneWorks(host, NEW);
  });

  it('of the new agent before it is let in', async () => {
    host.startService();
    whenNewIsTried(() => {
      kill(newAgent());
      return false;
    });
    const { failure } = await host.edge.result(host.orderUpdate(NEW));
    expect(failure).toMatchObject({ reason: 'NEW_AGENT_FAILED', facts: { signal: 'SIGKILL', step: 'take-over' } });
    expect([host.linked(), host.service.starts()]).toEqual(['', 1]);
    expect(host.identity()).toEqual(identity);
    await oneWorks(host, OLD);
  });

  it('is not needed to stop the service while the new agent is tried: both end, and it goes on at the next start', async () => {
    host.startService();
    const tried = Promise.withResolvers<void>();
    whenNewIsTried(() => {
      tried.resolve();
      return false;
    });
    const order = host.orderUpdate(NEW);
    await tried.promise;
    await host.service.stop();
    expect([agentsOn(host.dir), host.linked()]).toEqual([[], '']);
    host.startService();
    expect((await host.edge.result(order)).failure).toBeUndefined();
    await oneWorks(host, NEW);
  });

  it.each([
    ['old', () => host.service.pid()],
    ['new', newAgent],
  ])('of the %s agent in the moment in which the new one is let in', async (_name, pid) => {
    host.startService();
    whenNewIsTried(() => {
      // Somewhat later each time: before the link is led, while it is, after it.
      setTimeout(() => kill(pid()), round * 10 - 10);
      return true;
    });
    const { failure } = await host.edge.result(host.orderUpdate(NEW));
    expect(host.linked()).toBe(failure ? '' : NEW);
    expect(host.identity()).toEqual(identity);
    await oneWorks(host, failure ? OLD : NEW);
  });

  it.each([
    ['agent started', `"version":"${NEW}"`],
    ['order continues', ''],
    ['connected', ''],
    ['step ended', '"step":"take-over"'],
  ])('of the new agent in the place of the old one: %s', async (event, word) => {
    host.startService();
    const { service } = host;
    await service.until(says('connected'));
    let isNew = false;
    await killAt((line) => {
      isNew ||= says('agent started', `"version":"${NEW}"`)(line);
      return isNew && says(event, word)(line);
    });
  });
});
