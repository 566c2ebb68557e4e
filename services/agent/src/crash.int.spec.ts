import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { hostOrderV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { until } from '@lastcall/testkit';
import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createReleases } from './releases.js';
import { layoutOf } from './layout.js';
import { removeAgentProgram, startAgentProcess, type AgentProcess } from './testing/agent-process.js';
import { holdBlob } from './testing/hold-blob.js';
import { COMMAND_NAMES, sampleRelease } from './testing/sample-release.js';
import { startTestHost, type TestHost } from './testing/test-host.js';

/*
 * The agent is killed (SIGKILL, the real program) in every step of every order, and started again. Each time the order has to come to the same
 * end as without the kill: never half a version, never a command twice at once.
 */

type Action = NonNullable<hostOrderV1.HostOrder['action']>;

const release = (version: string) => ({ product: 'encore', version });
const RESTORE_POINT = 'rp-1';
const backup: Action = {
  $case: 'takeBackup',
  value: { product: 'encore', restorePoint: RESTORE_POINT },
};
const stage: Action = { $case: 'stageRelease', value: release('11.1.0') };
const install: Action = { $case: 'installRelease', value: release('11.1.0') };
const rollBack: Action = {
  $case: 'rollBackRelease',
  value: { ...release('11.0.0'), restorePoint: RESTORE_POINT, keepStopped: false },
};
const downgrade: Action = {
  $case: 'downgradeRelease',
  value: { ...release('11.0.0'), restorePoint: RESTORE_POINT },
};
const restore: Action = {
  $case: 'restoreBackup',
  value: { product: 'encore', restorePoint: RESTORE_POINT },
};
const newerBackup: Action = { $case: 'takeBackup', value: { product: 'encore', restorePoint: 'rp-2' } };
const verify: Action = { $case: 'verifyBackup', value: { product: 'encore', restorePoint: RESTORE_POINT } };
const remove: Action = { $case: 'deleteBackups', value: { product: 'encore', restorePoints: [RESTORE_POINT] } };
const facts: Action = { $case: 'collectFacts', value: release('11.1.0') };

const stopOnly: Action = {
  $case: 'rollBackRelease',
  value: { ...release('11.0.0'), restorePoint: '', keepStopped: true },
};
const watch: Action = { $case: 'watchHealth', value: { ...release('11.1.0'), durationMs: 500 } };

/** Order, what has to come before it, the steps to be killed in, version afterwards. */
const CASES: readonly (readonly [string, Action, readonly Action[], readonly string[], string])[] = [
  ['CollectFacts', facts, [], ['facts'], '11.0.0'],
  ['StageRelease', stage, [], ['metadata', 'download', 'build'], '11.0.0'],
  ['TakeBackup', backup, [], ['backup', 'prove', 'seal'], '11.0.0'],
  [
    'InstallRelease',
    install,
    [stage, backup],
    ['verify', 'stop', 'clear', 'swap', 'migrate', 'start', 'health'],
    '11.1.0',
  ],
  [
    'RollBackRelease',
    rollBack,
    [stage, backup, install],
    ['stop', 'clear', 'swap', 'restore', 'start', 'health'],
    '11.0.0',
  ],
  [
    'DowngradeRelease',
    downgrade,
    [stage, backup, install],
    ['verify', 'stop', 'clear', 'swap', 'restore', 'migrate', 'start', 'health'],
    '11.0.0',
  ],
  ['WatchHealth', watch, [stage, backup, install], ['settle'], '11.1.0'],
  ['VerifyBackup', verify, [backup], ['read-back'], '11.0.0'],
  ['DeleteBackups', remove, [backup, newerBackup], ['remove'], '11.0.0'],
  ['RestoreBackup', restore, [backup], ['stop', 'clear', 'restore', 'migrate', 'start', 'health'], '11.0.0'],
];
/** How often the whole walk is done. More than once: whenever somebody wants to be surer than a build has time for. */
const ROUNDS = Number(process.env['LASTCALL_TEST_KILL_ROUNDS'] ?? 1);
const WALK = CASES.flatMap(([name, action, before, steps, after]) =>
  steps.map((step) => [name, step, action, before, after] as const),
);

