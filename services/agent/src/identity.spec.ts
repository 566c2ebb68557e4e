import { createPublicKey, verify } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCredential, ensureIdentity } from './identity.js';
import { AGENT_VERSION } from './version.js';

describe('the identity of a host', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-identity-'));
  const file = join(dir, 'identity.pem');
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('is made once, for its owner alone', () => {
    const first = ensureIdentity(file);
    expect(first.publicKey).toHaveLength(32);
    expect(ensureIdentity(file).publicKey).toEqual(first.publicKey);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toContain('BEGIN PRIVATE KEY');
  });

  it('signs credentials for five minutes and renews them in the last one', () => {
    let now = Date.UTC(2026, 0, 1);
    const identity = ensureIdentity(file);
    const credential = createCredential({ current: identity }, 'berlin', 'srv', () => now);
    const first = credential();
    const [header = '', claims = '', signature = ''] = first.split('.');
    const key = createPublicKey(identity.privateKey);
    expect(verify(null, Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'))).toBe(true);
    const decode = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    expect(decode(header)).toEqual({ alg: 'EdDSA', kid: 'agent', typ: 'JWT' });
    expect(decode(claims)).toMatchObject({
      iss: 'lastcall',
      aud: 'lastcall',
      sub: 'berlin/srv',
      role: 'agent',
      inst: 'berlin',
      iat: now / 1000,
      exp: now / 1000 + 300,
    });
    now += 239_000;
    expect(credential()).toBe(first);
    now += 2_000;
    expect(credential()).not.toBe(first);
  });
});

it('says the version of its package', () => {
  const { version } = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8')) as { version: string };
  expect(AGENT_VERSION).toBe(version);
});
