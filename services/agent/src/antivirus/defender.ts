import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { AntivirusException, AntivirusFacts } from '../domain/order.js';
import { messageOf } from '../log.js';
import type { AntivirusAnswer, AntivirusProvider, DemandedExceptions } from './provider.js';

/*
 * Microsoft Defender, asked by its own PowerShell module. PowerShell gets a constant argument list: nothing from outside is in it.
 */

const ASK = [
  '-NoProfile',
  '-NonInteractive',
  '-Command',
  '$ErrorActionPreference="Stop"; $s=Get-MpComputerStatus; $p=Get-MpPreference; ' +
    '@{enabled=[bool]$s.AntivirusEnabled; paths=@($p.ExclusionPath); processes=@($p.ExclusionProcess)} | ConvertTo-Json -Compress',
];
const SOURCE = 'powershell Get-MpPreference';
const TIMEOUT_MS = 20_000;

/** Runs PowerShell with these arguments and answers what it wrote. */
export type RunPowerShell = (args: readonly string[], signal: AbortSignal) => Promise<string>;

const runPowerShell: RunPowerShell = async (args, signal) => {
  const options = { signal, timeout: TIMEOUT_MS, windowsHide: true, maxBuffer: 1024 * 1024 };
  return (await promisify(execFile)('powershell.exe', [...args], options)).stdout;
};

export function createDefenderProvider(platform = process.platform, run = runPowerShell): AntivirusProvider {
  return {
    product: 'defender',
    inspect: async (demanded, signal): Promise<AntivirusAnswer> => {
      if (platform !== 'win32') return { kind: 'absent' };
      try {
        const found = parseDefender(await run(ASK, signal));
        return found === 'disabled' ? { kind: 'absent' } : { kind: 'found', facts: defenderFacts(found, demanded) };
      } catch (error) {
        return { kind: 'unknown', why: `Microsoft Defender cannot be asked: ${messageOf(error)}` };
      }
    },
  };
}

export interface DefenderExclusions {
  readonly paths: readonly string[];
  readonly processes: readonly string[];
}

/** Throws when the answer says that we may not see the exclusions. */
export function parseDefender(json: string): DefenderExclusions | 'disabled' {
  const value = JSON.parse(json) as { enabled?: boolean; paths?: unknown[]; processes?: unknown[] };
  if (value.enabled !== true) return 'disabled';
  const texts = (list: unknown[] | undefined): string[] => (list ?? []).filter((v) => typeof v === 'string');
  const paths = texts(value.paths);
  const processes = texts(value.processes);
  // Without the rights of an administrator each list holds one sentence instead.
  if ([...paths, ...processes].some((v) => /^N\/A/i.test(v))) throw new Error('the agent must run as an administrator');
  return { paths, processes };
}

export function defenderFacts(found: DefenderExclusions, demanded: DemandedExceptions): AntivirusFacts {
  const excluded = (value: string): boolean => found.paths.some((p) => covers(normal(p), normal(value)));
  const isProcess = (value: string): boolean => {
    const name = normal(value).split('\\').at(-1);
    return found.processes.some((p) => normal(p) === normal(value) || normal(p) === name);
  };
  const exception = (kind: AntivirusException['kind'], value: string, present: boolean) => ({ kind, value, present });
  return {
    product: 'defender',
    source: SOURCE,
    exceptions: [
      ...demanded.folders.map((v) => exception('folder', v, excluded(v))),
      ...demanded.files.map((v) => exception('file', v, excluded(v))),
      ...demanded.processes.map((v) => exception('process', v, isProcess(v))),
    ],
  };
}

function covers(excluded: string, path: string): boolean {
  return path === excluded || path.startsWith(`${excluded}\\`);
}

/** Windows compares names without case, and both slashes are one. */
function normal(path: string): string {
  return path.replaceAll('/', '\\').replace(/\\+$/, '').toLowerCase();
}
