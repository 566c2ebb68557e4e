import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LASTCALL, ROOT, startProgram } from './world/lastcall-processes.js';
import { PARENT } from './world/services.js';
import { createWorld, type World } from './world/world.js';

/*
 * Agents are followed by another version of themselves, the way an operator does it: built and published as any release, ordered with the
 * command line, and the installation is updated by the new agents then.
 */

let world: World;

beforeAll(async () => {
  world = await createWorld({ pair: 'embedded' });
}, 120_000);
afterAll(() => world.stop());

const lastcall = async (...args: string[]): Promise<{ code: number | null; lines: readonly string[] }> => {
  const child = startProgram(LASTCALL, args, {
    LASTCALL_ADDR: world.lastcall.grpcAddress,
    LASTCALL_CATALOG_URL: world.lastcall.catalogUrl,
    LASTCALL_TOKEN_FILE: world.lastcall.operatorTokenFile,
  });
  const { code } = await child.exited;
  return { code, lines: child.lines };
};

/** This agent under another number; what stands before its first line is what is wrong with it. */
async function publishAgent(version: string, prelude = ''): Promise<void> {
  const folder = join(world.dir, `agent-${version}`);
  execFileSync(process.execPath, [join(ROOT, 'tools/build-agent.mjs'), folder]);
  const edit = (file: string, change: (text: string) => string): void =>
    writeFileSync(join(folder, file), change(readFileSync(join(folder, file), 'utf8')));
  edit('lastcall.yaml', (text) => text.replace(/^version: .*$/m, `version: ${version}`));
  const numbered = (text: string) => text.replace(/AGENT_VERSION = "[^"]+"/, `AGENT_VERSION = "${version}"`);
  edit('agent/dist/main.js', (text) => `${prelude}\n${numbered(text)}`);
  expect(await lastcall('release', 'publish', folder)).toMatchObject({ code: 0 });
}

const agentVersions = async (): Promise<string[]> => {
  const { hosts } = await world.services.installer.listHosts({ parent: PARENT, pageSize: 0, pageToken: '' });
  return hosts.map(({ agentVersion, connected }) => (connected ? agentVersion : 'away'));
};

it('all of them, without disturbing anybody, and the next update of the application is theirs', async () => {
  await publishAgent('0.2.0');
  const pids = world.hosts.map(({ id }) => world.agentOf(id).pid);
  const { code, lines } = await lastcall('host', 'update-agent', '--version', '0.2.0');
  expect([code, lines.filter((line) => /^(srv|ts|desk): updated$/.test(line))]).toEqual([0, expect.anything()]);
  expect(lines.join('\n')).toMatch(/srv\s+0\.2\.0\s+updated/);
  expect(await agentVersions()).toEqual(['0.2.0', '0.2.0', '0.2.0']);
  expect(world.hosts.map(({ id }) => world.agentOf(id).pid)).toEqual(pids);
  expect(world.users.map(({ log }) => log.map(({ what }) => what))).toEqual(world.users.map(() => ['in']));
  expect((await lastcall('host', 'list')).lines.join('\n')).toContain('0.2.0 connected');
  await world.publish({ version: '1.1.0' });
  const run = await world.ended(await world.update('1.1.0'));
  expect(run.failure).toBeUndefined();
  for (const { id } of world.hosts) expect(await world.versionOn(id)).toBe('1.1.0');
});

it('not to one that ends when it starts: the command says so, and the agents go on', async () => {
  await publishAgent('0.2.1', 'process.exit(9);');
  const { code, lines } = await lastcall('host', 'update-agent', 'srv', '--version', '0.2.1');
  expect(code).toBe(1);
  expect(lines.join('\n')).toMatch(/the agent 0\.2\.1 cannot work here.*\[NEW_AGENT_FAILED\]/);
  expect(await agentVersions()).toEqual(['0.2.0', '0.2.0', '0.2.0']);
});
