import { existsSync, readFileSync } from 'node:fs';
import type { AntivirusException, AntivirusFacts } from '../domain/order.js';
import { messageOf } from '../log.js';
import type { AntivirusAnswer, AntivirusProvider, DemandedExceptions } from './provider.js';

/*
 * ClamAV by the configuration of clamd (clamd.conf(5)). What counts as an exception:
 *
 * - `ExcludePath REGEX`: scans leave out what matches (POSIX extended expression; a pattern that ends in `/` is compared with a
 *   slash after the path). A folder is left out when the folder itself or everything in it matches.
 * - `OnAccessExcludePath PATH`: on-access scanning leaves out the folder and everything below. Needed as well where on-access
 *   scanning is switched on.
 * - Processes cannot be left out; they need no exception where on-access scanning is off, and cannot have one where it is on.
 */

export const CLAMD_CONF_PATHS: readonly string[] = [
  '/etc/clamav/clamd.conf',
  '/etc/clamd.d/scan.conf',
  '/etc/clamd.conf',
  '/usr/local/etc/clamav/clamd.conf',
  '/usr/local/etc/clamd.conf',
];

const CLAMD_PROGRAMS: readonly string[] = ['/usr/sbin/clamd', '/usr/bin/clamd', '/usr/local/sbin/clamd'];

export interface ClamdConfig {
  readonly excludePaths: readonly string[];
  readonly onAccessExcludePaths: readonly string[];
  /** Whether on-access scanning watches anything. */
  readonly onAccess: boolean;
}

export function createClamAvProvider(confPaths = CLAMD_CONF_PATHS, programs = CLAMD_PROGRAMS): AntivirusProvider {
  return {
    product: 'clamav',
    inspect: async (demanded) => {
      const file = confPaths.find((path) => existsSync(path));
      if (file !== undefined) return inspectFile(file, demanded);
      const program = programs.find((path) => existsSync(path));
      if (program === undefined) return { kind: 'absent' };
      return { kind: 'unknown', why: `${program} is installed and none of ${confPaths.join(', ')} exists` };
    },
  };
}

function inspectFile(file: string, demanded: DemandedExceptions): AntivirusAnswer {
  try {
    const config = parseClamdConfig(readFileSync(file, 'utf8'));
    return { kind: 'found', facts: clamAvFacts(config, demanded, file) };
  } catch (error) {
    return { kind: 'unknown', why: `${file} cannot be used: ${messageOf(error)}` };
  }
}

/** Throws with the line when clamd itself would refuse the file. */
export function parseClamdConfig(text: string): ClamdConfig {
  const excludePaths: string[] = [];
  const onAccessExcludePaths: string[] = [];
  let onAccess = false;
  text.split(/\r?\n/).forEach((raw, i) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const [, option = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
    const value = unquote(rest);
    if (option === 'Example') throw new Error(`line ${i + 1} still says Example, with which clamd does not start`);
    if (option === 'ExcludePath') excludePaths.push(demandValue(option, value, i));
    if (option === 'OnAccessExcludePath') onAccessExcludePaths.push(demandValue(option, value, i));
    if (option === 'OnAccessIncludePath' || option === 'OnAccessMountPath') onAccess = true;
  });
  return { excludePaths, onAccessExcludePaths, onAccess };
}

function unquote(text: string): string {
  const quoted = /^"(.*)"$/.exec(text.trim());
  return quoted?.[1] ?? text.trim();
}

function demandValue(option: string, value: string, index: number): string {
  if (value === '') throw new Error(`line ${index + 1}: ${option} has no value`);
  return value;
}

export function clamAvFacts(config: ClamdConfig, demanded: DemandedExceptions, source: string): AntivirusFacts {
  const patterns = config.excludePaths.map((pattern) => ({
    regex: posixToRegExp(pattern),
    slash: pattern.endsWith('/'),
  }));
  const matches = (path: string): boolean => patterns.some(({ regex, slash }) => regex.test(slash ? `${path}/` : path));
  // A name that no pattern for certain files can have been meant for.
  const folderMatches = (path: string): boolean =>
    matches(path) || (matches(`${path}/lastcall-probe`) && matches(`${path}/lastcall-probe/lastcall-probe`));
  const below = (path: string): boolean =>
    config.onAccessExcludePaths.some((p) => path === trimSlash(p) || path.startsWith(`${trimSlash(p)}/`));
  const onAccessOk = (path: string): boolean => !config.onAccess || below(path);
  const inFolder = (path: string): boolean => parents(path).some(folderMatches);
  const exception = (kind: AntivirusException['kind'], value: string, present: boolean) => ({ kind, value, present });
  return {
    product: 'clamav',
    source,
    exceptions: [
      ...demanded.folders
        .map(trimSlash)
        .map((v) => exception('folder', v, (folderMatches(v) || inFolder(v)) && onAccessOk(v))),
      ...demanded.files.map((v) => exception('file', v, (matches(v) || inFolder(v)) && onAccessOk(v))),
      ...demanded.processes.map((v) => exception('process', v, !config.onAccess)),
    ],
  };
}

function trimSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}

/** Folders above a path, without the root. */
function parents(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join('/')).filter((p) => p !== '');
}

const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: 'A-Za-z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\s',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`{-~',
  xdigit: '0-9A-Fa-f',
  print: ' -~',
  graph: '!-~',
  cntrl: '\\x00-\\x1f\\x7f',
};

/** A POSIX extended expression as one of ours. In brackets a backslash is a plain character and `[` needs no escape. */
export function posixToRegExp(pattern: string): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] ?? '';
    if (char === '\\') {
      const next = pattern[++i] ?? '\\';
      source += /[A-Za-z0-9]/.test(next) ? next : `\\${next}`;
    } else if (char === '[') {
      const end = bracketEnd(pattern, i);
      source += bracket(pattern.slice(i + 1, end));
      i = end;
    } else source += char;
  }
  return new RegExp(source);
}

function bracketEnd(pattern: string, start: number): number {
  // `]` as the first character stands for itself.
  let i = start + 1;
  if (pattern[i] === '^') i++;
  if (pattern[i] === ']') i++;
  for (; i < pattern.length; i++) {
    if (pattern.startsWith('[:', i)) i = pattern.indexOf(':]', i) + 1;
    else if (pattern[i] === ']') return i;
    if (i <= 0) break;
  }
  throw new Error(`the expression ${pattern} has an open bracket`);
}

function bracket(inside: string): string {
  const negated = inside.startsWith('^');
  const body = (negated ? inside.slice(1) : inside)
    .split(/(\[:[a-z]+:\])/)
    .map((part) => {
      const name = /^\[:([a-z]+):\]$/.exec(part)?.[1];
      if (name === undefined) return part.replace(/[\\[\]]/g, '\\$&');
      const range = POSIX_CLASSES[name];
      if (range === undefined) throw new Error(`[:${name}:] is no class of characters`);
      return range;
    })
    .join('');
  return `[${negated ? '^' : ''}${body}]`;
}
