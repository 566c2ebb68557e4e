import { randomBytes } from 'node:crypto';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { ensureUsers } from './database-users.js';
import type { DatabaseUser } from './database-users-options.js';

const url = process.env['LASTCALL_TEST_MONGODB_URL'] ?? '';
const hasMongod = spawnSync('mongod', ['--version']).status === 0;

function usersOf(prefix: string): DatabaseUser[] {
  return ['catalog', 'session'].map((service) => {
    const name = `${prefix}_${service}`;
    return { name, database: name, password: `p${randomBytes(32).toString('base64url')}` };
  });
}

const loginOf = (adminUrl: string, { name, password }: DatabaseUser): MongoClient =>
  new MongoClient(adminUrl, {
    auth: { username: name, password },
    authSource: 'admin',
    serverSelectionTimeoutMS: 5_000,
  });

async function canLogIn(adminUrl: string, user: DatabaseUser): Promise<boolean> {
  const client = loginOf(adminUrl, user);
  try {
    await client.db(user.database).command({ ping: 1 });
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 18 });
    return false;
  } finally {
    await client.close();
  }
}

(url === '' ? describe.skip : describe)('users on MongoDB (LASTCALL_TEST_MONGODB_URL)', () => {
  let users: DatabaseUser[];
  beforeEach(() => (users = usersOf(`t${randomBytes(6).toString('hex')}`)));
  afterEach(async () => {
    const client = await MongoClient.connect(url);
    for (const { name } of users)
      await client
        .db('admin')
        .command({ dropUser: name })
        .catch(() => undefined);
    await client.close();
  });

  const ensure = async (dryRun = false, all = users) =>
    (await ensureUsers({ adminUrl: url, users: all, dryRun })).map(({ state }) => state);

  it('are made, once, each with its password', async () => {
    expect(await ensure(true)).toEqual(['created', 'created']);
    for (const user of users) expect(await canLogIn(url, user)).toBe(false);
    expect(await ensure()).toEqual(['created', 'created']);
    for (const user of users) expect(await canLogIn(url, user)).toBe(true);
    // The stand-in does not keep the role of one database, so there it is asked for each time.
    for (const state of [...(await ensure(true)), ...(await ensure())])
      expect(['unchanged', 'updated']).toContain(state);
    for (const user of users) expect(await canLogIn(url, user)).toBe(true);
  });

  it('get the password that they should have, and lose the old one', async () => {
    await ensure();
    const [before, other] = users as [DatabaseUser, DatabaseUser];
    const changed = { ...before, password: `${before.password}x` };
    expect((await ensure(true, [changed]))[0]).toBe('updated');
    expect(await canLogIn(url, before)).toBe(true);
    expect((await ensure(false, [changed]))[0]).toBe('updated');
    expect(await Promise.all([changed, before, other].map((user) => canLogIn(url, user)))).toEqual([true, false, true]);
  });

  it('are the same when several make them at once', async () => {
    const all = await Promise.all([ensure(), ensure(), ensure(), ensure()]);
    expect(all.flat().filter((state) => state === 'created')).toHaveLength(2);
    for (const user of users) expect(await canLogIn(url, user)).toBe(true);
  });

  it('are not made by whoever may not, and no secret is in what is said', async () => {
    const adminUrl = url.replace('//', '//nobody:very-secret@');
    const made = ensureUsers({ adminUrl, users, dryRun: false });
    await expect(made).rejects.toMatchObject({ name: 'RejectedError', rejected: { code: 'not-permitted' } });
    const said = await made.then(String, (error: Error) => error.stack + JSON.stringify(error));
    expect(said).toMatch(/needs the role userAdmin of admin/);
    for (const secret of ['very-secret', users[0]?.password ?? '']) expect(said).not.toContain(secret);
    const none = ensureUsers({ adminUrl: 'mongodb://x:very-secret@:y', users, dryRun: false });
    await expect(none).rejects.toThrow(/^the address of the MongoDB administrator is none; it must be mongodb:/);
  });
});

(hasMongod ? describe : describe.skip)('users on MongoDB (mongod on the PATH)', () => {
  let dir: string;
  let server: ChildProcess;
  let adminUrl: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lastcall-users-'));
    const port = await freePort();
    server = spawn('mongod', ['--auth', '--dbpath', dir, '--bind_ip', '127.0.0.1', '--port', String(port)], {
      stdio: 'ignore',
    });
    // Until there is a user, whoever is on the machine may make the first.
    const first = await MongoClient.connect(`mongodb://127.0.0.1:${port}/`);
    await first.db('admin').command({ createUser: 'root', pwd: 'root', roles: ['userAdminAnyDatabase'] });
    await first.close();
    adminUrl = `mongodb://root:root@127.0.0.1:${port}/?authSource=admin`;
  });
  afterAll(async () => {
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await gone;
    rmSync(dir, { recursive: true });
  });

  it('may use their own database, and no other', async () => {
    const users = usersOf('lastcall');
    await ensureUsers({ adminUrl, users, dryRun: false });
    expect(await ensureUsers({ adminUrl, users, dryRun: false })).toMatchObject([
      { state: 'unchanged' },
      { state: 'unchanged' },
    ]);
    const [own, other] = users as [DatabaseUser, DatabaseUser];
    const client = loginOf(adminUrl, own);
    await client.db(own.database).collection('x').insertOne({ a: 1 });
    for (const name of [other.database, 'admin']) {
      await expect(client.db(name).collection('x').insertOne({ a: 1 })).rejects.toMatchObject({ code: 13 });
      await expect(client.db(name).collection('x').findOne()).rejects.toMatchObject({ code: 13 });
    }
    await client.close();
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
