import { hostEdgeV1 } from '@lastcall/contracts';
import { createClient, openChannel, readConnection } from '@lastcall/sdk';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgram } from './program.js';
import { createTestIo, type TestIo } from './testing/test-io.js';

/*
 * A run whose only host has joined and never answers: it ends when preflight gives the host up, long enough to restart Lastcall in
 * the middle.
 */
describe('lastcall run watch', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-watch-'));
  const dataDir = join(dir, 'data');
  const env = { LASTCALL_DATA_DIR: dataDir, LASTCALL_LOG_LEVEL: 'fatal', LASTCALL_FACTS_TIMEOUT_MS: '4000' };
  afterAll(() => rmSync(dir, { recursive: true }));

  async function startUp(grpc: string, http: string): Promise<() => Promise<void>> {
    const world = createTestIo(env);
    const ended = createProgram(world).run(['up', '--grpc', grpc, '--http', http]);
    await Promise.race([world.out.shows('Credential'), ended.then(() => Promise.reject(new Error(world.err.text)))]);
    return async () => {
      world.stop();
      await ended;
    };
  }

  async function lastcall(...args: string[]): Promise<TestIo> {
    const world = createTestIo(env);
    const exitCode = await createProgram(world).run(args);
    if (exitCode !== 0) throw new Error(world.err.text);
    return world;
  }

  async function joinSilentHost(token: string): Promise<void> {
    const channel = openChannel({ ...readConnection(env), credential: () => '' });
    const publicKey = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    const request = { token, publicKey, platform: 'linux-x64', agentVersion: '0.1.0', installedVersion: '0.9.0' };
    await createClient(hostEdgeV1.HostEdgeServiceService, channel).join(request);
    channel.close();
  }

  it('waits for the due time, lives through a restart of Lastcall, and ends with the outcome', async () => {
    const stopFirst = await startUp('127.0.0.1:0', '127.0.0.1:0');
    const { grpc, http } = JSON.parse(readFileSync(join(dataDir, 'endpoints.json'), 'utf8')) as Record<'grpc' | 'http', string>; // prettier-ignore
    mkdirSync(join(dir, 'release/app'), { recursive: true });
    writeFileSync(join(dir, 'release/app/serve'), 'x');
    writeFileSync(join(dir, 'release/lastcall.yaml'), 'product: encore\nversion: 1.0.0\ntitle: Encore\nartifacts: [{role: server, directory: app}]\ncommands: {}\n'); // prettier-ignore
    await lastcall('release', 'publish', join(dir, 'release'));
    await lastcall('installation', 'add', 'berlin', '--product', 'encore', '--zone', 'Asia/Kathmandu');
    await joinSilentHost((await lastcall('host', 'join-token', 'server-1', '--role', 'server')).out.text.trim());
    await lastcall('host', 'show', 'server-1');
    await lastcall('job', 'create', 'night', '--in', '2s', '--enable');

    const watcher = createTestIo(env);
    const watched = createProgram(watcher).run(['run', 'watch', '--job', 'night']);
    await watcher.out.shows('RunStarted');
    await stopFirst();
    const stopSecond = await startUp(grpc, http.replace('http://', ''));
    expect(await watched).toBe(1);
    const { text } = watcher.out;
    expect(text).toMatch(
      /^waiting for job night, due .*\(Asia\/Kathmandu\)\nencore 0\.9\.0 -> 1\.0\.0 on berlin \(run r-/,
    );
    expect(text.match(/RunStarted/g)).toHaveLength(1);
    expect(text).toMatch(/\n {10}waiting for fresh facts of host server-1 and every check, until \d\d:\d\d:\d\d\n/);
    expect(text).toMatch(/\nfailed: .+\n$/);

    const report = await lastcall('run', 'report');
    expect(report.out.text).toMatch(/Outcome +failed/);
    expect(report.out.text).toMatch(/server-1/);
    await stopSecond();
  });
});
