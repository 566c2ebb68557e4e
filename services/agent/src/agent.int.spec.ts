import { Server, ServerCredentials } from '@grpc/grpc-js';
import { commonV1 } from '@lastcall/contracts';
import { until } from '@lastcall/testkit';
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { layoutOf } from './layout.js';
import { sampleRelease } from './testing/sample-release.js';
import { startTestHost, type TestHost } from './testing/test-host.js';
import { openTrustedState } from './tuf/trusted-state.js';

const release = (version: string) => ({ product: 'encore', version });

describe('an agent and the services', () => {
  let host: TestHost;
  beforeEach(async () => {
    host = await startTestHost(new Server(), ServerCredentials.createInsecure());
    host.repository.publish(sampleRelease('11.0.0'), sampleRelease('11.1.0'));
    await host.join();
  });
  afterEach(() => host.close());

  const current = (): string => readlinkSync(join(host.dir, 'current'));

  it('joins, installs the first version on the host itself, and says so when it connects', async () => {
    expect(host.edge.joins[0]).toMatchObject({ token: 'one-time', installedVersion: '' });
    expect(host.edge.joins[0]?.publicKey).toHaveLength(32);
    const published = host.repository.served.get('/tuf/timestamp.json');
    expect(openTrustedState(layoutOf(host.dir).tuf).load().get('timestamp')).toEqual(published);
    expect(statSync(join(host.dir, 'identity.pem')).mode & 0o777).toBe(0o600);
    await host.install('11.0.0');
    expect(current()).toBe('versions/11.0.0');
    expect(host.calls()).toEqual(['11.0.0 migrate', '11.0.0 start']);
    await host.start();
    await host.edge.until('hello', (hello) => hello.installedVersion === '11.0.0' && hello.fence === 0);
    expect(host.edge.credentials[0]).toMatch(/^Bearer eyJ/);
    await host.edge.until('heartbeat');
  });

  it('takes an update through all its orders, data included', async () => {
    await host.install('11.0.0');
    await host.start();
    const facts = await host.edge.result(host.edge.order({ $case: 'collectFacts', value: release('11.1.0') }));
    expect(facts).toMatchObject({ failure: undefined, installedVersion: '11.0.0' });
    expect(facts.evidence).toMatchObject({ $case: 'facts', value: { os: 'linux', staged: false, canBackUp: true } });

    const staged = await host.edge.result(host.edge.order({ $case: 'stageRelease', value: release('11.1.0') }));
    expect(staged.failure).toBeUndefined();
    expect(staged.evidence).toMatchObject({ $case: 'stage', value: { downloadedBytes: 6n, fileCount: 4 } });
    const inode = (version: string): number => statSync(join(host.dir, 'versions', version, 'README')).ino;
    expect(inode('11.1.0')).toBe(inode('11.0.0'));
    expect(current()).toBe('versions/11.0.0');

    const value = { product: 'encore', restorePoint: 'rp-1' };
    const backup = await host.edge.result(host.edge.order({ $case: 'takeBackup', value }));
    expect(backup.evidence).toMatchObject({ $case: 'backup', value: { verified: true, version: '11.0.0' } });

    const installed = await host.edge.result(host.edge.order({ $case: 'installRelease', value: release('11.1.0') }));
    expect(installed).toMatchObject({ failure: undefined, installedVersion: '11.1.0' });
    const steps = installed.evidence?.$case === 'install' ? installed.evidence.value.steps.map((s) => s.step) : [];
    expect(steps).toEqual(['verify', 'stop', 'clear', 'swap', 'migrate', 'start', 'health']);
    expect([current(), host.data('running.json'), host.data('db.json')]).toEqual([
      'versions/11.1.0',
      '11.1.0',
      { bookings: [], schema: '11.1.0' },
    ]);
  });

  it('goes all the way back when the health check fails, with the data of the restore point', async () => {
    await host.install('11.0.0');
    await host.start();
    await host.edge.result(host.edge.order({ $case: 'stageRelease', value: release('11.1.0') }));
    const restorePoint = 'rp-1';
    await host.edge.result(host.edge.order({ $case: 'takeBackup', value: { product: 'encore', restorePoint } }));
    host.behave({ '11.1.0 migrate': 'fail' });
    const failed = await host.edge.result(host.edge.order({ $case: 'installRelease', value: release('11.1.0') }));
    expect(failed.failure).toMatchObject({ reason: 'COMMAND_FAILED', host: 'srv' });
    expect(failed.failure?.facts).toMatchObject({ exit_code: '3', step: 'migrate', output: 'told to fail: migrate' });
    expect(failed.installedVersion).toBe('11.1.0');

    writeFileSync(join(host.dir, 'data', 'db.json'), '{"spoiled":true}');
    const value = { ...release('11.0.0'), restorePoint, keepStopped: false };
    const back = await host.edge.result(host.edge.order({ $case: 'rollBackRelease', value }));
    expect(back).toMatchObject({ failure: undefined, installedVersion: '11.0.0' });
    expect(back.evidence).toMatchObject({ $case: 'install', value: { dataChanged: true } });
    expect([current(), host.data('running.json'), host.data('db.json')]).toEqual([
      'versions/11.0.0',
      '11.0.0',
      { bookings: [], schema: '11.0.0' },
    ]);
  });

  it('answers a repeat with the recorded result and refuses a lower fence without touching anything', async () => {
    await host.install('11.0.0');
    await host.start();
    await host.edge.result(host.edge.order({ $case: 'stageRelease', value: release('11.1.0') }, { fence: 7 }));
    const order = host.edge.order({ $case: 'installRelease', value: release('11.1.0') }, { fence: 7 });
    await host.edge.result(order);
    const calls = host.calls();
    const answers = () => host.edge.received.filter((m) => m.$case === 'result' && m.value.order === order).length;
    host.edge.repeat(order);
    await host.edge.until('result', () => answers() >= 2);
    const late = host.edge.order(
      { $case: 'rollBackRelease', value: { ...release('11.0.0'), restorePoint: '', keepStopped: false } },
      { fence: 6 },
    );
    expect((await host.edge.result(late)).failure).toMatchObject({
      reason: 'FENCE_TOO_LOW',
      facts: { fence: '6', highest: '7' },
    });
    expect(host.calls()).toEqual(calls);
    expect(current()).toBe('versions/11.1.0');
  });

  it('does not begin after the deadline', async () => {
    await host.start();
    const deadline = new Date(Date.now() - 1);
    const order = host.edge.order({ $case: 'stageRelease', value: release('11.1.0') }, { deadline });
    expect((await host.edge.result(order)).failure?.reason).toBe('DEADLINE_PASSED');
    expect(existsSync(join(host.dir, 'versions', '11.1.0'))).toBe(false);
  });

  it('repeats results until they are stored, over streams that break', async () => {
    host.edge.confirms = false;
    const agent = await host.start();
    const order = host.edge.order({ $case: 'collectFacts', value: { product: 'encore', version: '' } }, { fence: 0 });
    await host.edge.result(order);
    const count = () => host.edge.received.filter((m) => m.$case === 'result').length;
    host.edge.dropStream();
    await host.edge.until('result', () => count() >= 3);
    host.edge.confirms = true;
    await host.edge.until('heartbeat', () => agent.journal.book.orders.get(order)?.phase === 'finished');
    await host.edge.until('heartbeat', () => {
      const state = agent.journal.book.orders.get(order);
      return state?.phase === 'finished' && state.stored;
    });
  });

  /** Of the streams that were lost: which attempt the next one was. */
  const attempts = () => {
    const lost = host.lines.filter((line) => line.includes('"stream lost"'));
    return lost.map((line) => (JSON.parse(line) as { attempt: number }).attempt);
  };
  const welcomed = (times: number) =>
    until(() => host.lines.filter((line) => line.includes('"connected"')).length === times, `stream ${times}`);

  it('comes back at once each time when a stream that held is lost, and slower and slower when none holds', async () => {
    await host.start();
    for (let times = 1; times <= 3; times++) {
      await welcomed(times);
      await delay(1_100); // The time that a stream has to hold.
      host.edge.loseStream();
    }
    for (let times = 4; times <= 5; times++) {
      await welcomed(times);
      host.edge.loseStream();
    }
    await welcomed(6);
    expect(attempts()).toEqual([1, 1, 1, 2, 3]);
  });

  it('answers what it cannot read', async () => {
    await host.start();
    const value = { product: 'encore', version: '../../etc' };
    const order = host.edge.order({ $case: 'stageRelease', value });
    expect((await host.edge.result(order)).failure).toMatchObject({ reason: 'INVALID_ORDER' });
  });

  it('is the only one on its data folder', async () => {
    await host.start();
    await expect(host.start()).rejects.toThrow(/Another lastcall-agent works on/);
    await expect(host.join()).rejects.toThrow(/Another lastcall-agent works on/);
  });

  it('gives commands the documented environment and nothing else of its own', async () => {
    process.env['LEAKED_SECRET'] = 'do not pass on';
    const files = [
      { path: 'env.sh', mode: 0o755, bytes: Buffer.from('#!/bin/sh\nenv > "$LASTCALL_DATA_DIR/env.txt"\n') },
    ];
    const { manifest, ...rest } = sampleRelease('11.2.0', { files });
    host.repository.publish({
      ...rest,
      manifest: manifest.replace('[node, app/main.js, start]', '[./env.sh]').replace(/ {4}health.*\n/, ''),
    });
    await host.install('11.2.0');
    const lines = readFileSync(join(host.dir, 'data', 'env.txt'), 'utf8')
      .trim()
      .split('\n');
    const env = Object.fromEntries(lines.map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)]));
    expect(env).toMatchObject({
      LASTCALL_PRODUCT: 'encore',
      LASTCALL_VERSION: '11.2.0',
      LASTCALL_FROM_VERSION: '',
      LASTCALL_INSTALLATION: 'berlin',
      LASTCALL_HOST: 'srv',
      LASTCALL_ROLE: 'server',
      LASTCALL_APP_DIR: join(host.dir, 'versions', '11.2.0'),
      LASTCALL_CURRENT_DIR: join(host.dir, 'current'),
      LASTCALL_DATA_DIR: join(host.dir, 'data'),
      LASTCALL_ADDR: host.edge.address,
      EXTRA: 'said',
    });
    expect(env['PATH']?.startsWith(join(process.execPath, '..'))).toBe(true);
    expect(env).not.toHaveProperty('LEAKED_SECRET');
  });
});

describe('a terminal server', () => {
  it('starts its client once with the code', async () => {
    const role = commonV1.HostRole.TERMINAL_SERVER;
    const host = await startTestHost(new Server(), ServerCredentials.createInsecure(), { join: { role } });
    try {
      mkdirSync(join(host.dir, 'data'), { recursive: true });
      host.repository.publish(sampleRelease('11.0.0', { role: 'terminal-server' }));
      await host.join();
      await host.install('11.0.0');
      await host.start();
      const value = { ...release('11.0.0'), code: 'secret-code' };
      const result = await host.edge.result(host.edge.order({ $case: 'startClientOnce', value }));
      expect(result.failure).toBeUndefined();
      expect(host.data('first-start.json')).toEqual({ code: 'secret-code', host: 'srv' });
      expect(host.lines.join('')).not.toContain('secret-code');
      const wrong = { ...release('11.1.0'), code: 'other' };
      const refused = await host.edge.result(host.edge.order({ $case: 'startClientOnce', value: wrong }));
      expect(refused.failure?.reason).toBe('WRONG_VERSION');
    } finally {
      await host.close();
    }
  });
});
