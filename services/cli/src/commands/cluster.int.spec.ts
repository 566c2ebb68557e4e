import { randomId } from '@lastcall/kernel';
import { describeWith, dropMongoUsers, kubernetesConfig, mongodbUrl } from '@lastcall/testkit';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgram } from '../program.js';
import { createNamespace, type Namespace, type Rule } from '../testing/kubernetes.js';
import { createTestIo } from '../testing/test-io.js';

const FULL_NAME = 'site-lastcall';
/** Of the databases and their users: the server has those of others too. */
const PREFIX = randomId('t').replaceAll(/[^a-z0-9]/g, '');
const SERVICES = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];
const IDENTITIES = SERVICES.map((service) => `${FULL_NAME}-identity-${service}`);
const CATALOG = `${FULL_NAME}-identity-catalog`;
const SECRETS = [...IDENTITIES, `${FULL_NAME}-operator`, `${FULL_NAME}-bus`, `${FULL_NAME}-store`];

/** All that the command's account needs; a create cannot be restricted to names. */
const RULES: readonly Rule[] = [
  { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
  { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'patch'], resourceNames: SECRETS },
];

async function lastcall(env: Readonly<Record<string, string>>, ...args: string[]) {
  const world = createTestIo(env);
  const exitCode = await createProgram(world).run(['cluster', ...args]);
  return { exitCode, out: world.out.text, err: world.err.text };
}

describe('lastcall cluster prepare, outside of a cluster', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'lastcall-cluster-'))));
  afterEach(() => rmSync(dir, { recursive: true }));

  const named = ['--namespace', 'n', '--name', 'lastcall'];

  it.each([
    ['no name', {}, ['--namespace', 'n'], /required option '--name/],
    [
      'a name that is a path',
      {},
      ['--namespace', '../kube-system', '--name', 'a/b'],
      /namespace: must be[^]*name: must be/,
    ],
    ['a name that is too long', {}, ['--namespace', 'n', '--name', 'a'.repeat(64)], /name: must be 1 to 63/],
    ['no pod', {}, named, /KUBERNETES_SERVICE_HOST: is not set: this runs in a pod/],
    ['no port', { KUBERNETES_SERVICE_HOST: '127.0.0.1' }, named, /KUBERNETES_SERVICE_PORT: is not set/],
  ])('refuses %s', async (_, env, args, said) => {
    const answer = await lastcall(env, 'prepare', ...args);
    expect(answer).toMatchObject({ exitCode: 2, out: '', err: expect.stringMatching(said) });
  });

  it('says what it cannot read, and whom it cannot reach', async () => {
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '1' };
    const args = ['prepare', ...named, '--service-account', dir];
    expect(await lastcall(env, ...args)).toMatchObject({ exitCode: 2, err: expect.stringMatching(/ca\.crt.*the pod needs the token/) }); // prettier-ignore
    writeFileSync(join(dir, 'ca.crt'), '');
    writeFileSync(join(dir, 'token'), 'secret-token');
    const { exitCode, err } = await lastcall(env, ...args);
    expect(exitCode).toBe(5);
    expect(err).toMatch(/the Kubernetes API at 127\.0\.0\.1:1 does not answer \(.*ECONNREFUSED/);
    expect(err).not.toContain('secret-token');
  });
});

