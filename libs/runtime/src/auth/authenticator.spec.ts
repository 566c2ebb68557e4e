import { createManualClock, HOUR_MS, isRejected, sha256Hex } from '@lastcall/kernel';
import { SignJWT } from 'jose';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureIdentity } from '../identity/ensure-identity.js';
import { createTokenIssuer, describeCredential, type TokenIssuer } from '../identity/token-issuer.js';
import { createAuthenticator, type Authenticator } from './authenticator.js';
import { createKeySource } from './key-source.js';

const clock = createManualClock();
const host = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ed25519');
const next = generateKeyPairSync('ed25519');
const rawOf = ({ publicKey }: { publicKey: KeyObject }) =>
  Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
const [hostKey, nextKey] = [rawOf(host), rawOf(next)];
let keysOfHost: readonly Buffer[] = [hostKey];
const revoked = new Set<string>();
let dir: string;
let issuer: TokenIssuer;
let authenticator: Authenticator;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lastcall-auth-'));
  await ensureIdentity(dir, clock);
  issuer = await createTokenIssuer(join(dir, 'signing-key.pem'));
  authenticator = createAuthenticator({
    keys: await createKeySource(join(dir, 'keys.json'), clock),
    isRevoked: (token) => revoked.has(token),
    agentKeys: async (installation, name) => (installation === 'a' && name === 'srv' ? keysOfHost : []),
    clock,
  });
});
afterAll(() => rmSync(dir, { recursive: true }));

interface Claims {
  readonly sub?: string;
  readonly role?: string;
  readonly inst?: string;
  readonly iss?: string;
  readonly aud?: string;
  readonly jti?: string;
  readonly validMs?: number;
}

/** A signed token in which anything may be wrong. */
function token(key: KeyObject, kid: string | undefined, claims: Claims): Promise<string> {
  const { iss = 'lastcall', aud = 'lastcall', validMs = 300_000, ...rest } = claims;
  const iat = Math.floor(clock.now() / 1000);
  const payload = { iss, aud, iat, exp: iat + validMs / 1000, ...rest };
  return new SignJWT(payload).setProtectedHeader({ alg: 'EdDSA', ...(kid === undefined ? {} : { kid }) }).sign(key);
}

const keysIn = (folder: string) =>
  (JSON.parse(readFileSync(join(folder, 'keys.json'), 'utf8')) as { keys: { kid: string }[] }).keys;
const agent: Claims = { sub: 'a/srv', role: 'agent', inst: 'a' };
const check = (credential: string) => authenticator.authenticate(callerWith(`Bearer ${credential}`));
const callerWith = (authorization: string) => ({ authorization, certificate: () => undefined });
async function reasonFor(credential: string): Promise<string> {
  const result = await check(credential);
  return isRejected(result) ? result.reason : `accepted as ${result.role}`;
}

describe('a credential that was found good a moment ago', () => {
  const request = (validMs: number) => ({
    subject: 'mia',
    role: 'client' as const,
    installation: 'a',
    issuedAt: clock.now(),
    expiresAt: clock.now() + validMs,
  });

  it('is refused as soon as it is revoked', async () => {
    const { credential, token: record } = await issuer.issue(request(HOUR_MS));
    expect(await reasonFor(credential)).toBe('accepted as client');
    revoked.add(record.id);
    expect(await reasonFor(credential)).toBe('CREDENTIAL_REVOKED');
  });

  it('is refused as soon as it has expired', async () => {
    const { credential } = await issuer.issue(request(10_000));
    expect(await reasonFor(credential)).toBe('accepted as client');
    clock.advance(41_000);
    expect(await reasonFor(credential)).toBe('CREDENTIAL_EXPIRED');
  });

  it('does not vouch for one that resembles it, nor for ever', async () => {
    const { credential } = await issuer.issue(request(HOUR_MS));
    expect(await reasonFor(credential)).toBe('accepted as client');
    const forged = `${credential.slice(0, -8)}AAAAAAAA`;
    expect(await reasonFor(forged)).toBe('BAD_CREDENTIAL');
    // Looked at anew after a while: the key may have been withdrawn.
    clock.advance(31_000);
    expect(await reasonFor(credential)).toBe('accepted as client');
  });
});