const stepsOf = (action: Action): readonly string[] => CASES.find(([, known]) => known === action)?.[3] ?? [];

/** Only in the new version, and large enough to be met in the middle of its download. */
const LARGE = Buffer.alloc(700_000, 'lastcall ');

/** The command that a step runs, where it runs one: made to hang, so that the kill meets it in the middle. */
const COMMAND_OF_STEP: Readonly<Record<string, string>> = { prove: 'verifyBackup', 'read-back': 'verifyBackup' };

describe.each(Array.from({ length: ROUNDS }, (_, i) => i + 1))('kill -9, round %d', () => {
  let host: TestHost;
  let agent: AgentProcess | undefined;
  const started: AgentProcess[] = [];
  beforeEach(async () => {
    host = await startTestHost(new Server(), ServerCredentials.createInsecure());
    const files = [{ path: 'large.bin', mode: 0o644, bytes: LARGE }];
    host.repository.publish(sampleRelease('11.0.0'), sampleRelease('11.1.0', { files }));
    await host.join();
    await host.install('11.0.0');
  });
  afterEach(async () => {
    for (const process of started.splice(0)) await process.kill();
    await host.close();
  });

  afterAll(removeAgentProgram);

  const start = (): AgentProcess => {
    agent = startAgentProcess('run', '--data', host.dir);
    started.push(agent);
    return agent;
  };
  const begun = (order: string, step: string) => (line: string) =>
    line.includes('"event":"step begun"') && line.includes(order) && line.includes(`"step":"${step}"`);

  /** Resolves when the agent has half of the large file; more does not come. */
  async function holdDownload(): Promise<void> {
    const half = LARGE.byteLength / 2;
    await holdBlob(host.repository, LARGE, half);
    const partial = join(host.dir, 'blobs', 'partial', sha256Hex(LARGE));
    await until(() => statSync(partial).size === half, 'half of a download');
  }

  it.each(WALK)('%s at %s', async (_name, step, action, before, after) => {
    const first = start();
    for (const earlier of before) expect((await host.edge.result(host.edge.order(earlier))).failure).toBeUndefined();
    const command = COMMAND_OF_STEP[step] ?? step;
    const hangs = { [`11.0.0 ${command}`]: 'hang', [`11.1.0 ${command}`]: 'hang' };
    host.behave(COMMAND_NAMES.includes(command) ? hangs : {});
    const halfway = step === 'download' ? holdDownload() : undefined;
    const order = host.edge.order(action);
    await first.until(begun(order, step));
    await halfway;
    await first.kill();
    host.behave({});
    host.repository.intercept = undefined;
    const second = start();
    const result = await host.edge.result(order);
    expect(result).toMatchObject({ failure: undefined, installedVersion: after });
    await second.until((line) => line.includes('"event":"order continues"') && line.includes(order));
    expect(readlinkSync(join(host.dir, 'current'))).toBe(`versions/${after}`);
    expect([host.data('running.json'), host.data('db.json')]).toEqual([after, { bookings: [], schema: after }]);
    await everyVersionIsWhole();
    expect(leftOvers()).toEqual([]);
  });

  async function everyVersionIsWhole(): Promise<void> {
    const releases = createReleases(layoutOf(host.dir), 'encore');
    for (const version of readdirSync(join(host.dir, 'versions'))) {
      const changes = await releases.findChanges(await releases.load(version), true, AbortSignal.timeout(5_000));
      expect(changes).toEqual([]);
    }
    expect(readdirSync(join(host.dir, 'scratch'))).toEqual([]);
    expect(readdirSync(join(host.dir, 'backups')).filter((name) => name.startsWith('.'))).toEqual([]);
  }

  /** Processes of the application's commands that outlived their step. */
  function leftOvers(): string[] {
    return readdirSync('/proc').filter((pid) => {
      const exe = `/proc/${pid}/cwd`;
      if (!/^\d+$/.test(pid) || !existsSync(exe)) return false;
      try {
        return readlinkSync(exe).startsWith(join(host.dir, 'versions'));
      } catch {
        return false; // Gone between two looks.
      }
    });
  }

  async function carryOut(...actions: readonly Action[]): Promise<void> {
    const whole = start();
    for (const action of actions) expect((await host.edge.result(host.edge.order(action))).failure).toBeUndefined();
    await whole.kill();
  }

  it('in every step of one and the same order', async () => {
    for (const [action, before, version] of [
      [stage, [], '11.0.0'],
      [install, [backup], '11.1.0'],
      [rollBack, [], '11.0.0'],
      [downgrade, [install], '11.0.0'],
    ] as const) {
      await carryOut(...before);
      const order = host.edge.order(action);
      for (const step of stepsOf(action)) {
        const next = start();
        await next.until(begun(order, step));
        await next.kill();
      }
      start();
      expect(await host.edge.result(order)).toMatchObject({ failure: undefined, installedVersion: version });
      expect([host.data('running.json'), host.data('db.json')]).toEqual([version, { bookings: [], schema: version }]);
      for (const process of started.splice(0)) await process.kill();
    }
    await everyVersionIsWhole();
  }, 120_000);

  const ended = (order: string, step: string) => (line: string) =>
    line.includes('"event":"step ended"') && line.includes(order) && line.includes(`"step":"${step}"`);

  it('after every step of every order', async () => {
    let points = 0;
    let version = '11.0.0';
    for (const [action, before, to] of [
      ...([facts, stage, backup] as const).map((a) => [a, [], '11.0.0'] as const),
      [install, [], '11.1.0'],
      [watch, [], '11.1.0'],
      [stopOnly, [], '11.0.0'],
      [rollBack, [], '11.0.0'],
      [restore, [], '11.0.0'],
      [downgrade, [install], '11.0.0'],
    ] as const) {
      await carryOut(...before);
      const order = host.edge.order(action);
      for (const step of action === stopOnly ? ['stop', 'clear', 'swap'] : stepsOf(action)) {
        const next = start();
        await next.until(ended(order, step));
        await next.kill();
        points++;
      }
      const last = start();
      const result = await host.edge.result(order);
      expect(result).toMatchObject({ failure: undefined, installedVersion: to });
      version = result.installedVersion;
      await last.kill();
    }
    expect(points).toBe(38);
    expect([host.data('running.json'), host.data('db.json')]).toEqual([version, { bookings: [], schema: version }]);
    await everyVersionIsWhole();
    expect(leftOvers()).toEqual([]);
  }, 240_000);

  it('does not begin a second time what was finished', async () => {
    const first = start();
    expect((await host.edge.result(host.edge.order(stage))).failure).toBeUndefined();
    host.edge.confirms = false;
    const order = host.edge.order(install);
    await host.edge.result(order);
    await first.kill();
    const calls = host.calls();
    host.edge.confirms = true;
    const repeats = () => host.edge.received.filter((m) => m.$case === 'result' && m.value.order === order).length;
    const before = repeats();
    start();
    await host.edge.until('result', () => repeats() > before);
    expect(host.calls()).toEqual(calls);
  });

  it('ends in good order on SIGTERM, also in the middle of a command, and continues later', async () => {
    const first = start();
    expect((await host.edge.result(host.edge.order(stage))).failure).toBeUndefined();
    host.behave({ '11.1.0 migrate': 'hang' });
    const order = host.edge.order(install);
    await first.until(begun(order, 'migrate'));
    await first.kill('SIGTERM');
    expect(await first.exited).toBe(0);
    expect(leftOvers()).toEqual([]);
    host.behave({});
    start();
    expect(await host.edge.result(order)).toMatchObject({ failure: undefined, installedVersion: '11.1.0' });
  });
});
