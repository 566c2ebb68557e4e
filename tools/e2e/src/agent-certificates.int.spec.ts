import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1 } from '@lastcall/contracts';
import { DAY_MS } from '@lastcall/kernel';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { createClient, openChannel, toCallError, type Channel } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import {
  createCertificates,
  createTempFolder,
  findFreePorts,
  startStack,
  until,
  type CertificatePair,
  type Child,
  type Stack,
  type TempFolder,
} from '@lastcall/testkit';
import { existsSync, readdirSync } from 'node:fs';
import { readFile, readlink, rename, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { basename, join } from 'node:path';
import { createCuttableLine, type CuttableLine } from './world/cuttable-line.js';
import { AGENT, LASTCALL, ROOT, startProgram } from './world/lastcall-processes.js';
import { agrees } from './world/rotating-secret.js';
import { addInstallation, createClientToken, PARENT, runOf, servicesOn, startUpdate } from './world/services.js';
import { writeTinyRelease } from './world/tiny-product.js';

/*
 * Everything demands client certificates and there is no edge in front: hosts show their own on each line to the services, whoever has none or a
 * stranger's stays outside and reads why, and a certificate that is replaced is used by the agent that runs.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const SERVICES = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];
// Longer than what preflight wants to be left.
const long = { validUntil: Date.now() + 60 * DAY_MS };
const authority = createCertificates(long);
const ofHosts = createCertificates(long);
const ofHostsNext = createCertificates(long);
const stranger = createCertificates(long);
const NOT_REACHABLE = 5;

describe('agents where client certificates are demanded', () => {
  let folder: TempFolder;
  let stack: Stack;
  let channel: Channel;
  /** From the hosts to the services; the catalog is asked beside it. */
  let line: CuttableLine;
  const agents: Child[] = [];
  const at = (name: string): string => join(folder.path, name);

  /** Whole, as whoever renews certificates does it. */
  async function put(name: string, text: string): Promise<string> {
    await writeFile(at(`${name}.next`), text);
    await rename(at(`${name}.next`), at(name));
    return at(name);
  }
  async function putPair(name: string, { cert, key }: CertificatePair): Promise<void> {
    await put(`${name}.key`, key);
    await put(`${name}.crt`, cert);
  }

  beforeAll(async () => {
    folder = await createTempFolder('agent-certificates');
    await put('ca.crt', authority.ca);
    await put('clients.crt', authority.ca + ofHosts.ca + ofHostsNext.ca);
    await putPair('tls', authority.issue('lastcall', { moreNames: SERVICES }));
    await putPair('operator', authority.issue('operator'));
    await putPair('srv', ofHosts.issue('srv'));
    await putPair('ts', ofHosts.issue('ts'));
    await putPair('stranger', stranger.issue('srv'));
    const files = { tlsCertFile: at('tls.crt'), tlsKeyFile: at('tls.key'), tlsCaFile: at('clients.crt') };
    stack = await startStack({ modules: MODULES, settings: { ...files, tlsClientCerts: 'required', settleMs: 200 } });
    await put('operator.token', stack.token('admin'));
    channel = openChannel({
      address: stack.grpcAddress,
      credential: () => stack.token('admin'),
      tls: pair('operator'),
    });
    await publish('1.0.0');
    await addInstallation(servicesOn(channel), 300);
    await put('client.token', await createClientToken(servicesOn(channel)));
    line = await createCuttableLine(`https://${stack.grpcAddress}`);
  });
  afterAll(async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
    await line.remove();
    channel.close();
    await stack.stop();
    await folder.remove();
  });

  const pemOf = ({ cert, key }: CertificatePair) => ({ cert: Buffer.from(cert), key: Buffer.from(key) });
  const pair = (name: string) => ({ ca: Buffer.from(authority.ca), ...pemOf(authority.issue(name)) });

  async function run(file: string, ...args: readonly string[]) {
    const child = startProgram(file, args, {
      LASTCALL_ADDR: stack.grpcAddress,
      LASTCALL_CATALOG_URL: stack.httpUrl,
      LASTCALL_TOKEN_FILE: at('operator.token'),
      LASTCALL_TLS_CA_FILE: at('ca.crt'),
      LASTCALL_TLS_CERT_FILE: at('operator.crt'),
      LASTCALL_TLS_KEY_FILE: at('operator.key'),
    });
    const { code } = await child.exited;
    return { code, text: child.lines.join('\n') };
  }
  async function done(file: string, ...args: readonly string[]): Promise<void> {
    expect(await run(file, ...args)).toMatchObject({ code: 0 });
  }
  async function publish(version: string): Promise<void> {
    await done(
      LASTCALL,
      'release',
      'publish',
      await writeTinyRelease(at('releases'), { version, paddingBytes: 400_000 }),
    );
  }

  const ROLES = { srv: commonV1.HostRole.SERVER, ts: commonV1.HostRole.TERMINAL_SERVER } as const;
  type Host = keyof typeof ROLES;
  const dirOf = (host: Host): string => at(`host-${host}`);
  const shows = (name: string) => ['--tls-cert', at(`${name}.crt`), '--tls-key', at(`${name}.key`)];
  async function joins(host: Host, ...more: readonly string[]) {
    const request = { parent: PARENT, hostId: host, role: ROLES[host], validMinutes: 10 };
    const { token } = await servicesOn(channel).installer.createJoinToken(request);
    const variables = { TINY_SDK: join(ROOT, 'libs/sdk/dist/index.js'), TINY_TOKEN_FILE: at('client.token') };
    const env = Object.entries(variables).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
    const flags = ['--data', dirOf(host), '--addr', new URL(line.url).host, '--token', token, '--tls-ca', at('ca.crt')];
    return run(AGENT, 'join', ...flags, ...env, ...more);
  }
  async function start(host: Host): Promise<Child> {
    const agent = startProgram(AGENT, ['run', '--data', dirOf(host)]);
    agents.push(agent);
    await agent.until(/"connected"/);
    return agent;
  }
  const versionOn = async (host: Host): Promise<string> => basename(await readlink(join(dirOf(host), 'current')));
  async function update(version: string): Promise<void> {
    await publish(version);
    const job = `to-${version.replaceAll('.', '-')}`;
    await startUpdate(servicesOn(channel), job, version, {});
    const { outcome, failure, alarm } = await runOf(servicesOn(channel), job, 120_000);
    expect({ outcome, failure, alarm }).toEqual({
      outcome: commonV1.RunOutcome.SUCCEEDED,
      failure: undefined,
      alarm: false,
    });
    expect(await Promise.all([versionOn('srv'), versionOn('ts')])).toEqual([version, version]);
  }
  /** A line of the log of an agent that was not there before. */
  async function saysNext(agent: Child, after: number, pattern: RegExp): Promise<string> {
    const found = (): string | undefined => agent.lines.slice(after).find((text) => pattern.test(text));
    await until(async () => found() !== undefined, String(pattern), 30_000);
    return found() ?? '';
  }
  async function cutAndMend(): Promise<void> {
    await line.cut();
    await line.mend();
  }

  it('does not let a host in without one, and says what to do', async () => {
    const { code, text } = await joins('srv');
    expect(code).toBe(NOT_REACHABLE);
    expect(text).toMatch(
      /ask for a client certificate and this host showed none: give it one \(--tls-cert and --tls-key/,
    );
    expect(existsSync(join(dirOf('srv'), 'agent.json'))).toBe(false);
  });

  it('does not let a host in with one of a stranger, and names it', async () => {
    const { code, text } = await joins('srv', ...shows('stranger'));
    expect(code).toBe(NOT_REACHABLE);
    expect(text).toContain(`hang up on the certificate that this host shows (${at('stranger.crt')})`);
  });

  it.each<[string, () => string[], number, RegExp]>([
    [
      'a file that is not there',
      () => ['--tls-cert', at('none.crt'), '--tls-key', at('srv.key')],
      1,
      /\(--tls-cert, tlsCertFile\) is \S+none\.crt, which cannot be read/,
    ],
    [
      'a key of another one',
      () => ['--tls-cert', at('srv.crt'), '--tls-key', at('ts.key')],
      1,
      /\(--tls-key, tlsKeyFile\) is \S+ts\.key, which does not belong to the certificate \S+srv\.crt; renew both/,
    ],
    ['no key', () => ['--tls-cert', at('srv.crt')], 2, /give --tls-cert and --tls-key together/],
  ])('%s: the join says which, before the token is spent', async (_, flags, expected, why) => {
    const { code, text } = await joins('srv', ...flags());
    expect(code).toBe(expected);
    expect(text).toMatch(why);
  });

  it('lets hosts with their own in: they join, stage, update, and serve each other', async () => {
    const [port = 0] = await findFreePorts(1);
    expect(await joins('srv', ...shows('srv'), '--serve', `127.0.0.1:${port}`)).toMatchObject({ code: 0 });
    expect(await joins('ts', ...shows('ts'), '--peer', `127.0.0.1:${port}`)).toMatchObject({ code: 0 });
    for (const host of ['srv', 'ts'] as const) {
      await done(AGENT, 'install', '--data', dirOf(host), '--version', '1.0.0');
      await start(host);
    }
    await update('2.0.0');
    // What the serving host fetches for the others crosses the same door.
    expect(readdirSync(join(dirOf('srv'), 'served'))).toContainEqual(expect.stringMatching(/^[0-9a-f]{2}$/));
    expect(agents[0]?.lines.join('\n')).not.toContain('could not be served');
    await done(AGENT, 'rotate-key', '--data', dirOf('ts'));
  });

  it('keeps what it has while a renewal is no good, and uses the next one without a restart', async () => {
    const [srv] = agents as [Child, Child];
    let before = srv.lines.length;
    await put('srv.key', ofHostsNext.issue('srv').key);
    const said = await saysNext(srv, before, /"certificates of this host"/);
    expect(said).toMatch(
      /srv\.key, which does not belong to the certificate .*srv\.crt; renew both together; what was there before stays in use/,
    );
    before = srv.lines.length;
    await cutAndMend();
    await saysNext(srv, before, /"connected"/);

    before = srv.lines.length;
    for (const host of ['srv', 'ts']) await putPair(host, ofHostsNext.issue(host));
    await saysNext(srv, before, /"new connections use the changed certificates"/);
    // Whoever still showed the one before would stay outside from here on.
    await put('clients.crt', authority.ca + ofHostsNext.ca);
    const isOut = async () => !(await agrees(stack.grpcAddress, ofHosts, authority.ca));
    await until(isOut, 'the authority of before to be nobody', 10_000);
    const marks = agents.map(({ lines }) => lines.length);
    await cutAndMend();
    await Promise.all(agents.map((agent, i) => saysNext(agent, marks[i] ?? 0, /"connected"/)));
    await update('3.0.0');
    expect(
      agents.every((agent, i) => agent.lines.slice(marks[i]).every((text) => !text.includes('agent started'))),
    ).toBe(true);
  });

  it('stays outside with one that has expired, says so, and is back with the next one', async () => {
    const [srv] = agents as [Child, Child];
    let before = srv.lines.length;
    const end = Math.ceil(Date.now() / 1_000) * 1_000 + 12_000;
    await putPair('srv', ofHostsNext.issue('srv', { validUntil: end }));
    // Or it would be looked at with the next pulse, which may be its last.
    await cutAndMend();
    await saysNext(srv, before, /"new connections use the changed certificates"/);
    await until(async () => Date.now() > end, 'its end', 20_000);
    before = srv.lines.length;
    await cutAndMend();
    expect(await saysNext(srv, before, /has expired/)).toContain(at('srv.crt'));
    expect(await saysNext(srv, before, /hang up on the certificate/)).toMatch(/"stream lost"/);
    expect(srv.lines.slice(before).some((text) => text.includes('"connected"'))).toBe(false);
    // A start with it fails, and says the same.
    const { code, text } = await run(AGENT, 'try-out', '--data', dirOf('srv'));
    expect(code).toBe(1);
    expect(text).toMatch(/\(--tls-cert, tlsCertFile\) is \S+srv\.crt, which has expired/);
    before = srv.lines.length;
    await putPair('srv', ofHostsNext.issue('srv'));
    await saysNext(srv, before, /"connected"/);
  });

  it('does not take the certificate of a host for that of a service, whose credential alone is nothing', async () => {
    const credential = (await readFile(join(stack.identityDir, 'catalog.token'), 'utf8')).trim();
    const wild = { moreNames: ['srv.berlin.example', '*.catalog', 'catalog.example'] };
    const host = { ca: Buffer.from(authority.ca), ...pemOf(ofHostsNext.issue('catalog', wild)) };
    const stolen = openChannel({ address: stack.grpcAddress, credential: () => credential, tls: host });
    try {
      const call = createClient(catalogV1.CatalogServiceService, stolen).listProducts({ pageSize: 1, pageToken: '' });
      expect(await call.catch(toCallError)).toMatchObject({ reason: 'NO_SERVICE_CERTIFICATE' });
      const status = await new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${credential}` };
        get(`${stack.httpUrl}/tuf/timestamp.json`, { ...host, headers, agent: false }, (r) => {
          r.resume();
          resolve(r.statusCode);
        }).on('error', reject);
      });
      expect(status).toBe(401);
    } finally {
      stolen.close();
    }
  });
});
