import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { replaceLink } from './links.js';
import { checkServiceName, type Platform, type RunningProcess, type RunTool, type ServiceState } from './port.js';

/* Linux: /proc, systemd, symbolic links. Snapshots are a matter of the file system (LVM, btrfs, ZFS), so none is offered. */

export function createLinux(run: RunTool): Platform {
  const control = async (verb: string, name: string, signal: AbortSignal): Promise<void> => {
    await run('systemctl', [verb, '--', checkServiceName(name)], signal);
  };
  return {
    system: 'linux',
    processes: async () => readProc('/proc'),
    service: async (name, signal) => {
      const ask = ['show', '--property=LoadState,ActiveState,MainPID', '--', checkServiceName(name)];
      return parseSystemctl(await run('systemctl', ask, signal));
    },
    startService: (name, signal) => control('start', name, signal),
    stopService: (name, signal) => control('stop', name, signal),
    pointTo: replaceLink,
    // One rename: there is nothing between.
    settleLink: async () => undefined,
    snapshot: async () => undefined,
  };
}

/** `KEY=VALUE` lines. https://www.freedesktop.org/software/systemd/man/latest/systemctl.html */
export function parseSystemctl(text: string): ServiceState {
  const found = new Map(text.split('\n').map((line) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]));
  const load = found.get('LoadState');
  if (load === undefined) throw new Error(`systemctl answered without LoadState: ${text.slice(0, 200)}`);
  if (load === 'not-found') return { kind: 'absent' };
  const pid = Number(found.get('MainPID'));
  return found.get('ActiveState') === 'active' && pid > 0 ? { kind: 'running', pid } : { kind: 'stopped' };
}

function readProc(proc: string): RunningProcess[] {
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // The name of the program is in brackets and may hold anything, brackets too.
        const stat = readFileSync(`${proc}/${name}/stat`, 'utf8');
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
        return [{ pid: Number(name), parent, executable: executableOf(`${proc}/${name}/exe`) }];
      } catch {
        return []; // Gone meanwhile.
      }
    });
}

function executableOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return ''; // Of somebody else, or of the kernel.
  }
}
