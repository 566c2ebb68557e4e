import { replaceLink } from './links.js';
import { checkServiceName, type Platform, type RunningProcess, type RunTool, type ServiceState } from './port.js';

/* macOS: ps(1), launchctl(1), tmutil(8), by their manual pages. Not run there yet. */

/** launchctl: "Could not find service" (its error 113). */
const NOT_FOUND = 113;

export function createDarwin(run: RunTool): Platform {
  return {
    system: 'darwin',
    processes: async (signal) => parsePs(await run('/bin/ps', ['-axww', '-o', 'pid=,ppid=,comm='], signal)),
    service: async (name, signal) => {
      try {
        return parseLaunchctl(await run('/bin/launchctl', ['list', checkServiceName(name)], signal));
      } catch (error) {
        if ((error as { code?: unknown }).code === NOT_FOUND) return { kind: 'absent' };
        throw error;
      }
    },
    startService: async (name, signal) => {
      await run('/bin/launchctl', ['kickstart', `system/${checkServiceName(name)}`], signal);
    },
    stopService: async (name, signal) => {
      await run('/bin/launchctl', ['kill', 'SIGTERM', `system/${checkServiceName(name)}`], signal);
    },
    pointTo: replaceLink,
    // One rename: there is nothing between.
    settleLink: async () => undefined,
    // Of all APFS volumes that Time Machine knows; it cannot be told which.
    snapshot: async (_, signal) => parseTmutil(await run('/usr/bin/tmutil', ['localsnapshot'], signal)),
  };
}

/** `  501     1 /path with blanks/program`. */
export function parsePs(text: string): readonly RunningProcess[] {
  return text.split('\n').flatMap((line) => {
    const [, pid, parent, executable = ''] = /^\s*(\d+)\s+(\d+)\s+(.+?)\s*$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), executable }];
  });
}

/** A dictionary with `"PID" = 123;` while it runs. */
export function parseLaunchctl(text: string): ServiceState {
  if (!/"Label" = /.test(text)) throw new Error(`launchctl answered without a label: ${text.slice(0, 200)}`);
  const pid = Number(/"PID" = (\d+);/.exec(text)?.[1] ?? 0);
  return pid > 0 ? { kind: 'running', pid } : { kind: 'stopped' };
}

/** The date is the name of the snapshot. */
export function parseTmutil(text: string): string {
  const [, date] = /^Created local snapshot with date: (\d{4}-\d{2}-\d{2}-\d{6})$/m.exec(text) ?? [];
  if (date === undefined) throw new Error(`tmutil made no snapshot: ${text.trim().slice(0, 200)}`);
  return date;
}
