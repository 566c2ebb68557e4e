import type { ReleaseManifest } from '@lastcall/contracts';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostRecord } from '../host-record.js';
import { layoutOf, makeFolders } from '../layout.js';
import { createLog } from '../log.js';
import {
  createReleaseCommands,
  type CommandScope,
  type CommandTarget,
  type ReleaseCommands,
} from './release-commands.js';

/** A health check by HTTP: asked until it is good or the time is up. */
describe('a health check by HTTP', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-health-'));
  const layout = layoutOf(dir);
  let server: Server;
  let answers: number[];
  beforeEach(async () => {
    makeFolders(layout);
    server = createServer((request, response) => {
      response.writeHead(request.url === '/health' ? (answers.shift() ?? 503) : 404).end('warming up');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const check = (timeoutMs: number): Promise<void> =>
    ask(timeoutMs, (commands, target, scope) => commands.waitUntilHealthy(target, scope));
  const watch = (durationMs: number): Promise<void> =>
    ask(1_000, (commands, target, scope) => commands.watchHealth(target, durationMs, scope));

  type Asking = (commands: ReleaseCommands, target: CommandTarget, scope: CommandScope) => Promise<void>;
  function ask(timeoutMs: number, asking: Asking): Promise<void> {
    const port = String((server.address() as AddressInfo).port);
    const record: HostRecord = {
      ...{ address: '', tlsCaFile: '', installation: 'berlin', host: 'srv', role: 'server' },
      ...{ product: 'encore', catalogUrl: '', env: { ENCORE_PORT: port } },
    };
    const health = { http: 'http://127.0.0.1:${ENCORE_PORT}/health', timeoutMs };
    const manifest = { commands: { server: { health } } } as Partial<ReleaseManifest> as ReleaseManifest;
    const release = { version: '1.0.0', manifest, tree: { files: [], totalBytes: 0 }, treeSha256: '' };
    const commands = createReleaseCommands(
      layout,
      record,
      createLog(() => undefined),
    );
    const { signal } = new AbortController();
    const target = { release, treeDir: dir, fromVersion: '' };
    return asking(commands, target, { order: 'o-1', step: 'health', signal });
  }

  it('fills in variables of the host and waits for a good answer', async () => {
    answers = [503, 500, 200];
    await check(10_000);
    expect(answers).toEqual([]);
  });

  it('says what was answered last when the time is up', async () => {
    answers = [];
    await expect(check(300)).rejects.toMatchObject({
      failure: { reason: 'HEALTH_FAILED', facts: { found: expect.stringContaining('503 warming up') } },
    });
  });

  it('has settled when the time is over and the last answer was good', async () => {
    answers = [200, 503, 503, ...Array<number>(200).fill(200)];
    await watch(300);
    const asked = 203 - answers.length;
    expect(asked).toBeGreaterThan(4);
    answers = [...Array<number>(asked - 2).fill(200), 503, 503, ...Array<number>(200).fill(200)];
    await watch(300);
  });

  it('is lost when three answers in a row are bad', async () => {
    answers = [200, 503, 200, 500, 503, 503];
    await expect(watch(60_000)).rejects.toMatchObject({
      failure: { reason: 'HEALTH_LOST', facts: { found: expect.stringContaining('503 warming up') } },
    });
    expect(answers).toEqual([]);
  });
});
