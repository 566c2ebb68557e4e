import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { hostOrderV1 } from '@lastcall/contracts';
import { until } from '@lastcall/testkit';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeAgentProgram, startAgentProcess } from './testing/agent-process.js';
import { sampleRelease } from './testing/sample-release.js';
import { startTestHost, type TestHost } from './testing/test-host.js';

/*
 * An action of the installed release: whatever it comes to, it is run once.
 */

type Action = NonNullable<hostOrderV1.HostOrder['action']>;

const ACTIONS = `actions:
  - { id: reindex, title: Builds the index again, role: server, run: [node, app/main.js, reindex], timeout: 2s }
  - { id: no-program, title: Starts nothing, role: server, run: [./nowhere] }
`;

const act = (command: string, version = '11.0.0'): Action => ({
  $case: 'runCommand',
  value: { product: 'encore', version, command },
});

describe('an order to run an action', () => {
  let host: TestHost;
  beforeEach(async () => {
    host = await startTestHost(new Server(), ServerCredentials.createInsecure());
    host.repository.publish(sampleRelease('11.0.0', { more: ACTIONS }));
    await host.join();
    await host.install('11.0.0');
  });
  afterEach(() => host.close());
  afterAll(removeAgentProgram);

  const send = (action: Action, more?: Partial<hostOrderV1.HostOrder>): Promise<hostOrderV1.OrderResult> =>
    host.edge.result(host.edge.order(action, more));
  const runs = (): number => host.calls().filter((call) => call === '11.0.0 reindex').length;

  it('runs it, says what it wrote, and answers a repeat with that', async () => {
    await host.start();
    const order = host.edge.order(act('reindex'));
    const result = await host.edge.result(order);
    expect(result).toMatchObject({
      failure: undefined,
      installedVersion: '11.0.0',
      evidence: { $case: 'command', value: { output: '12 bookings' } },
    });
    host.edge.repeat(order);
    await send(act('reindex'));
    expect(runs()).toBe(2);
  });

  it.each([
    ['fail', 'COMMAND_FAILED', { exit_code: '3', output: 'told to fail: reindex' }],
    ['hang', 'COMMAND_TIMED_OUT', { timeout_ms: '2000' }],
  ])('that will %s', async (how, reason, facts) => {
    await host.start();
    host.behave({ '11.0.0 reindex': how });
    expect((await send(act('reindex'))).failure).toMatchObject({ reason, host: 'srv', facts });
    expect(runs()).toBe(1);
  });

  it.each([
    ['one that the vendor has not written', act('rm-rf'), 'NO_SUCH_COMMAND'],
    ['a command of the manifest that is no action', act('migrate'), 'NO_SUCH_COMMAND'],
    ['what is no name', act('../reindex'), 'INVALID_ORDER'],
    ['one of another version', act('reindex', '11.1.0'), 'WRONG_VERSION'],
    ['a program that is not there', act('no-program'), 'COMMAND_FAILED'],
  ])('does not run %s', async (_, action, reason) => {
    await host.start();
    const before = host.calls();
    expect((await send(action)).failure).toMatchObject({ reason });
    expect(host.calls()).toEqual(before);
  });

  it('does not run what somebody has changed since it was signed', async () => {
    await host.start();
    appendFileSync(join(host.dir, 'versions/11.0.0/app/main.js'), '// and more');
    expect((await send(act('reindex'))).failure?.reason).toBe('INSTALLED_CHANGED');
    expect(runs()).toBe(0);
  });

  it('has no more time than its order', async () => {
    await host.start();
    host.behave({ '11.0.0 reindex': 'hang' });
    const { failure } = await send(act('reindex'), { deadline: new Date(Date.now() + 1_000) });
    expect(failure?.reason).toBe('COMMAND_TIMED_OUT');
    expect(Number(failure?.facts['timeout_ms'])).toBeLessThanOrEqual(1_000);
  });

  it('of an agent that was killed in the middle fails, and is not run again', async () => {
    const first = startAgentProcess('run', '--data', host.dir);
    host.behave({ '11.0.0 reindex': 'hang' });
    const order = host.edge.order(act('reindex'));
    await until(() => runs() === 1, 'the action to begin');
    await first.kill();
    host.behave({});
    const second = startAgentProcess('run', '--data', host.dir);
    expect((await host.edge.result(order)).failure).toMatchObject({ reason: 'COMMAND_INTERRUPTED', host: 'srv' });
    expect(runs()).toBe(1);
    expect((await send(act('reindex'))).failure).toBeUndefined();
    await second.kill();
  });

  it('of an agent that was stopped in the middle fails, and is not run again', async () => {
    await host.start();
    host.behave({ '11.0.0 reindex': 'hang' });
    const order = host.edge.order(act('reindex'));
    await until(() => runs() === 1, 'the action to begin');
    await host.stop();
    host.behave({});
    await host.start();
    expect((await host.edge.result(order)).failure?.reason).toBe('COMMAND_INTERRUPTED');
    expect(runs()).toBe(1);
  });
});
