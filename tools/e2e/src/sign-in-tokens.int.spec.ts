import { identityV1 } from '@lastcall/contracts';
import { createHmac, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { CLIENT, OTHER_CLIENT } from './world/oidc-provider.js';
import { callerOn, startSignInSite, type SignInSite } from './world/sign-in-site.js';

/*
 * ID tokens that must not be good for anything, each right but for one thing; signed with the key of a real provider where only the
 * provider could have made them.
 */

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('an ID token that somebody made', () => {
  let site: SignInSite;
  beforeAll(async () => {
    site = await startSignInSite({});
  });
  afterAll(() => site.stop());

  const audit = () => site.audit();
  const tokens = () => site.stack.client(identityV1.TokenServiceService);
  const nobody = () => callerOn(site.stack, '');
  /** As the provider would sign it for anna, but for what is said. */
  function made(claims: object = {}, header: object = {}, key: KeyObject = site.provider.key): string {
    const iat = Math.floor(Date.now() / 1000);
    const right = {
      iss: site.provider.issuer,
      aud: CLIENT,
      sub: 'anna',
      iat,
      exp: iat + 300,
      groups: ['lastcall-admins'],
    };
    const signed = `${part({ alg: 'RS256', kid: site.provider.kid, ...header })}.${part({ ...right, jti: `${Math.random()}`, ...claims })}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
  }
  function hmac(): string {
    const pem = createPublicKey(site.provider.key).export({ type: 'spki', format: 'pem' });
    const signed = made({}, { alg: 'HS256' }).replace(/\.[^.]*$/, '');
    return `${signed}.${createHmac('sha256', pem).update(signed).digest('base64url')}`;
  }
  const now = (): number => Math.floor(Date.now() / 1000);

  it('works when everything is right: what follows differs from it in one thing each', async () => {
    const { token } = await nobody().tokens.signIn({ idToken: made(), nonce: '', installation: '' });
    expect(token).toMatchObject({ subject: 'oidc:anna', role: identityV1.Role.ADMIN });
    const several = made({ aud: [CLIENT, OTHER_CLIENT], azp: CLIENT, nonce: 'n-1' });
    await nobody().tokens.signIn({ idToken: several, nonce: 'n-1', installation: '' });
  });

  it.each<[string, () => string]>([
    ['for another audience', () => made({ aud: OTHER_CLIENT })],
    ['for no audience', () => made({ aud: undefined })],
    ['for two audiences without saying for whom it was issued', () => made({ aud: [CLIENT, OTHER_CLIENT] })],
    ['that was issued to another client', () => made({ aud: [CLIENT, OTHER_CLIENT], azp: OTHER_CLIENT })],
    ['of another issuer', () => made({ iss: 'https://evil.example' })],
    ['of an issuer that begins like ours', () => made({ iss: `${site.provider.issuer}/` })],
    ['that has expired', () => made({ iat: now() - 400, exp: now() - 100 })],
    ['without an end', () => made({ exp: undefined })],
    ['from half an hour ago', () => made({ iat: now() - 1_800 })],
    ['from the future', () => made({ iat: now() + 600, exp: now() + 900 })],
    ['for later', () => made({ nbf: now() + 600 })],
    ['with a nonce of somebody else', () => made({ nonce: 'n-2' })],
    ['with a nonce that is no text', () => made({ nonce: ['n-1'] })],
    ['without a subject', () => made({ sub: undefined })],
    ['that is an access token', () => made({}, { typ: 'at+jwt' })],
    ['that is not signed', () => made({}, { alg: 'none' }).replace(/[^.]*$/, '')],
    ['that says so and has a signature', () => made({}, { alg: 'none' })],
    ['with the public key as a secret', () => hmac()],
    ['with another key', () => made({}, {}, generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey)],
    ['with a key that it brings along', () => withOwnKey()],
    ['with a key of an unknown name', () => made({}, { kid: 'key-2' })],
    ['with an extension that is critical', () => made({}, { crit: ['x'], x: 1 })],
    ['with another payload', () => made().replace(/\.[^.]*\./, `.${made({ sub: 'ben' }).split('.')[1]}.`)],
    ['of ours', () => site.stack.token('admin')],
    ['that is none', () => 'x.y.z'],
  ])('is refused %s', async (_, idToken) => {
    const refusal = await nobody().refusal((t) => t.signIn({ idToken: idToken(), nonce: '', installation: '' }));
    expect(refusal).toMatchObject({ code: 16, reason: 'ID_TOKEN_REFUSED' });
    expect((await audit())[0]?.reason).toContain('ID_TOKEN_REFUSED');
  });

  function withOwnKey(): string {
    const own = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const jwk = own.publicKey.export({ format: 'jwk' });
    return made({}, { kid: 'mine', jwk, jku: 'https://evil.example/jwks' }, own.privateKey);
  }

  it.each<[string, object, string]>([
    ['a claim of numbers', { groups: [1, 2] }, 'CLAIM_REFUSED'],
    ['a claim of texts and others', { groups: ['lastcall-admins', { a: 1 }] }, 'CLAIM_REFUSED'],
    ['a claim of true', { groups: true }, 'CLAIM_REFUSED'],
    ['no claim', { groups: undefined }, 'NO_ROLE'],
    ['a claim of null', { groups: null }, 'NO_ROLE'],
    ['groups in one text', { groups: 'staff,lastcall-admins' }, 'NO_ROLE'],
    ['a group of another case', { groups: ['Lastcall-Admins'] }, 'NO_ROLE'],
    ['a subject of two lines', { sub: 'anna\nben' }, 'CLAIM_REFUSED'],
    ['a subject of nothing', { sub: '' }, 'CLAIM_REFUSED'],
    ['a subject too long', { sub: 'a'.repeat(300) }, 'CLAIM_REFUSED'],
    ['a subject that hides what it is', { sub: 'an\u202ena' }, 'CLAIM_REFUSED'],
  ])('gives nothing for %s', async (_, claims, reason) => {
    const refusal = await nobody().refusal((t) => t.signIn({ idToken: made(claims), nonce: '', installation: '' }));
    expect(refusal).toMatchObject({ code: 7, reason });
  });

  it('is refused without the nonce of the sign-in that it comes with', async () => {
    const refusal = await nobody().refusal((t) => t.signIn({ idToken: made(), nonce: 'n-1', installation: '' }));
    expect(refusal).toMatchObject({ code: 16, reason: 'ID_TOKEN_REFUSED' });
  });

  it('works once, also after the logout, however it is written', async () => {
    const idToken = made();
    const { credential } = await nobody().tokens.signIn({ idToken, nonce: '', installation: '' });
    const again = () => nobody().refusal((t) => t.signIn({ idToken, nonce: '', installation: 'berlin' }));
    expect(await again()).toMatchObject({ code: 9, reason: 'ID_TOKEN_USED' });
    await callerOn(site.stack, credential).tokens.signOut({});
    expect(await again()).toMatchObject({ code: 9, reason: 'ID_TOKEN_USED' });
    const two = made();
    const both = await Promise.allSettled(
      [1, 2].map(() => nobody().tokens.signIn({ idToken: two, nonce: '', installation: '' })),
    );
    expect(both.map((b) => b.status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('ends no credential that was made in another way, and nobody is issued one in the name of who signs in', async () => {
    const { credential } = await tokens().createToken({
      subject: 'kiosk',
      role: identityV1.Role.VIEWER,
      installation: '',
      validDays: 1,
    });
    expect(await callerOn(site.stack, credential).refusal((t) => t.signOut({}))).toMatchObject({
      code: 9,
      reason: 'NOT_SIGNED_IN',
    });
    const forged = tokens().createToken({
      subject: 'oidc:anna',
      role: identityV1.Role.ADMIN,
      installation: '',
      validDays: 1,
    });
    await expect(forged).rejects.toMatchObject({ code: 3 });
  });

  it('is bounded, and records what strangers send only so often', async () => {
    const huge = await nobody().refusal((t) => t.signIn({ idToken: 'a'.repeat(40_000), nonce: '', installation: '' }));
    expect(huge).toMatchObject({ code: 3 });
    const before = (await audit()).length;
    const calls = Array.from({ length: 150 }, () =>
      nobody().refusal((t) => t.signIn({ idToken: 'x.y.z', nonce: '', installation: '' })),
    );
    await Promise.all(calls);
    expect((await audit()).length - before).toBeLessThanOrEqual(121);
  });
});
