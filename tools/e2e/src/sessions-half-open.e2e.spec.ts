import { createTempFolder, type Child, type TempFolder, until } from '@lastcall/testkit';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LASTCALL, ROOT } from './world/lastcall-processes.js';
import { createNamespaces, namespacesMissing, type Namespaces } from './world/namespaces.js';
import { INSTALLATION } from './world/services.js';
import { writeTinyRelease } from './world/tiny-product.js';

/*
 * A client whose packets are dropped on the way: nobody hears an end. The session is lost after its heartbeats are missed and gone after
 * the grace; a logoff does not wait for it; and when packets flow again within the grace, the SDK is back under the same id.
 */

const HEARTBEAT_MS = 1_000;
const SILENT_MS = 3 * HEARTBEAT_MS;
const GRACE_MS = 20_000;
const VERSION = '1.0.0';
const SETTINGS = {
  LASTCALL_HEARTBEAT_INTERVAL_MS: String(HEARTBEAT_MS),
  LASTCALL_RESUME_GRACE_MS: String(GRACE_MS),
  LASTCALL_SESSION_LEASE_MS: '5000',
  LASTCALL_SAVE_TIMEOUT_MS: '3000',
};

/** A program with our SDK, as a vendor would write it. */
const PROGRAM = `
const { attachSession } = require(process.env.TINY_SDK);
attachSession({
  user: 'ann',
  version: process.env.TINY_VERSION,
  onAttached: (session) => console.log('attached ' + session),
  onLogoff: (reason) => console.log('logoff ' + reason),
  onRefused: (text, at, refusal) => console.log('refused ' + refusal.reason),
});
setInterval(() => undefined, 1000);
`;

interface ListedSession {
  readonly name?: string;
  readonly user?: string;
}

const missing = namespacesMissing();
const describeHere = missing === undefined ? describe : describe.skip;

describeHere(`half-open connections${missing === undefined ? '' : ` (${missing})`}`, () => {
  let folder: TempFolder;
  let places: Namespaces;
  let up: Child;
  let client: Child;
  const node = (side: 'server' | 'client', file: string, args: readonly string[], env: Record<string, string>): Child =>
    places.start(side, process.execPath, ['--disable-warning=ExperimentalWarning', file, ...args], env);

  beforeAll(async () => {
    folder = await createTempFolder('half-open');
    places = createNamespaces();
    const data = join(folder.path, 'lastcall');
    const args = ['up', '--data', data, '--grpc', `${places.serverAddress}:7421`, '--http', '127.0.0.1:7420'];
    up = node('server', LASTCALL, args, SETTINGS);
    await up.until(/"ready"/, 60_000);
    await lastcall('release', 'publish', await writeTinyRelease(join(folder.path, 'releases'), { version: VERSION }));
    await lastcall('installation', 'add', INSTALLATION, '--product', 'tiny', '--zone', 'UTC');
    const token = join(folder.path, 'client.token');
    await lastcall('token', 'create', 'clients', '--role', 'client', '-i', INSTALLATION, '--out', token);
    await writeFile(join(folder.path, 'client.cjs'), PROGRAM);
    await until(async () => (await gate()).state === 'GATE_STATE_OPEN', 'the installation to be known');
  }, 180_000);
  afterAll(async () => {
    await up?.stop();
    places?.remove();
    await folder.remove();
  }, 180_000);

  beforeEach(async () => {
    client = node('client', join(folder.path, 'client.cjs'), [], {
      TINY_SDK: join(ROOT, 'libs/sdk/dist/index.js'),
      TINY_VERSION: VERSION,
      LASTCALL_ADDR: `${places.serverAddress}:7421`,
      LASTCALL_TOKEN_FILE: join(folder.path, 'client.token'),
      LASTCALL_INSTALLATION: INSTALLATION,
    });
    await client.until(/^attached s-/);
  });
  afterEach(async () => {
    client.kill();
    await client.exited;
    await lastcall('gate', 'open', '--reason', 'The test is over.');
    await until(async () => (await sessions()).length === 0, 'the session to be gone');
  }, 180_000);

  /** The operator's tool, beside the server. Answers what it printed. */
  async function lastcall(...args: readonly string[]): Promise<string> {
    const child = node('server', LASTCALL, args, { LASTCALL_DATA_DIR: join(folder.path, 'lastcall') });
    const { code } = await child.exited;
    if (code !== 0) throw new Error(`lastcall ${args.join(' ')} ended with ${code}:\n${child.lines.join('\n')}`);
    return child.lines.join('\n');
  }

  const sessions = async (): Promise<readonly ListedSession[]> =>
    (JSON.parse(await lastcall('session', 'list', '-o', 'json')) as { sessions?: ListedSession[] }).sessions ?? [];
  const gate = async () => JSON.parse(await lastcall('gate', 'show', '-o', 'json')) as { state?: string };
  const attached = (): readonly string[] => client.lines.filter((line) => line.startsWith('attached '));

  it('the session is lost when its heartbeats are missed, and comes back under the same id within the grace', async () => {
    const [id] = attached();
    places.cut();
    const cutAt = Date.now();
    // The server has given the connection up, and keeps the session.
    await until(async () => Date.now() - cutAt > SILENT_MS + 1_000 && (await sessions()).length === 1, 'the silence');
    places.mend();
    await until(async () => attached().length > 1, 'the client to be back', 20_000);
    expect(new Set(attached())).toEqual(new Set([id]));
    expect((await sessions()).map(({ name }) => name?.split('/').at(-1))).toEqual([id?.split(' ')[1]]);
    expect(client.lines.filter((line) => line.startsWith('refused'))).toEqual([]);
  }, 180_000);

  it('the session is gone after the grace, and a new one comes when packets flow again', async () => {
    const [id] = attached();
    places.cut();
    const cutAt = Date.now();
    await until(async () => (await sessions()).length === 0, 'the session to be gone', 60_000);
    const goneMs = Date.now() - cutAt;
    expect(goneMs).toBeGreaterThan(GRACE_MS);
    places.mend();
    await until(async () => attached().length > 1, 'the client to be in again', 60_000);
    expect(attached().at(-1)).not.toBe(id);
    // A stream that the client gave up on the way may have been let in, too: it is lost, and goes with its grace.
    await until(async () => (await sessions()).length === 1, 'the client to be in once', 60_000);
  }, 180_000);

  it('a logoff does not wait for who is not heard of, and it is not let in before the gate is open', async () => {
    places.cut();
    const began = Date.now();
    await lastcall('gate', 'close', '--reason', 'New disks.', '--reaction-time', '1s');
    await until(async () => (await gate()).state === 'GATE_STATE_CLOSED', 'zero to be said', 20_000);
    // Within the reaction time and the time to save, although the grace is longer.
    expect(Date.now() - began).toBeLessThan(GRACE_MS);
    expect(await sessions()).toEqual([]);
    places.mend();
    // Whichever comes first: what was sent before the silence was noticed, or the answer at the door.
    await client.until(/^(logoff deadline|refused gate-shut)$/, 60_000);
    expect(attached()).toHaveLength(1);
    await lastcall('gate', 'open', '--reason', 'The disks are in.');
    await until(async () => attached().length > 1, 'the client to be in again', 60_000);
  }, 180_000);
});
