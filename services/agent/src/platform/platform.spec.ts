import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPlatform } from './platform.js';
import { checkServiceName, type Platform, type RunTool } from './port.js';

/*
 * The contract of the port, on each system. Linux is the real one. Windows and macOS get outputs as their vendors' documentation shows them: what
 * is proven is that those are read right, and what the tools are asked; not that the tools answer so.
 */

const { signal } = new AbortController();
const SYSTEMS = ['linux', 'darwin', 'win32'] as const;
type System = (typeof SYSTEMS)[number];

const fail = (code: number): never => {
  throw Object.assign(new Error(`ended with ${code}`), { code });
};

/** What each tool answers, by what it is asked about. */
const OUTPUTS: Readonly<Record<System, Readonly<Record<string, string | (() => never)>>>> = {
  linux: {
    running: 'LoadState=loaded\nActiveState=active\nMainPID=812\n',
    stopped: 'LoadState=loaded\nActiveState=inactive\nMainPID=0\n',
    absent: 'LoadState=not-found\nActiveState=inactive\nMainPID=0\n',
  },
  darwin: {
    processes:
      '    1     0 /sbin/launchd\n  812     1 /Applications/Encore Server.app/Contents/MacOS/encore\n  900   812 -zsh\n',
    running:
      '{\n\t"LimitLoadToSessionType" = "System";\n\t"Label" = "running";\n\t"LastExitStatus" = 0;\n\t"PID" = 812;\n\t"Program" = "/usr/local/bin/lastcall-agent";\n};\n',
    stopped: '{\n\t"LimitLoadToSessionType" = "System";\n\t"Label" = "stopped";\n\t"LastExitStatus" = 15;\n};\n',
    absent: () => fail(113),
    snapshot:
      'NOTE: local snapshots are considered purgeable and may be removed at any time by deleted(8).\nCreated local snapshot with date: 2026-11-29-093015\n',
  },
  win32: {
    processes:
      '\ufeff[{"ProcessId":4,"ParentProcessId":0,"ExecutablePath":null},{"ProcessId":812,"ParentProcessId":4,"ExecutablePath":"C:\\\\Program Files\\\\Encore\\\\encore.exe"}]\r\n',
    running: '{"State":"Running","ProcessId":812}\r\n',
    stopped: '[{"State":"Stopped","ProcessId":0}]\r\n',
    absent: '\r\n',
    snapshot: '{"ReturnValue":0,"ShadowID":"{A5CDBFC1-1C7D-4C7E-8C2C-5E2C7B6B9E0F}"}\r\n',
  },
};

interface Asked {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>> | undefined;
}

function on(system: System): { platform: Platform; asked: Asked[] } {
  const asked: Asked[] = [];
  const run: RunTool = async (program, args, _, env) => {
    asked.push({ program, args, env });
    const about = env?.['LASTCALL_SERVICE'] ?? args.find((arg) => arg in OUTPUTS[system]) ?? topicOf(args.join(' '));
    const output = OUTPUTS[system][about] ?? '';
    return typeof output === 'string' ? output : output();
  };
  return { platform: createPlatform(system, run), asked };
}

const topicOf = (line: string): string => (/ShadowCopy|localsnapshot/.test(line) ? 'snapshot' : 'processes');

