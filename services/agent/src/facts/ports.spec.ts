import { spawn } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { inspectPort } from './ports.js';

const SERVE =
  'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => console.log(s.address().port));';

async function withServer<T>(env: Record<string, string>, work: (port: number) => Promise<T>): Promise<T> {
  const child = spawn(process.execPath, ['-e', SERVE], { env, cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const port = await new Promise<number>((resolve) => child.stdout.once('data', (text) => resolve(Number(text))));
    return await work(port);
  } finally {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  }
}

describe('a port', () => {
  const own = `${tmpdir()}/lastcall-agent`;

  it('is usable when nobody listens', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, () => resolve((server.address() as AddressInfo).port)),
    );
    await new Promise((resolve) => server.close(resolve));
    expect(await inspectPort(port, own)).toEqual({ kind: 'usable' });
  });

  it('is usable when the application itself listens', () =>
    withServer({ LASTCALL_APP_DIR: `${own}/versions/11.0.0` }, async (port) =>
      expect(await inspectPort(port, own)).toEqual({ kind: 'usable' }),
    ));

  it('is taken when somebody else listens, also another agent beside this one', async () => {
    await withServer({}, async (port) => expect(await inspectPort(port, own)).toEqual({ kind: 'taken' }));
    await withServer({ LASTCALL_APP_DIR: `${own}-2/versions/11.0.0` }, async (port) =>
      expect(await inspectPort(port, own)).toEqual({ kind: 'taken' }),
    );
  });
});
