import { startProgram, until, type Child } from '@lastcall/testkit';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgram } from '../program.js';
import { createTestIo } from '../testing/test-io.js';

/* A publication whose program is killed, by a real signal, in the middle of the upload. */

const FILES = 300;
const BYTES = 40_000;

describe('a publication that was interrupted', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-resume-'));
  const dataDir = join(dir, 'data');
  const env = { LASTCALL_DATA_DIR: dataDir, LASTCALL_LOG_LEVEL: 'error' };
  const world = createTestIo(env);
  let up: Promise<number>;

  beforeAll(async () => {
    up = createProgram(world).run(['up', '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0']);
    await Promise.race([world.out.shows('Credential'), up.then(() => Promise.reject(new Error(world.err.text)))]);
  });
  afterAll(async () => {
    world.stop();
    expect(await up).toBe(0);
    rmSync(dir, { recursive: true });
  });

  const stored = (): number => {
    const blobs = join(dataDir, 'catalog', 'blobs');
    const files = readdirSync(blobs, { recursive: true, withFileTypes: true }).filter((item) => item.isFile());
    return files.filter(({ name, parentPath }) => /^[0-9a-f]{64}$/.test(name) && statSync(join(parentPath, name)).size === BYTES).length; // prettier-ignore
  };
  const publish = (folder: string): Child => startProgram(join(__dirname, '../main.ts'), ['release', 'publish', folder], env); // prettier-ignore

  it('goes on where it was: only what is missing is uploaded', async () => {
    const folder = join(dir, 'encore');
    mkdirSync(join(folder, 'app'), { recursive: true });
    for (let i = 0; i < FILES; i++) writeFileSync(join(folder, 'app', `${i}.bin`), Buffer.alloc(BYTES, `${i} `));
    writeFileSync(join(folder, 'lastcall.yaml'), 'product: encore\nversion: 1.0.0\ntitle: Encore\nartifacts: [{role: server, directory: app}]\ncommands: {}\n'); // prettier-ignore
    const first = publish(folder);
    await first.until(/uploading 300 files/, 30_000);
    await until(() => stored() >= 20, '20 blobs on the catalog');
    first.kill('SIGKILL');
    expect((await first.exited).signal).toBe('SIGKILL');
    expect(first.lines.join('\n')).not.toMatch(/published/);

    const before = stored();
    expect(before).toBeLessThan(FILES);
    const second = publish(folder);
    expect((await second.exited).code).toBe(0);
    const said = second.lines.join('\n');
    const uploaded = Number(/uploading (\d+) files? .*[^]*published encore 1\.0\.0/.exec(said)?.[1]);
    // The four that were on their way may have come to an end after the count.
    expect(uploaded).toBeLessThanOrEqual(FILES - before);
    expect(uploaded).toBeGreaterThanOrEqual(FILES - before - 4);
    expect(stored()).toBe(FILES);
    const third = publish(folder);
    expect((await third.exited).code).toBe(0);
    expect(third.lines.join('\n')).not.toMatch(/uploading/);
  });
});