describeWith('kubernetes', 'lastcall cluster prepare, in a cluster', () => {
  let namespace: Namespace;
  beforeEach(() => (namespace = createNamespace(kubernetesConfig() ?? '', randomId('lastcall'), RULES)));
  afterEach(() => namespace.cleanUp());

  async function prepare(...more: string[]) {
    const { name, env, serviceAccountDir } = namespace;
    const args = ['--namespace', name, '--name', FULL_NAME, '--service-account', serviceAccountDir, '-o', 'json'];
    const done = await lastcall({ ...env, LASTCALL_PREFIX: PREFIX }, 'prepare', ...args, ...more);
    // Whatever happens, no secret is ever shown.
    for (const content of all().values()) for (const value of Object.values(content)) expect(done.out + done.err).not.toContain(value); // prettier-ignore
    const { secrets = [] } = JSON.parse(done.out || '{}') as {
      secrets?: { name: string; state: string; keys: string[] }[];
    };
    return { ...done, states: Object.fromEntries(secrets.map(({ name: secret, state }) => [secret, state])), secrets };
  }

  function all(): Map<string, Readonly<Record<string, string>>> {
    const found = SECRETS.map((name) => [name, namespace.secret(name)] as const);
    return new Map(found.filter((pair): pair is [string, Record<string, string>] => pair[1] !== undefined));
  }

  const statesOf = (state: string) => Object.fromEntries(SECRETS.map((name) => [name, state]));
  const claims = (token = '') => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object;

  it('makes every Secret with its own part, once', async () => {
    expect(await prepare('--dry-run')).toMatchObject({ exitCode: 0, states: statesOf('created') });
    expect(all().size).toBe(0);
    expect(await prepare()).toMatchObject({ exitCode: 0, err: '', states: statesOf('created') });

    const made = all();
    const catalog = made.get(CATALOG) ?? {};
    expect(Object.keys(catalog).toSorted()).toEqual(
      ['keys.json', 'operator.token', 'signing-key.pem', ...SERVICES.map((service) => `${service}.token`)].toSorted(),
    );
    for (const service of SERVICES.slice(1)) {
      const part = { 'keys.json': catalog['keys.json'], [`${service}.token`]: catalog[`${service}.token`] };
      expect(made.get(`${FULL_NAME}-identity-${service}`)).toEqual(part);
      expect(claims(part[`${service}.token`])).toMatchObject({ sub: `service:${service}`, role: 'admin' });
    }
    expect(made.get(`${FULL_NAME}-operator`)).toEqual({ 'operator.token': catalog['operator.token'] });
    expect(claims(catalog['operator.token'])).toMatchObject({ sub: 'operator', role: 'admin' });
    const passwords = ['bus', 'store'].flatMap((of) => Object.entries(made.get(`${FULL_NAME}-${of}`) ?? {}));
    expect(passwords.map(([user]) => user).toSorted()).toEqual(
      [...SERVICES, ...SERVICES, 'system', 'system'].toSorted(),
    );
    // A letter and 256 bits.
    for (const [, password] of passwords) expect(password).toMatch(/^p[A-Za-z0-9_-]{43}$/);
    expect(new Set(passwords.map(([, password]) => password)).size).toBe(12);
    const { type, metadata } = JSON.parse(namespace.kubectl('get', 'secret', CATALOG, '-o', 'json')) as { type: string; metadata: { labels: object } }; // prettier-ignore
    expect(type).toBe('Opaque');
    expect(metadata.labels).toEqual({
      'app.kubernetes.io/name': 'lastcall',
      'app.kubernetes.io/instance': FULL_NAME,
      'app.kubernetes.io/managed-by': 'lastcall',
    });

    expect(await prepare()).toMatchObject({ exitCode: 0, states: statesOf('unchanged') });
    expect(await prepare('--dry-run')).toMatchObject({ exitCode: 0, states: statesOf('unchanged') });
    expect(all()).toEqual(made);
  });

  it('makes what was taken away from the signing key that is there, and keeps what was not', async () => {
    await prepare();
    const before = all();
    namespace.kubectl('delete', 'secret', `${FULL_NAME}-identity-session`, `${FULL_NAME}-operator`);
    namespace.kubectl(
      'patch',
      'secret',
      `${FULL_NAME}-bus`,
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/data/session"}]',
    );
    namespace.kubectl('patch', 'secret', CATALOG, '--type=json', '-p', '[{"op":"remove","path":"/data/keys.json"}]');
    const wouldBe = {
      ...statesOf('unchanged'),
      [CATALOG]: 'completed',
      [`${FULL_NAME}-identity-session`]: 'created',
      [`${FULL_NAME}-operator`]: 'created',
      [`${FULL_NAME}-bus`]: 'completed',
    };
    expect(await prepare('--dry-run')).toMatchObject({ exitCode: 0, states: wouldBe });
    expect(await prepare()).toMatchObject({ exitCode: 0, states: wouldBe });
    const after = all();
    const { session: newPassword, ...others } = after.get(`${FULL_NAME}-bus`) ?? {};
    const { session: oldPassword, ...same } = before.get(`${FULL_NAME}-bus`) ?? {};
    expect(others).toEqual(same);
    expect(newPassword).toMatch(/^p/);
    expect(newPassword).not.toBe(oldPassword);
    for (const map of [before, after]) map.delete(`${FULL_NAME}-bus`);
    expect(after).toEqual(before);
  });

  it('never makes a second signing key', async () => {
    await prepare();
    namespace.kubectl('delete', 'secret', CATALOG);
    const before = all();
    const refused = await prepare();
    expect(refused).toMatchObject({ exitCode: 3, out: '' });
    expect(refused.err).toMatch(
      /The signing key is gone .*site-lastcall-identity-scheduler, .*Bring it back from a backup/,
    );
    expect(all()).toEqual(before);
    namespace.kubectl('create', 'secret', 'generic', CATALOG, '--from-literal=keys.json={"keys":[]}');
    expect(await prepare()).toMatchObject({ exitCode: 3, err: expect.stringMatching(/signing key is gone/) });
  });

  it('says which Secret is of another identity', async () => {
    namespace.kubectl('create', 'secret', 'generic', `${FULL_NAME}-identity-session`, '--from-literal=other=x');
    expect(await prepare()).toMatchObject({ exitCode: 3, err: expect.stringMatching(/signing key is gone/) });
    namespace.kubectl('delete', 'secret', `${FULL_NAME}-identity-session`);
    await prepare();
    namespace.kubectl(
      'patch',
      'secret',
      `${FULL_NAME}-identity-session`,
      '-p',
      '{"stringData":{"keys.json":"{\\"keys\\":[]}"}}',
    );
    const refused = await prepare();
    expect(refused).toMatchObject({ exitCode: 3, out: '' });
    expect(refused.err).toMatch(/site-lastcall-identity-session: its keys\.json is of another identity/);
  });

  it('ends with one identity when several do it at once', async () => {
    const all4 = await Promise.all([prepare(), prepare(), prepare(), prepare()]);
    expect(all4.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
    for (const name of SECRETS) {
      expect(all4.filter(({ states }) => states[name] === 'created')).toHaveLength(1);
    }
    const made = all();
    const catalog = made.get(CATALOG) ?? {};
    for (const [name, content] of made) {
      if (/-(bus|store)$/.test(name)) continue;
      for (const [key, value] of Object.entries(content)) expect(value).toBe(catalog[key]);
    }
    namespace.kubectl(
      'patch',
      'secret',
      `${FULL_NAME}-bus`,
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/data/session"}]',
    );
    const again = await Promise.all([prepare(), prepare(), prepare(), prepare()]);
    expect(again.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
    expect(again.filter(({ states }) => states[`${FULL_NAME}-bus`] === 'completed')).toHaveLength(1);
  });

  it.each([
    [
      'create',
      RULES.slice(1),
      /may not create Secret site-lastcall-identity-catalog: .*cannot create resource "secrets"/,
    ],
    ['get', [RULES[0]!, { ...RULES[1]!, verbs: ['patch'] }], /may not read Secret .*cannot get resource "secrets"/],
    ['any of the names', [RULES[0]!, { ...RULES[1]!, resourceNames: SECRETS.slice(0, -1) }], /site-lastcall-store/],
  ])('needs the right to %s, and says so', async (_, rules, said) => {
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: 'prepare' }, rules };
    namespace.apply(role);
    expect(await prepare()).toMatchObject({ exitCode: 6, out: '', err: expect.stringMatching(said) });
  });

  it('needs the right to patch only where a part is missing', async () => {
    const rules = [RULES[0]!, { ...RULES[1]!, verbs: ['get'] }];
    namespace.apply({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: 'prepare' }, rules });
    expect(await prepare()).toMatchObject({ exitCode: 0, states: statesOf('created') });
    namespace.kubectl(
      'patch',
      'secret',
      `${FULL_NAME}-bus`,
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/data/session"}]',
    );
    expect(await prepare()).toMatchObject({ exitCode: 6, err: expect.stringMatching(/may not add to Secret site-lastcall-bus/) }); // prettier-ignore
  });

  it('does not believe another server', async () => {
    writeFileSync(join(namespace.serviceAccountDir, 'ca.crt'), '');
    expect(await prepare()).toMatchObject({
      exitCode: 5,
      err: expect.stringMatching(/does not answer \(.*certificate/),
    });
  });

  (mongodbUrl() === undefined ? it.skip : it)(
    'makes the users on MongoDB with the passwords of the Secret',
    async () => {
      const file = join(namespace.serviceAccountDir, 'admin-url');
      writeFileSync(file, `${mongodbUrl()}\n`);
      const { exitCode, out } = await prepare('--mongodb-admin-url-file', file);
      const { mongodbUsers } = JSON.parse(out) as { mongodbUsers: object[] };
      expect([exitCode, mongodbUsers]).toEqual([0, USERS.map((name) => ({ name, state: 'created' }))]);
      await dropMongoUsers(mongodbUrl() ?? '', USERS);
    },
  );
});

