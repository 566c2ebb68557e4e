import { healthV1 } from '@lastcall/contracts';
import { isRejected } from '@lastcall/kernel';
import { createClient, openDefaultChannel } from '@lastcall/sdk';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare } from './data-folder.js';
import { startUp, type RunningUp } from './start-up.js';

describe('lastcall up', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-up-'));
  const dataDir = join(dir, 'data');
  afterAll(() => rmSync(dir, { recursive: true }));

  const anyPort = { grpcAddress: '127.0.0.1:0', httpAddress: '127.0.0.1:0' };
  async function start(env: Record<string, string> = {}): Promise<RunningUp> {
    const running = await startUp({ dataDir, ...anyPort, env: { LASTCALL_LOG_LEVEL: 'fatal', ...env } });
    if (isRejected(running)) throw new Error(running.message);
    return running;
  }

  it('prepares keys and credentials without starting anything, and changes none that are there', async () => {
    const token = await prepare(dataDir);
    expect(statSync(token).mode & 0o777).toBe(0o600);
    const before = readdirSync(join(dataDir, 'identity'));
    expect(await prepare(dataDir)).toBe(token);
    expect(readdirSync(join(dataDir, 'identity'))).toEqual(before);
    expect(existsSync(join(dataDir, 'endpoints.json'))).toBe(false);
  });

  it('serves all services where others find it, lets nobody else at its folder, and goes without a trace', async () => {
    const first = await start();
    const channel = openDefaultChannel({ LASTCALL_DATA_DIR: dataDir });
    const { status } = await createClient(healthV1.HealthService, channel).check({ service: '' });
    channel.close();
    expect(status).toBe(healthV1.HealthCheckResponse_ServingStatus.SERVING);
    expect(await startUp({ dataDir, ...anyPort, env: {} })).toMatchObject({ reason: 'DATA_FOLDER_IN_USE' });
    await Promise.all([first.stop(), first.stop()]);
    expect(existsSync(join(dataDir, 'endpoints.json'))).toBe(false);
    const again = await start();
    await again.stop();
  });

  it('refuses wrong settings, every one by its name, and leaves the folder free', async () => {
    const refused = await startUp({
      dataDir,
      ...anyPort,
      env: { LASTCALL_LOG_LEVL: 'info', LASTCALL_BUS: 'kafka://x' },
    });
    expect(isRejected(refused) && refused.violations.map((v) => v.field)).toEqual([
      'LASTCALL_LOG_LEVL',
      'LASTCALL_BUS',
    ]);
    await (await start()).stop();
  });

  it('lets the folder go when the start fails', async () => {
    const running = await start();
    const elsewhere = { dataDir: join(dir, 'other'), grpcAddress: running.grpcAddress, httpAddress: '127.0.0.1:0' };
    const env = { LASTCALL_LOG_LEVEL: 'fatal' };
    await expect(startUp({ ...elsewhere, env })).rejects.toThrow(/address|listen|EADDRINUSE/i);
    await running.stop();
    const after = await startUp({ ...elsewhere, env });
    expect(isRejected(after)).toBe(false);
    if (!isRejected(after)) await after.stop();
  });
});