describe.each(SYSTEMS)('the port on %s', (system) => {
  const mine = createPlatform('linux');

  it('sees processes with their parents', async () => {
    const found = await (system === 'linux' ? mine : on(system).platform).processes(signal);
    const [pid, parent] = system === 'linux' ? [process.pid, process.ppid] : [812, system === 'darwin' ? 1 : 4];
    const executable = system === 'linux' ? process.execPath : system === 'darwin' ? '/Applications/Encore Server.app/Contents/MacOS/encore' : 'C:\\Program Files\\Encore\\encore.exe'; // prettier-ignore
    expect(found.find((p) => p.pid === pid)).toEqual({ pid, parent, executable: expect.stringContaining(executable.split('/').at(-1) ?? '') }); // prettier-ignore
    expect(found.every((p) => Number.isInteger(p.pid) && Number.isInteger(p.parent))).toBe(true);
  });

  it('knows whether a service runs, stands still, or is not there', async () => {
    const { platform } = on(system);
    expect(await platform.service('running', signal)).toEqual({ kind: 'running', pid: 812 });
    expect(await platform.service('stopped', signal)).toEqual({ kind: 'stopped' });
    expect(await platform.service('absent', signal)).toEqual({ kind: 'absent' });
  });

  it('starts and stops a service, and lets no name be anything else', async () => {
    const { platform, asked } = on(system);
    await platform.startService('running', signal);
    await platform.stopService('running', signal);
    expect(asked).toHaveLength(2);
    for (const { args, env } of asked)
      expect(`${args.join(' ')} ${env?.['LASTCALL_SERVICE'] ?? ''}`).toMatch(/running $|running$/);
    for (const name of ['', '-x', 'a b', 'a;b', '$(x)', 'a"b', '../a', 'x'.repeat(101)]) {
      await expect(platform.service(name, signal)).rejects.toThrow('is no name of a service');
      await expect(platform.stopService(name, signal)).rejects.toThrow('is no name of a service');
      expect(() => checkServiceName(name)).toThrow();
    }
    expect(asked).toHaveLength(2);
  });

  it('makes a picture of a volume, or says that it has none', async () => {
    const name = await on(system).platform.snapshot('C:\\', signal);
    expect(name).toBe({ linux: undefined, darwin: '2026-11-29-093015', win32: '{A5CDBFC1-1C7D-4C7E-8C2C-5E2C7B6B9E0F}' }[system]); // prettier-ignore
  });

  describe('leads a link', () => {
    let dir: string;
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'lastcall-links-'));
      for (const version of ['1', '2']) {
        mkdirSync(join(dir, 'versions', version), { recursive: true });
        writeFileSync(join(dir, 'versions', version, 'VERSION'), version);
      }
    });
    afterEach(() => rmSync(dir, { recursive: true }));
    const lead = (version: string): Promise<void> => on(system).platform.pointTo(join(dir, 'current'), join(dir, 'versions', version)); // prettier-ignore
    const found = (): string => readFileSync(join(dir, 'current', 'VERSION'), 'utf8');

    it('to a folder and on to another, and leaves nothing beside it', async () => {
      await lead('1');
      expect(found()).toBe('1');
      await lead('2');
      await lead('2');
      expect(found()).toBe('2');
      expect(() => readlinkSync(join(dir, 'current.next'))).toThrow();
      expect(() => readlinkSync(join(dir, 'current.before'))).toThrow();
      expect(readFileSync(join(dir, 'versions', '1', 'VERSION'), 'utf8')).toBe('1');
    });

    it('also after it was broken off at any point', async () => {
      await lead('1');
      symlinkSync(join(dir, 'versions', '2'), join(dir, 'current.next'));
      await lead('2');
      expect(found()).toBe('2');
      await on(system).platform.settleLink(join(dir, 'current'));
      expect(found()).toBe('2');
      if (system !== 'win32') return;
      // Between its two renames, and after them.
      renameSync(join(dir, 'current'), join(dir, 'current.before'));
      expect(found).toThrow();
      await on(system).platform.settleLink(join(dir, 'current'));
      expect(found()).toBe('2');
      renameSync(join(dir, 'current'), join(dir, 'current.before'));
      await lead('1');
      expect(found()).toBe('1');
      symlinkSync(join(dir, 'versions', '2'), join(dir, 'current.before'));
      await lead('1');
      expect(found()).toBe('1');
      expect(() => readlinkSync(join(dir, 'current.before'))).toThrow();
    });
  });
});

describe('answers that say no', () => {
  const answering = (system: System, output: string): Platform => createPlatform(system, async () => output);
  it.each<[System, string, string]>([
    ['win32', '{"ReturnValue":1,"ShadowID":""}', 'administrator'],
    ['win32', '{"ReturnValue":6,"ShadowID":""}', 'not enough room'],
    ['win32', '{"ReturnValue":77,"ShadowID":""}', 'return value 77'],
    ['win32', '', 'return value -1'],
    ['darwin', 'tmutil: localsnapshot failed', 'made no snapshot'],
  ])('of a snapshot on %s: %s', async (system, output, words) => {
    await expect(answering(system, output).snapshot('C:\\', signal)).rejects.toThrow(words);
  });

  it.each<[System, string]>([
    ['linux', 'System has not been booted with systemd as init system'],
    ['darwin', 'Usage: launchctl <subcommand>'],
    ['win32', 'not JSON'],
  ])('of a service on %s are no state', async (system, output) => {
    await expect(answering(system, output).service('x', signal)).rejects.toThrow();
  });

  it('a volume of Windows is a letter', async () => {
    await expect(answering('win32', '{}').snapshot('/data', signal)).rejects.toThrow('is no volume');
  });
});
