import { isRejected, type Rejected } from '@lastcall/kernel';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { AnyServiceModule } from '../service.js';
import { readSettings, whole, type Environment, type ProcessSettings } from './index.js';

const preflight: AnyServiceModule = {
  name: 'preflight',
  settings: z.object({ factsTimeoutMs: whole(1_000, 60_000).default(15_000), strict: z.boolean().default(true) }),
  create: () => Promise.resolve({ rpc: [], consumers: {}, duties: [] }),
};

function read(env: Environment, options: Record<string, unknown> = {}): ProcessSettings {
  const settings = readSettings({ modules: [preflight], env, options });
  if (isRejected(settings)) throw new Error(settings.message);
  return settings;
}

function refused(env: Environment, options: Record<string, unknown> = {}): Rejected {
  const settings = readSettings({ modules: [preflight], env, options });
  if (!isRejected(settings)) throw new Error('accepted');
  return settings;
}

describe('readSettings', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'lastcall-settings-'))));
  afterEach(() => rmSync(dir, { recursive: true }));

  it('has defaults that run on one machine without anything set', () => {
    expect(read({}).common).toMatchObject({
      dataDir: resolve('lastcall-data'),
      identityDir: resolve('lastcall-data/identity'),
      bus: '',
      store: '',
      prefix: 'lastcall',
      grpcAddress: '127.0.0.1:7421',
      httpAddress: '127.0.0.1:7420',
      telemetry: 'off',
    });
    expect(read({}).byService).toEqual({ preflight: { factsTimeoutMs: 15_000, strict: true } });
  });

  it('takes files before defaults, environment before files, options before all', () => {
    writeFileSync(join(dir, '10-first.json'), '{ "prefix": "first", "logLevel": "debug", "factsTimeoutMs": 2000 }');
    writeFileSync(join(dir, '20-second.json'), '{ "prefix": "second" }');
    writeFileSync(join(dir, 'note.txt'), 'not a setting');
    const env = { LASTCALL_CONFIG_DIR: dir, LASTCALL_LOG_LEVEL: 'warn', LASTCALL_BUS: 'nats://a:4222' };
    const { common, byService } = read(env, { bus: 'nats://b:4222', store: undefined });
    expect(common).toMatchObject({ prefix: 'second', logLevel: 'warn', bus: 'nats://b:4222', store: '' });
    expect(byService.preflight).toMatchObject({ factsTimeoutMs: 2_000 });
  });

  it('says every mistake at once, by the name of where it stands', () => {
    writeFileSync(join(dir, 'a.json'), '{ "httpAddress": "nowhere", "colour": "red" }');
    writeFileSync(join(dir, 'b.json'), 'no json');
    const env = {
      LASTCALL_CONFIG_DIR: dir,
      LASTCALL_GRPC_ADDRES: '127.0.0.1:1',
      LASTCALL_FACTS_TIMEOUT_MS: '20',
      LASTCALL_TLS_CERT_FILE: 'cert.pem',
    };
    const { code, violations, message } = refused(env, { prefix: 'Up Per' });
    expect(code).toBe('invalid');
    expect(violations.map((v) => v.field)).toEqual([
      join(dir, 'b.json'),
      `"colour" in ${join(dir, 'a.json')}`,
      'LASTCALL_GRPC_ADDRES',
      '--prefix',
      `"httpAddress" in ${join(dir, 'a.json')}`,
      'LASTCALL_FACTS_TIMEOUT_MS',
    ]);
    for (const violation of violations) expect(message).toContain(`${violation.field} ${violation.description}`);
    expect(message).toContain('did you mean LASTCALL_GRPC_ADDRESS?');
    expect(message).toContain('must be host:port');
  });

  it('checks what belongs together', () => {
    const { violations } = refused({ LASTCALL_TLS_CERT_FILE: 'c.pem', LASTCALL_BUS_REPLICAS: '2' });
    expect(violations.map((v) => v.field)).toEqual(['LASTCALL_TLS_KEY_FILE', 'LASTCALL_BUS_REPLICAS']);
  });

  it('leaves variables of other programs alone, and takes an empty one as not set', () => {
    const others = [
      'ADDR',
      'TOKEN_FILE',
      'INSTALLATION',
      'HOST',
      'FIRST_START_CODE',
      'SEAT',
      'KEYS',
      'KEYS_PASSPHRASE',
      'KEYS_NEW_PASSPHRASE',
      'REQUIRE_BACKENDS',
      'TEST_NATS_URL',
    ];
    const env = Object.fromEntries(others.map((name) => [`LASTCALL_${name}`, 'x']));
    expect(read({ ...env, PATH: '/bin', LASTCALL_FACTS_TIMEOUT_MS: '' }).byService.preflight).toMatchObject({
      factsTimeoutMs: 15_000,
    });
  });

  it.each(['127.0.0.1', ':7421', 'a b:1', '127.0.0.1:70000', 'http://x:1'])('refuses the address %j', (grpcAddress) =>
    expect(refused({}, { grpcAddress }).violations[0]?.field).toBe('--grpc-address'),
  );
  it.each(['127.0.0.1:0', '[::1]:7421', 'lastcall.example.com:443'])('takes the address %j', (grpcAddress) =>
    expect(read({}, { grpcAddress }).common.grpcAddress).toBe(grpcAddress),
  );
  it('names a folder that is not there', () =>
    expect(refused({ LASTCALL_CONFIG_DIR: join(dir, 'gone') }).violations[0]?.field).toBe('LASTCALL_CONFIG_DIR'));
});
