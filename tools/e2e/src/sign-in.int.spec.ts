import { catalogModule } from '@lastcall/catalog';
import { identityV1 } from '@lastcall/contracts';
import { createTempFolder, startStack, until } from '@lastcall/testkit';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { refuseAt, signInAt } from './world/browser.js';
import { CLIENT, startOidcProvider } from './world/oidc-provider.js';
import {
  callerOn,
  outputOf,
  startCommand,
  startSignInSite,
  type Command,
  type SignInSite,
} from './world/sign-in-site.js';

/*
 * People who sign in: the command line, the catalog, and a real OpenID provider whose pages are filled in as a person would.
 */

const PAGE = { pageSize: 1_000, pageToken: '' };

describe('signing in', () => {
  let site: SignInSite;
  let home: { path: string; remove(): Promise<void> };
  beforeAll(async () => {
    home = await createTempFolder('home');
    site = await startSignInSite({
      anna: { groups: ['staff', 'lastcall-admins'] },
      ben: { groups: ['berlin-ops', 'staff'] },
      carl: { groups: ['staff'] },
      dora: { groups: { admin: true } },
      emil: { groups: 'berlin-ops' },
      finn: { groups: ['gone-ops'] },
      gina: { groups: Array.from({ length: 900 }, (_, i) => `a-very-long-name-of-a-group-of-the-directory-${i}`) },
    });
  });
  afterAll(async () => {
    await site.stop();
    await home.remove();
  });

  let homes = 0;
  /** A machine of a person. */
  function machine(more: Record<string, string> = {}): (...args: string[]) => Command {
    const state = join(home.path, `state-${++homes}`);
    const env = { LASTCALL_ADDR: site.stack.grpcAddress, XDG_STATE_HOME: state, LASTCALL_DATA_DIR: state, ...more };
    return (...args) => startCommand(env, args);
  }
  const annasFiles = (): string => join(home.path, `state-${homes}`, 'lastcall', 'logins');

  async function login(lastcall: (...args: string[]) => Command, user: string, ...args: string[]): Promise<Command> {
    const command = lastcall('login', ...args);
    const { page, code } = await command.asksFor();
    const last = await signInAt(page, code, user);
    expect(last.text).toContain('Sign-in Success');
    return command;
  }

  const audit = () => site.audit();
  const tokens = () => site.stack.client(identityV1.TokenServiceService);

  describe('with the command line', () => {
    it('gives a person what their groups say, for an hour, in a file that is theirs alone', async () => {
      const lastcall = machine();
      const command = await login(lastcall, 'anna');
      expect([await command.ended, command.err.text]).toEqual([0, '']);
      expect(command.out.text).toContain('Signed in as oidc:anna: admin of all installations');
      const [file = ''] = readdirSync(annasFiles());
      const path = join(annasFiles(), file);
      expect([statSync(path).mode & 0o777, statSync(annasFiles()).mode & 0o777]).toEqual([0o600, 0o700]);
      expect(await outputOf(lastcall('whoami'))).toMatch(/oidc:anna[^]*admin[^]*Signed in at +http/);
      expect(await outputOf(lastcall('installation', 'list'))).toContain('berlin');
      const { tokens: list } = await tokens().listTokens(PAGE);
      const mine = list.find((t) => t.subject === 'oidc:anna');
      const validMs = (mine?.expireTime?.getTime() ?? 0) - (mine?.createTime?.getTime() ?? 0);
      expect([mine?.role, mine?.installation, validMs]).toEqual([identityV1.Role.ADMIN, '', 3_600_000]);
      expect(await audit()).toEqual(
        expect.arrayContaining([
          expect.objectContaining({
            actor: 'oidc:anna',
            resource: mine?.name,
            reason: expect.stringContaining('lastcall-admins'),
          }),
        ]),
      );
    });

    it('binds who is of one installation to it', async () => {
      const lastcall = machine();
      expect(await (await login(lastcall, 'ben')).ended).toBe(0);
      expect(await outputOf(lastcall('installation', 'show', 'berlin'))).toContain('Berlin'.toLowerCase());
      const munich = lastcall('installation', 'show', 'munich');
      expect(await munich.ended).toBe(6);
      // An administrator may be less for once.
      const bound = machine();
      const command = await login(bound, 'anna', '-i', 'munich');
      expect([await command.ended, command.out.text]).toEqual([0, expect.stringContaining('admin of munich')]);
    });

    it('takes one group that is no list', async () => {
      const lastcall = machine();
      const command = await login(lastcall, 'emil');
      expect([await command.ended, command.out.text]).toEqual([0, expect.stringContaining('operator of berlin')]);
    });

    it.each([
      ['carl', 'whom no group gives anything', 6, /claim "groups" was looked at/],
      ['dora', 'whose claim has another form', 6, /claim "groups" cannot be used: it is not a text/],
      ['finn', 'of an installation that is not there', 4, /gone/],
      ['gina', 'with more groups than a token may hold', 2, /id_token/],
    ])('refuses %s, %s, and leaves nothing behind', async (user, _, exitCode, why) => {
      const lastcall = machine();
      const command = await login(lastcall, user);
      expect([await command.ended, command.err.text]).toEqual([exitCode, expect.stringMatching(why)]);
      expect(existsSync(annasFiles())).toBe(false);
      const last = (await audit()).find((r) => r.method.endsWith('/SignIn'));
      expect(last?.reason).toMatch(/^refused, /);
      if (user !== 'gina') expect(last?.actor).toBe(`oidc:${user}`);
    });

    it('is told when the person says no in the browser', async () => {
      const lastcall = machine();
      const command = lastcall('login');
      const { page, code } = await command.asksFor();
      await refuseAt(page, code);
      expect([await command.ended, command.err.text]).toEqual([6, expect.stringContaining('refused in the browser')]);
    });

    it('can be broken off, and goes to no other provider than the one that was named', async () => {
      const lastcall = machine();
      const command = lastcall('login');
      await command.asksFor();
      command.stop();
      expect(await command.ended).toBe(1);
      const other = lastcall('login', '--issuer', 'https://evil.example');
      expect([await other.ended, other.err.text]).toEqual([3, expect.stringContaining('https://evil.example')]);
    });

    it('ends with the logout, everywhere, and what it had is good for nothing', async () => {
      const lastcall = machine();
      const command = await login(lastcall, 'anna');
      await command.ended;
      const [file = ''] = readdirSync(annasFiles());
      const kept = JSON.parse(readFileSync(join(annasFiles(), file), 'utf8')) as { credential: string; token: string };
      expect(await outputOf(lastcall('logout'))).toContain('Signed out');
      expect(readdirSync(annasFiles())).toEqual([]);
      const caller = callerOn(site.stack, kept.credential);
      // Every service hears of it a moment later.
      const asked = () => caller.refusal((t) => t.getCaller({}));
      await until(async () => (await asked()).reason === 'CREDENTIAL_REVOKED', 'the credential to be refused');
      expect(await asked()).toMatchObject({ code: 16 });
      expect((await tokens().listTokens(PAGE)).tokens.find((t) => t.name === kept.token)?.revokeTime).toBeDefined();
      expect(await outputOf(lastcall('logout'))).toContain('Nobody was signed in');
      const records = (await audit()).filter((r) => r.method.endsWith('/SignOut'));
      expect(records[0]?.actor).toBe('oidc:anna');
    });

    it('goes on by itself where the provider allows it, and says so when it cannot', async () => {
      const lastcall = machine();
      await (
        await login(lastcall, 'anna')
      ).ended;
      const path = join(annasFiles(), readdirSync(annasFiles())[0] ?? '');
      const before = JSON.parse(readFileSync(path, 'utf8')) as {
        expiresAt: number;
        token: string;
        refreshToken: string;
      };
      expect(before.refreshToken).not.toBe('');
      writeFileSync(path, JSON.stringify({ ...before, expiresAt: Date.now() - 1 }));
      // Of the same second, the provider's next token would be the same.
      const second = Math.floor(Date.now() / 1000);
      await until(async () => Date.now() / 1000 > second + 1, 'the next second');
      expect(await outputOf(lastcall('whoami'))).toContain('oidc:anna');
      const after = JSON.parse(readFileSync(path, 'utf8')) as typeof before;
      expect(after.token).not.toBe(before.token);
      expect(after.expiresAt).toBeGreaterThan(Date.now() + 3_000_000);
      writeFileSync(path, JSON.stringify({ ...after, expiresAt: Date.now() - 1, refreshToken: 'of somebody else' }));
      const over = lastcall('whoami');
      expect([await over.ended, over.err.text]).toEqual([6, expect.stringMatching(/has ended[^]*lastcall login/)]);
    });

    it('comes after LASTCALL_TOKEN_FILE and before the credential of the data folder', async () => {
      const lastcall = machine();
      await (
        await login(lastcall, 'ben')
      ).ended;
      const state = join(home.path, `state-${homes}`);
      writeFileSync(join(state, 'operator.token'), site.stack.token('admin', undefined, 'of-the-folder'));
      expect(await outputOf(lastcall('whoami'))).toContain('oidc:ben');
      const file = join(state, 'named.token');
      writeFileSync(file, site.stack.token('viewer', undefined, 'of-the-file'));
      const env = { LASTCALL_ADDR: site.stack.grpcAddress, XDG_STATE_HOME: state, LASTCALL_DATA_DIR: state };
      expect(await outputOf(startCommand({ ...env, LASTCALL_TOKEN_FILE: file }, ['whoami']))).toContain('of-the-file');
      await lastcall('logout').ended;
      expect(await outputOf(lastcall('whoami'))).toContain('of-the-folder');
    });
  });

  it('asks the provider for its keys once, not for each token', () => {
    expect(site.provider.requests.filter((r) => r === 'GET /jwks').length).toBeLessThanOrEqual(3);
  });

  it('lets nobody in while the provider is away, says so, and does not set up what is not configured', async () => {
    const gone = await startOidcProvider();
    const settings = { oidcIssuer: gone.issuer, oidcClientId: CLIENT, oidcRoles: 'lastcall-admins=admin' };
    const lonely = await startStack({ modules: [catalogModule], settings });
    await gone.stop();
    const caller = callerOn(lonely, '');
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const idToken = `${part({ alg: 'RS256', kid: gone.kid })}.${part({ iss: gone.issuer })}.AAAA`;
    for (let i = 0; i < 3; i++) {
      const refusal = await caller.refusal((t) => t.signIn({ idToken, nonce: '', installation: '' }));
      expect(refusal).toMatchObject({
        code: 9,
        reason: 'PROVIDER_UNREACHABLE',
        message: expect.stringContaining(gone.issuer),
      });
    }
    const env = { LASTCALL_ADDR: lonely.grpcAddress, XDG_STATE_HOME: home.path, LASTCALL_DATA_DIR: home.path };
    const command = startCommand(env, ['login']);
    expect([await command.ended, command.err.text]).toEqual([5, expect.stringContaining(gone.issuer)]);
    await lonely.stop();
    const plain = await startStack({ modules: [catalogModule] });
    expect(await callerOn(plain, '').tokens.getSignIn({})).toEqual({ issuer: '', clientId: '', scopes: [] });
    const without = startCommand({ ...env, LASTCALL_ADDR: plain.grpcAddress }, ['login']);
    expect([await without.ended, without.err.text]).toEqual([3, expect.stringContaining('LASTCALL_OIDC_ISSUER')]);
    await plain.stop();
  });
});