const USERS = SERVICES.map((service) => `${PREFIX}_${service}`);

describeWith('mongodb', 'lastcall cluster users', () => {
  let dir: string;
  let adminUrlFile: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lastcall-users-'));
    adminUrlFile = join(dir, 'admin-url');
    writeFileSync(adminUrlFile, `${mongodbUrl()}\n`);
    for (const service of SERVICES) writeFileSync(join(dir, service), `p-${service}-only-for-tests\n`);
  });
  afterEach(async () => {
    rmSync(dir, { recursive: true });
    await dropMongoUsers(mongodbUrl() ?? '', USERS);
  });

  const users = (...more: string[]) =>
    lastcall(
      { LASTCALL_PREFIX: PREFIX },
      'users',
      '--mongodb-admin-url-file',
      adminUrlFile,
      '--passwords',
      dir,
      ...more,
    );

  it('makes one for each service, and shows no secret', async () => {
    const dry = await users('--dry-run');
    expect(dry).toMatchObject({ exitCode: 0, err: '' });
    expect(dry.out.match(/would be created/g)).toHaveLength(5);
    const done = await users();
    expect(done.exitCode).toBe(0);
    for (const name of USERS) expect(done.out).toMatch(new RegExp(`^${name} +created$`, 'm'));
    expect(dry.out + done.out).not.toContain('only-for-tests');
    expect((await users('--dry-run')).out).not.toContain('created');
  });

  it('names every file that is missing, and what is no address', async () => {
    for (const service of ['catalog', 'session']) rmSync(join(dir, service));
    writeFileSync(join(dir, 'installer'), '');
    const missing = await users();
    expect(missing).toMatchObject({ exitCode: 2, out: '' });
    expect(missing.err).toMatch(/catalog: cannot be read \(ENOENT\)[^]*session: cannot[^]*installer: is empty/);
    for (const service of SERVICES) writeFileSync(join(dir, service), 'x');
    writeFileSync(adminUrlFile, 'postgres://admin:very-secret@db');
    const wrong = await users();
    expect(wrong).toMatchObject({ exitCode: 2, err: expect.stringMatching(/admin-url: must hold one URL, mongodb:/) });
    expect(wrong.err).not.toContain('very-secret');
  });

  it('says that the administrator is not let in', async () => {
    writeFileSync(adminUrlFile, (mongodbUrl() ?? '').replace('//', '//nobody:very-secret@'));
    const refused = await users();
    expect(refused).toMatchObject({ exitCode: 6, out: '', err: expect.stringMatching(/needs the role userAdmin/) });
    expect(refused.err).not.toContain('very-secret');
  });
});
