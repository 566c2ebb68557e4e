import { replaceJunction, settleJunction } from './links.js';
import { checkServiceName, type Platform, type RunningProcess, type RunTool, type ServiceState } from './port.js';

/*
 * Windows: CIM classes by PowerShell, whose answers do not depend on the language of the system, and junctions. By Microsoft's documentation of
 * Win32_Process, Win32_Service and Win32_ShadowCopy. Not run there yet. Scripts are constant; names come in the environment.
 */

const STRICT = '$ErrorActionPreference="Stop"; [Console]::OutputEncoding=[Text.Encoding]::UTF8; ';
const PROCESSES =
  '@(Get-CimInstance Win32_Process | Select-Object ProcessId,ParentProcessId,ExecutablePath) | ConvertTo-Json -Compress';
const SERVICE =
  '@(Get-CimInstance Win32_Service | Where-Object Name -eq $env:LASTCALL_SERVICE | Select-Object State,ProcessId) | ConvertTo-Json -Compress';
const START = 'Start-Service -Name $env:LASTCALL_SERVICE';
const STOP = 'Stop-Service -Name $env:LASTCALL_SERVICE';
const SNAPSHOT =
  'Invoke-CimMethod -ClassName Win32_ShadowCopy -MethodName Create ' +
  '-Arguments @{Volume=$env:LASTCALL_VOLUME; Context="ClientAccessible"} | Select-Object ReturnValue,ShadowID | ConvertTo-Json -Compress';

export function createWindows(run: RunTool): Platform {
  const ask = (script: string, signal: AbortSignal, env: Readonly<Record<string, string>> = {}): Promise<string> =>
    run('powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', STRICT + script], signal, env);
  const named = (name: string) => ({ LASTCALL_SERVICE: checkServiceName(name) });
  return {
    system: 'win32',
    processes: async (signal) => parseProcesses(await ask(PROCESSES, signal)),
    service: async (name, signal) => parseService(await ask(SERVICE, signal, named(name))),
    startService: async (name, signal) => void (await ask(START, signal, named(name))),
    stopService: async (name, signal) => void (await ask(STOP, signal, named(name))),
    pointTo: replaceJunction,
    settleLink: settleJunction,
    snapshot: async (volume, signal) => {
      if (!/^[A-Za-z]:\\$/.test(volume)) throw new Error(`${volume} is no volume; write it like C:\\`);
      return parseShadowCopy(await ask(SNAPSHOT, signal, { LASTCALL_VOLUME: volume }));
    },
  };
}

/** PowerShell 5 writes a list of one as the thing itself, and nothing for an empty one. */
function listOf(json: string): readonly Readonly<Record<string, unknown>>[] {
  const text = json.replace(/^\ufeff/, '').trim();
  if (text === '') return [];
  const value: unknown = JSON.parse(text);
  return (Array.isArray(value) ? value : [value]) as readonly Readonly<Record<string, unknown>>[];
}

export function parseProcesses(json: string): readonly RunningProcess[] {
  return listOf(json).map(({ ProcessId, ParentProcessId, ExecutablePath }) => ({
    pid: Number(ProcessId),
    parent: Number(ParentProcessId),
    executable: typeof ExecutablePath === 'string' ? ExecutablePath : '',
  }));
}

export function parseService(json: string): ServiceState {
  const [found] = listOf(json);
  if (!found) return { kind: 'absent' };
  const pid = Number(found['ProcessId']);
  return found['State'] === 'Running' && pid > 0 ? { kind: 'running', pid } : { kind: 'stopped' };
}

/** Return values of Win32_ShadowCopy.Create. */
const REFUSALS: Readonly<Record<number, string>> = {
  1: 'access is denied; the agent must run as an administrator',
  2: 'an argument is wrong',
  3: 'the volume was not found',
  4: 'the volume cannot be pictured',
  5: 'this kind of picture is not supported',
  6: 'there is not enough room',
  7: 'the volume is in use',
  8: 'there are too many pictures already',
  9: 'another one is being made',
  10: 'a provider has refused',
  11: 'no provider is registered',
  12: 'the provider failed',
};

export function parseShadowCopy(json: string): string {
  const [found] = listOf(json);
  const code = Number(found?.['ReturnValue'] ?? -1);
  if (code === 0 && typeof found?.['ShadowID'] === 'string') return found['ShadowID'];
  throw new Error(`no shadow copy was made: ${REFUSALS[code] ?? `return value ${code}`}`);
}
