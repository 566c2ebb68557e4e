import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { hostOrderV1 } from '@lastcall/contracts';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createClamAvProvider } from './antivirus/clamav.js';
import { readStatus } from './status.js';
import { sampleRelease } from './testing/sample-release.js';
import { startTestHost, type TestHost } from './testing/test-host.js';

/*
 * Everything that can go wrong in an order, one at a time, and what remains on the host.
 */

type Action = NonNullable<hostOrderV1.HostOrder['action']>;

const release = (version: string) => ({ product: 'encore', version });
const backup = (restorePoint = 'rp-1'): Action => ({ $case: 'takeBackup', value: { product: 'encore', restorePoint } });
const stage: Action = { $case: 'stageRelease', value: release('11.1.0') };
const install: Action = { $case: 'installRelease', value: release('11.1.0') };
const rollBack = (restorePoint: string, keepStopped = false): Action => ({
  $case: 'rollBackRelease',
  value: { ...release('11.0.0'), restorePoint, keepStopped },
});
const watch: Action = { $case: 'watchHealth', value: { ...release('11.1.0'), durationMs: 400 } };
const restore: Action = { $case: 'restoreBackup', value: { product: 'encore', restorePoint: 'rp-1' } };

describe('an order that goes wrong', () => {
  let host: TestHost;
  beforeEach(async () => {
    host = await startTestHost(new Server(), ServerCredentials.createInsecure());
    host.repository.publish(sampleRelease('11.0.0', { timeout: '2s' }), sampleRelease('11.1.0', { timeout: '2s' }));
    await host.join();
    await host.install('11.0.0');
  });
  afterEach(() => host.close());

  const send = (action: Action): Promise<hostOrderV1.OrderResult> => host.edge.result(host.edge.order(action));
  const succeed = async (...actions: Action[]): Promise<void> => {
    for (const action of actions) expect((await send(action)).failure).toBeUndefined();
  };
  const stateOfHost = () => ({
    current: readlinkSync(join(host.dir, 'current')),
    running: host.data('running.json'),
    db: host.data('db.json'),
  });
  const OLD = { current: 'versions/11.0.0', running: '11.0.0', db: { bookings: [], schema: '11.0.0' } };

  it.each([
    ['11.0.0 stop', 'fail', 'COMMAND_FAILED'],
    ['11.0.0 stop', 'hang', 'COMMAND_TIMED_OUT'],
    ['11.1.0 migrate', 'fail', 'COMMAND_FAILED'],
    ['11.1.0 migrate', 'hang', 'COMMAND_TIMED_OUT'],
    ['11.1.0 start', 'fail', 'COMMAND_FAILED'],
    ['11.1.0 start', 'hang', 'COMMAND_TIMED_OUT'],
    ['11.1.0 health', 'fail', 'HEALTH_FAILED'],
    ['11.1.0 health', 'hang', 'HEALTH_FAILED'],
  ])('install with "%s" that will %s, then back', async (command, how, reason) => {
    await host.start();
    await succeed(stage, backup());
    host.behave({ [command]: how });
    expect((await send(install)).failure).toMatchObject({ reason, host: 'srv' });
    host.behave({});
    await succeed(rollBack('rp-1'));
    expect(stateOfHost()).toEqual(OLD);
  });

  it('goes back although the new version cannot even be stopped', async () => {
    await host.start();
    await succeed(stage, backup(), install);
    host.behave({ '11.1.0 stop': 'fail' });
    await succeed(rollBack('rp-1'));
    expect(stateOfHost()).toEqual(OLD);
    expect(host.calls().slice(-4)).toEqual(['11.1.0 stop', '11.0.0 stop', '11.0.0 restore', '11.0.0 start']);
  });

  it.each([
    ['11.0.0 restore', 'fail', 'COMMAND_FAILED'],
    ['11.0.0 start', 'fail', 'COMMAND_FAILED'],
    ['11.0.0 health', 'fail', 'HEALTH_FAILED'],
  ])('says that the way back failed with "%s", and the next one succeeds', async (command, how, reason) => {
    await host.start();
    await succeed(stage, backup(), install);
    host.behave({ [command]: how });
    expect((await send(rollBack('rp-1'))).failure).toMatchObject({ reason });
    host.behave({});
    await succeed(rollBack('rp-1'));
    expect(stateOfHost()).toEqual(OLD);
  });

  it('stops and goes back without starting, and starts with the second order', async () => {
    await host.start();
    await succeed(stage, backup(), install, rollBack('', true));
    expect(stateOfHost()).toEqual({ ...OLD, running: '', db: { bookings: [], schema: '11.1.0' } });
    await succeed(rollBack('rp-1'));
    expect(stateOfHost()).toEqual(OLD);
  });

  const downgrade = (restorePoint: string): Action => ({
    $case: 'downgradeRelease',
    value: { ...release('11.0.0'), restorePoint },
  });

  it('goes to an older version with the data of a restore point, and without touching the data', async () => {
    await host.start();
    await succeed(stage, backup('rp-old'), install, downgrade('rp-old'));
    expect(stateOfHost()).toEqual(OLD);
    expect(host.calls().slice(-3)).toEqual(['11.1.0 stop', '11.0.0 restore', '11.0.0 start']);
    writeFileSync(join(host.dir, 'data/db.json'), JSON.stringify({ bookings: [1], schema: '11.0.0' }));
    await succeed(downgrade(''));
    expect(stateOfHost()).toEqual({ ...OLD, db: { bookings: [1], schema: '11.0.0' } });
  });

  it('goes to no older version with data that is newer, and comes back with its own when it fails', async () => {
    await host.start();
    await succeed(stage, backup('rp-old'), install, backup('rp-new'));
    expect((await send(downgrade('rp-new'))).failure?.reason).toBe('BACKUP_TOO_NEW');
    host.behave({ '11.0.0 start': 'fail' });
    const run = { run: 'r-2', fence: 2 };
    const failed = await host.edge.result(host.edge.order(downgrade('rp-old'), run));
    expect(failed).toMatchObject({ failure: { reason: 'COMMAND_FAILED' }, evidence: { value: { dataChanged: true } } });
    const back: Action = {
      $case: 'rollBackRelease',
      value: { ...release('11.1.0'), restorePoint: 'rp-new', keepStopped: false },
    };
    expect((await host.edge.result(host.edge.order(back, run))).failure).toBeUndefined();
    expect(stateOfHost()).toEqual({
      current: 'versions/11.1.0',
      running: '11.1.0',
      db: { bookings: [], schema: '11.1.0' },
    });
  });

  it('sees that a release that was healthy once does not stay it', async () => {
    await host.start();
    await succeed(stage, install, watch);
    const checks = readFileSync(join(host.dir, 'data/calls.txt'), 'utf8').match(/11\.1\.0 health/g) ?? [];
    expect(checks.length).toBeGreaterThan(2);
    const order = host.edge.order({ $case: 'watchHealth', value: { ...release('11.1.0'), durationMs: 60_000 } });
    await host.edge.until('progress', (p) => p.order === order && p.progress?.step === 'settle');
    host.behave({ '11.1.0 health': 'fail' });
    expect((await host.edge.result(order)).failure).toMatchObject({ reason: 'HEALTH_LOST', host: 'srv' });
  });

  it('watches no other version than the installed one, and for no time that is none', async () => {
    await host.start();
    expect((await send(watch)).failure?.reason).toBe('WRONG_VERSION');
    const endless: Action = { $case: 'watchHealth', value: { ...release('11.0.0'), durationMs: 86_400_001 } };
    expect((await send(endless)).failure).toMatchObject({ reason: 'INVALID_ORDER' });
  });

  it('ends what the stop command left running, before it swaps, and says what it was', async () => {
    await host.start();
    await succeed(stage);
    const script = join(host.dir, 'versions/11.0.0/app/left.js');
    writeFileSync(
      script,
      'process.on("SIGTERM", () => undefined); setInterval(() => undefined, 1_000); console.log(1)',
    );
    const left = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'ignore'] });
    const gone = new Promise((resolve) => left.once('exit', (_, signal) => resolve(signal)));
    await new Promise((resolve) => left.stdout.once('data', resolve));
    const { failure, evidence } = await send(install);
    expect([failure, await gone]).toEqual([undefined, 'SIGKILL']);
    expect(evidence).toMatchObject({
      value: { leftOvers: [{ pid: left.pid, foundBy: `script ${script}`, ended: 'killed' }] },
    });
  });

  it('begins no step after the deadline: whoever gave the order has given it up', async () => {
    await host.start();
    await succeed(stage);
    host.behave({ '11.0.0 stop': 'hang' });
    const deadline = new Date(Date.now() + 1_500);
    const order = host.edge.order(install, { deadline });
    await host.edge.until('progress', (p) => p.order === order && p.progress?.step === 'stop');
    await host.edge.until('heartbeat', () => Date.now() > deadline.getTime());
    host.behave({});
    const { failure } = await host.edge.result(order);
    expect(failure).toMatchObject({ reason: 'DEADLINE_PASSED', facts: { step: 'clear' } });
    expect(stateOfHost()).toEqual({ ...OLD, running: '' });
  });

  it('goes back from nothing: a host where the install was never begun', async () => {
    await host.start();
    await succeed(backup(), rollBack(''), rollBack('rp-1'));
    expect(stateOfHost()).toEqual(OLD);
  });

  it.each([
    ['a file with other bytes', (dir: string) => writeFileSync(join(dir, 'app/VERSION'), '66.6.6')],
    ['a file that was not signed', (dir: string) => writeFileSync(join(dir, 'app/extra.js'), '')],
    ['a file less', (dir: string) => rmSync(join(dir, 'README'))],
    ['another mode', (dir: string) => chmodSync(join(dir, 'app/VERSION'), 0o777)],
  ])('does not install a staged version with %s', async (_, spoil) => {
    await host.start();
    await succeed(stage);
    const dir = join(host.dir, 'versions/11.1.0');
    rmSync(join(dir, 'app/VERSION'));
    writeFileSync(join(dir, 'app/VERSION'), '11.1.0', { mode: 0o644 });
    spoil(dir);
    expect((await send(install)).failure?.reason).toBe('STAGED_CHANGED');
    expect(stateOfHost()).toEqual(OLD);
  });

  it('does not install what is not staged', async () => {
    await host.start();
    expect((await send(install)).failure?.reason).toBe('NOT_STAGED');
    expect(stateOfHost()).toEqual(OLD);
  });

  describe('a backup', () => {
    const remains = () => readdirSync(join(host.dir, 'backups'));

    it.each([
      ['backup', 'fail', 'COMMAND_FAILED'],
      ['backup', 'hang', 'COMMAND_TIMED_OUT'],
      ['verifyBackup', 'fail', 'COMMAND_FAILED'],
      ['verifyBackup', 'hang', 'COMMAND_TIMED_OUT'],
    ])('whose %s command will %s leaves nothing', async (command, how, reason) => {
      await host.start();
      host.behave({ [`11.0.0 ${command}`]: how });
      expect((await send(backup())).failure).toMatchObject({ reason });
      expect(remains()).toEqual([]);
    });

    it('needs room, and says how much', async () => {
      await host.start({ freeBytes: (dir) => (dir.endsWith('backups') ? 10 : 1e12) });
      const { failure } = await send(backup());
      expect(failure).toMatchObject({ reason: 'DISK_FULL', facts: { free_bytes: '10' } });
      expect(Number(failure?.facts['needed_bytes'])).toBeGreaterThan(10);
      expect(remains()).toEqual([]);
    });

    it('is not restored when it was changed', async () => {
      await host.start();
      await succeed(backup());
      writeFileSync(join(host.dir, 'backups/rp-1/archive.tar.zst'), '{"bookings":["forged"]}');
      for (const action of [restore, rollBack('rp-1')]) {
        expect((await send(action)).failure?.reason).toBe('BACKUP_CHANGED');
      }
      expect(stateOfHost()).toEqual(OLD);
      expect(host.calls()).not.toContain('11.0.0 stop');
    });

    it('is found again by its name, and is the last one that facts know of', async () => {
      await host.start();
      const first = await send(backup());
      const again = await send(backup());
      expect(again.evidence).toEqual(first.evidence);
      expect(host.calls().filter((call) => call === '11.0.0 backup')).toHaveLength(1);
      const facts = await send({ $case: 'collectFacts', value: { product: 'encore', version: '' } });
      expect(facts.evidence).toMatchObject({ value: { lastBackup: first.evidence?.value } });
    });

    it('of an older version is restored and migrated', async () => {
      await host.start();
      await succeed(backup(), stage, install, restore);
      expect(stateOfHost()).toMatchObject({ running: '11.1.0', db: { schema: '11.1.0' } });
      expect(host.calls().slice(-3)).toEqual(['11.1.0 restore', '11.1.0 migrate', '11.1.0 start']);
    });

    it('of a newer version is not restored', async () => {
      await host.start();
      await succeed(backup(), stage, install, backup('rp-new'), rollBack('rp-1'));
      const value = { product: 'encore', restorePoint: 'rp-new' };
      expect((await send({ $case: 'restoreBackup', value })).failure?.reason).toBe('BACKUP_TOO_NEW');
    });

    it('that does not exist is said so', async () => {
      await host.start();
      expect((await send(restore)).failure?.reason).toBe('BACKUP_NOT_FOUND');
      expect(stateOfHost()).toEqual(OLD);
    });
  });

  describe('facts', () => {
    const ask = async (version: string): Promise<hostOrderV1.HostFacts> => {
      const { evidence } = await send({ $case: 'collectFacts', value: release(version) });
      if (evidence?.$case !== 'facts') throw new Error('no facts');
      return evidence.value;
    };

    it('answer what the next release demands, before it is staged', async () => {
      const taken = createServer().listen(0);
      const { port } = taken.address() as AddressInfo;
      const more = `requires: { ports: [${port}] }\nantivirus:\n  folders: ["\${dataDir}", "\${appDir}"]\n  processes: [encore]\n`;
      host.repository.publish(sampleRelease('11.2.0', { more }));
      const conf = join(host.dir, 'clamd.conf');
      writeFileSync(conf, `ExcludePath ^${host.dir}/data/\n`);
      await host.start({ antivirus: [createClamAvProvider([conf], [])] });
      const facts = await ask('11.2.0');
      taken.close();
      expect(facts.unknown).toEqual({});
      expect(facts.ports).toEqual([{ port, usable: false }]);
      expect(facts.antivirus).toEqual({
        product: 'clamav',
        source: conf,
        exceptions: [
          { kind: 'folder', value: join(host.dir, 'data'), present: true },
          { kind: 'folder', value: join(host.dir, 'versions/11.2.0'), present: false },
          { kind: 'process', value: 'encore', present: true },
        ],
      });
      expect(facts.stageFreeBytes).toBeGreaterThan(0n);
      expect(facts.dataBytes).toBeGreaterThan(0n);
    });

    it("answer the vendor's own checks, for this role and once the release is staged", async () => {
      const check = (id: string, run: string, more = 'role: server') =>
        `  - { id: ${id}, ${more}, asks: is it, remedy: Make it so., run: [${run}] }\n`;
      const exit = (code: number) =>
        `node, -e, "console.log('exit ${code} for ' + process.env.LASTCALL_FROM_VERSION); process.exit(${code})"`;
      const checks = [
        check('good', exit(0)),
        check('bad', exit(2)),
        check('late', 'node, -e, "setInterval(() => 0, 1000)"', 'role: server, timeout: 300ms'),
        check('gone', './no-such-program'),
      ];
      host.repository.publish(sampleRelease('11.2.0', { more: `checks:\n${checks.join('')}` }));
      await host.start();
      expect(await ask('11.2.0')).toMatchObject({ staged: false, vendorChecks: [] });
      await send({ $case: 'stageRelease', value: release('11.2.0') });
      const { vendorChecks, unknown, volumes, certificates, dataFreeBytes } = await ask('11.2.0');
      expect(unknown).toEqual({});
      expect(vendorChecks).toMatchObject([
        { id: 'good', passed: true, unanswered: false, found: 'exit 0 for 11.0.0' },
        { id: 'bad', passed: false, unanswered: false, found: 'exit 2 for 11.0.0' },
        { id: 'late', passed: false, unanswered: true, found: 'did not end within 300 ms' },
        { id: 'gone', passed: false, unanswered: true },
      ]);
      expect(Object.keys(volumes).toSorted()).toEqual(['backup', 'data', 'stage']);
      expect(new Set(Object.values(volumes)).size).toBe(1);
      expect(certificates).toEqual([]);
      expect(dataFreeBytes).toBeGreaterThan(0n);
    });

    it('name what could not be found out', async () => {
      const freeBytes = (dir: string): number => {
        if (dir.endsWith('backups')) throw new Error('statfs failed');
        return 1e12;
      };
      const conf = join(host.dir, 'clamd.conf');
      mkdirSync(conf);
      await host.start({ freeBytes, antivirus: [createClamAvProvider([conf], [])] });
      const facts = await ask('11.1.0');
      expect(facts.unknown).toMatchObject({ backup_free_bytes: 'statfs failed' });
      expect(facts.unknown['antivirus']).toContain(conf);
      expect(facts.antivirus).toBeUndefined();
      expect((await ask('99.0.0')).unknown['ports']).toContain('no published release');
    });
  });

  it('a full disk is told to the services, not only to the log', async () => {
    await host.start({ freeBytes: () => 1_000 });
    host.repository.publish(sampleRelease('11.4.0'));
    const { failure } = await send({ $case: 'stageRelease', value: release('11.4.0') });
    expect(failure).toMatchObject({ reason: 'DISK_FULL', facts: { step: 'download', free_bytes: '1000' } });
    expect(existsSync(join(host.dir, 'reserve'))).toBe(false);
    await host.stop();
    await host.start();
    await succeed({ $case: 'stageRelease', value: release('11.4.0') });
    expect(existsSync(join(host.dir, 'reserve'))).toBe(true);
  });

  it('shows in the status, beside the agent that runs', async () => {
    await host.start();
    await send(install);
    const status = await readStatus(host.dir);
    expect(status).toMatchObject({ running: true, installedVersion: '11.0.0', host: 'srv', fence: 1 });
    expect(status.orders[0]).toMatchObject({ action: 'install-release', phase: 'finished', reason: 'NOT_STAGED' });
    await host.stop();
    expect((await readStatus(host.dir)).running).toBe(false);
  });
});
