import { main as agent } from '@lastcall/agent';
import { catalogModule } from '@lastcall/catalog';
import { installerModule } from '@lastcall/installer';
import { isRejected } from '@lastcall/kernel';
import { preflightModule } from '@lastcall/preflight';
import { readSettings } from '@lastcall/runtime';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { createTempFolder, startStack, type Stack, type TempFolder } from '@lastcall/testkit';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shown } from './bad-inputs/bad-requests.js';
import { AGENT_LINES, COMMAND_LINES } from './bad-inputs/command-lines.js';
import { CONFIG_FILES, SETTINGS } from './bad-inputs/settings.js';
import { addInstallations } from './edge-walk/two-installations.js';
import { commandLineOn, type CommandLine } from './world/command-line.js';
import { settled, versionsIn } from './world/state-files.js';

/*
 * What people type and write: command lines of both programs, settings in the environment and in files. (The manifest of a release has its
 * own table in the contracts.) Each mistake is named, and nothing is done.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];

describe('lastcall', () => {
  let stack: Stack;
  let cli: CommandLine;
  beforeAll(async () => {
    stack = await startStack({ modules: MODULES });
    await addInstallations(stack);
    await settled(stack.dataDir);
    cli = commandLineOn(stack);
  });
  afterAll(() => stack.stop());
  const stored = (): object =>
    Object.fromEntries(
      [...versionsIn(stack.dataDir)].filter(([source]) => !/\/(audit|replicas|histories)\//.test(source)),
    );

  it.each(COMMAND_LINES)('%s', async (line, says) => {
    const before = stored();
    const about = /-i |^installation |^token |^wave |^audit |^release /.test(line) ? [] : ['-i', 'one'];
    const args = line.split(' ');
    const { exitCode, err, out } = await cli.run(
      ...args,
      ...(args.length > 1 && !/^(nothing|job( nothing)?)$/.test(line) ? about : []),
    );
    expect({ exitCode, text: err + out }).toEqual({ exitCode: 2, text: expect.stringMatching(says) as string });
    expect(stored()).toEqual(before);
  });
});

describe('lastcall-agent', () => {
  let folder: TempFolder;
  const said: string[] = [];
  beforeAll(async () => {
    folder = await createTempFolder('bad-files');
    jest.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await folder.remove();
  });

  it.each(AGENT_LINES)('%s', async (line, says) => {
    said.length = 0;
    const data = join(folder.path, 'agent');
    const exitCode = await agent([...line.split(' '), ...(line.includes(' ') ? ['--data', data] : [])]);
    expect({ exitCode, text: said.join('') }).toEqual({ exitCode: 2, text: expect.stringMatching(says) as string });
    expect(existsSync(data)).toBe(false);
  });
});

describe('settings', () => {
  const refused = (env: Readonly<Record<string, string>>): readonly string[] => {
    const read = readSettings({ modules: MODULES, env });
    return isRejected(read) ? [...new Set(read.violations.map(({ field }) => field))] : ['nothing is refused'];
  };

  it.each(SETTINGS.flatMap(([variable, values]) => values.map((value) => [variable, shown(value), value] as const)))(
    '%s=%s',
    (variable, _, value) => expect(refused({ [variable]: value })).toEqual([variable]),
  );

  it('a certificate without its key, a folder that there is not, and several at once', () => {
    expect(refused({ LASTCALL_TLS_CERT_FILE: '/a' })).toEqual(['LASTCALL_TLS_KEY_FILE']);
    expect(refused({ LASTCALL_TLS_KEY_FILE: '/a' })).toEqual(['LASTCALL_TLS_CERT_FILE']);
    expect(refused({ LASTCALL_CONFIG_DIR: '/no/such/folder' })).toEqual(['LASTCALL_CONFIG_DIR']);
    expect(refused({ LASTCALL_BUS: 'x', LASTCALL_STORE: 'y', LASTCALL_PREFIX: '!' })).toHaveLength(3);
  });

  it.each(CONFIG_FILES)('a file with %s', async (_, text, names) => {
    const folder = await createTempFolder('config');
    try {
      await writeFile(join(folder.path, '10-a.json'), text);
      expect(refused({ LASTCALL_CONFIG_DIR: folder.path }).join(' ')).toMatch(names);
    } finally {
      await folder.remove();
    }
  });
});
