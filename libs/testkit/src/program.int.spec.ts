import { ensureIdentity } from '@lastcall/runtime';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startProgram } from './program.js';
import { createTempFolder, type TempFolder } from './temp-folder.js';

const entry = join(__dirname, 'small-catalog-main.ts');

describe('a service as a program', () => {
  let folder: TempFolder;
  beforeEach(async () => (folder = await createTempFolder('program')));
  afterEach(() => folder.remove());

  const environment = (more: Record<string, string> = {}) => ({
    LASTCALL_DATA_DIR: folder.path,
    LASTCALL_GRPC_ADDRESS: '127.0.0.1:0',
    LASTCALL_HTTP_ADDRESS: '127.0.0.1:0',
    ...more,
  });

  it('says that it is ready, loads nothing that it does not need, and stops when told so', async () => {
    await ensureIdentity(join(folder.path, 'identity'));
    const child = startProgram(entry, [], environment());
    const ready = await child.until(/"msg":"ready"/);
    expect(JSON.parse(ready.input)).toMatchObject({ level: 'info', services: ['catalog'] });
    child.kill('SIGUSR2');
    const [, rssMb] = await child.until(/loaded: \[\] rss: (\d+) MB/);
    expect(Number(rssMb)).toBeLessThan(150);
    expect(await child.stop()).toEqual({ code: 0, signal: null });
  });

  it('says every wrong setting and exits with 2', async () => {
    const child = startProgram(entry, ['--grpc-address', 'x'], environment({ LASTCALL_GREETINGS: 'hi' }));
    expect(await child.exited).toEqual({ code: 2, signal: null });
    const text = child.lines.join('\n');
    expect(text).toContain('2 settings are wrong');
    expect(text).toContain('LASTCALL_GREETINGS is no setting of this program (did you mean LASTCALL_GREETING?)');
    expect(text).toContain('--grpc-address is "x": must be host:port');
  });

  it('says what it lacks and exits with 5', async () => {
    const child = startProgram(entry, [], environment());
    expect(await child.exited).toEqual({ code: 5, signal: null });
    expect(child.lines.join('\n')).toContain('keys.json cannot be read');
  });

  it('says which port is taken and exits with 5', async () => {
    await ensureIdentity(join(folder.path, 'identity'));
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const child = startProgram(entry, [`--grpc-address=127.0.0.1:${port}`], environment());
    expect(await child.exited).toEqual({ code: 5, signal: null });
    expect(child.lines.join('\n')).toContain(`cannot listen on 127.0.0.1:${port}`);
    await new Promise((resolve) => taken.close(resolve));
  });

  it('starts again after kill -9', async () => {
    await ensureIdentity(join(folder.path, 'identity'));
    const first = startProgram(entry, [], environment());
    await first.until(/"msg":"ready"/);
    first.kill('SIGKILL');
    expect((await first.exited).signal).toBe('SIGKILL');
    const second = startProgram(entry, [], environment());
    await second.until(/"msg":"ready"/);
    expect((await second.stop()).code).toBe(0);
  });
});