describe('credentials that were issued', () => {
  const request = (more: object) => ({
    subject: 'mia',
    role: 'operator' as const,
    issuedAt: clock.now(),
    expiresAt: clock.now() + HOUR_MS,
    ...more,
  });

  it('are accepted with what they say', async () => {
    const { credential, token: record } = await issuer.issue(request({ installation: 'a' }));
    expect(await check(credential)).toEqual({ subject: 'mia', role: 'operator', installation: 'a', token: record.id });
    expect(describeCredential(`${credential}\n`)).toEqual(record);
  });

  it('end at their time, and when they are revoked', async () => {
    const { credential, token: record } = await issuer.issue(request({}));
    const later = await issuer.issue(request({ expiresAt: clock.now() - 31_000 }));
    expect(await reasonFor(later.credential)).toBe('CREDENTIAL_EXPIRED');
    expect(await reasonFor(credential)).toBe('accepted as operator');
    expect(authenticator.revocationOf(record.id)).toBeUndefined();
    revoked.add(record.id);
    expect(await reasonFor(credential)).toBe('CREDENTIAL_REVOKED');
    expect(authenticator.revocationOf(record.id)).toMatchObject({ reason: 'CREDENTIAL_REVOKED' });
  });

  it('are refused when anything in them was changed', async () => {
    const { credential } = await issuer.issue(request({ role: 'viewer' }));
    const [header, payload, signature] = credential.split('.');
    const claims = { ...JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()), role: 'admin' };
    const forged = Buffer.from(JSON.stringify(claims)).toString('base64url');
    expect(await reasonFor(`${header}.${forged}.${signature}`)).toBe('BAD_CREDENTIAL');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    expect(await reasonFor(`${none}.${forged}.`)).toBe('BAD_CREDENTIAL');
  });

  it('never hold the role agent, nor one that is not known', async () => {
    const { credential } = await issuer.issue(request({ role: 'agent', subject: 'a/srv' }));
    expect(await reasonFor(credential)).toBe('BAD_CREDENTIAL');
    const strange = await issuer.issue(request({ role: 'root' }));
    expect(await reasonFor(strange.credential)).toBe('BAD_CREDENTIAL');
  });

  it.each(['', 'Basic abc', 'Bearer ', 'Bearer x.y.z', `Bearer ${'a'.repeat(5_000)}`])('%j is none', async (header) =>
    expect(await authenticator.authenticate(callerWith(header))).toMatchObject({
      kind: 'rejected',
      code: 'unauthenticated',
    }),
  );

  it('are known by a new key as soon as it is in the file', async () => {
    const fresh = mkdtempSync(join(tmpdir(), 'lastcall-auth-'));
    await ensureIdentity(fresh, clock);
    const newIssuer = await createTokenIssuer(join(fresh, 'signing-key.pem'));
    const { credential } = await newIssuer.issue(request({}));
    expect(await reasonFor(credential)).toBe('BAD_CREDENTIAL');
    const keys = [dir, fresh].flatMap(keysIn);
    writeFileSync(join(dir, 'keys.json'), JSON.stringify({ keys }));
    clock.advance(6_000);
    expect(await reasonFor(credential)).toBe('accepted as operator');
    rmSync(fresh, { recursive: true });
  });
});

describe('credentials that an agent signed', () => {
  it('are accepted for that host', async () =>
    expect(await check(await token(host.privateKey, 'agent', agent))).toEqual({
      subject: 'a/srv',
      role: 'agent',
      installation: 'a',
      token: '',
      keyFingerprint: sha256Hex(hostKey),
    }));

  it('are accepted with both keys while one follows the other, and it is known which one it was', async () => {
    keysOfHost = [hostKey, nextKey];
    const credential = await token(next.privateKey, 'agent', agent);
    expect(await check(credential)).toMatchObject({ subject: 'a/srv', keyFingerprint: sha256Hex(nextKey) });
    expect(await reasonFor(await token(host.privateKey, 'agent', agent))).toBe('accepted as agent');
    expect(await reasonFor(await token(other.privateKey, 'agent', agent))).toBe('BAD_CREDENTIAL');
    keysOfHost = [nextKey];
    expect(await reasonFor(await token(host.privateKey, 'agent', agent))).toBe('BAD_CREDENTIAL');
    keysOfHost = [];
    expect(await reasonFor(credential)).toBe('BAD_CREDENTIAL');
    keysOfHost = [hostKey];
  });

  it.each<[string, Claims]>([
    ['for another role', { ...agent, role: 'admin' }],
    ['for another host', { ...agent, sub: 'a/ws1' }],
    ['for another installation', { ...agent, inst: 'b' }],
    ['without a subject', { role: 'agent' }],
    ['with a subject that leads elsewhere', { ...agent, sub: 'a/srv/x' }],
    ['for longer than ten minutes', { ...agent, validMs: HOUR_MS }],
    ['from another issuer', { ...agent, iss: 'me' }],
    ['for another audience', { ...agent, aud: 'you' }],
  ])('are refused %s', async (_, claims) =>
    expect(await reasonFor(await token(host.privateKey, 'agent', claims))).toBe('BAD_CREDENTIAL'),
  );

  it('are refused with another key, and when they pretend to be issued', async () => {
    expect(await reasonFor(await token(other.privateKey, 'agent', agent))).toBe('BAD_CREDENTIAL');
    const kid = keysIn(dir)[0]?.kid;
    const admin: Claims = { sub: 'x', role: 'admin', jti: 'j' };
    expect(await reasonFor(await token(host.privateKey, kid, admin))).toBe('BAD_CREDENTIAL');
    expect(await reasonFor(await token(host.privateKey, undefined, admin))).toBe('BAD_CREDENTIAL');
  });
});

describe('ensureIdentity', () => {
  it('keeps what is there, fills what is missing, and nobody else may read it', async () => {
    const own = mkdtempSync(join(tmpdir(), 'lastcall-identity-'));
    await Promise.all([ensureIdentity(own, clock), ensureIdentity(own, clock)]);
    const before = readFileSync(join(own, 'operator.token'), 'utf8');
    const key = readFileSync(join(own, 'signing-key.pem'), 'utf8');
    rmSync(join(own, 'session.token'));
    await ensureIdentity(own, clock);
    expect(readFileSync(join(own, 'operator.token'), 'utf8')).toBe(before);
    expect(readFileSync(join(own, 'signing-key.pem'), 'utf8')).toBe(key);
    const session = describeCredential(readFileSync(join(own, 'session.token'), 'utf8'));
    expect(session).toMatchObject({ subject: 'service:session', role: 'admin' });
    expect(statSync(join(own, 'signing-key.pem')).mode & 0o777).toBe(0o600);
    expect(statSync(own).mode & 0o777).toBe(0o700);
    rmSync(own, { recursive: true });
  });
});
