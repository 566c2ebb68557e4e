import type { Violation } from '@lastcall/kernel';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * Where settings come from, weakest first: the JSON files of the folder LASTCALL_CONFIG_DIR in the order of their names,
 * the environment, the options of the command line. A fragment is what one source says; nothing is judged here but whether
 * it can be read.
 */

export interface Fragment {
  /** Raw values by setting. */
  readonly values: Readonly<Record<string, unknown>>;
  /** How the setting is called there: a variable, a place in a file, an option. */
  nameOf(setting: string): string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'LASTCALL_';

/** Variables of other programs of ours (the SDK, the command line, the agent, the tests) and of the reading itself. */
const OTHERS = new Set([
  'ADDR',
  'TOKEN_FILE',
  'INSTALLATION',
  'HOST',
  'FIRST_START_CODE',
  'SEAT',
  'KEYS',
  'KEYS_PASSPHRASE',
  'KEYS_NEW_PASSPHRASE',
  'AGENT_ALLOW_ROOT',
  'CONFIG_DIR',
  'REQUIRE_BACKENDS',
  'BACKENDS_CACHE',
  'IMAGE_BUILDER',
  'CLUSTER',
  'CLUSTER_LOGS',
]);

/** `fooBar` → `LASTCALL_FOO_BAR`. */
export function variableOf(setting: string): string {
  return PREFIX + setting.replace(/[A-Z]/g, '_$&').toUpperCase();
}

function settingOf(name: string): string {
  return name.toLowerCase().replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function ofOthers(name: string): boolean {
  return OTHERS.has(name) || name.startsWith('TEST_');
}

export function environmentFragment(env: Environment): Fragment {
  const values: Record<string, unknown> = {};
  for (const [variable, value] of Object.entries(env)) {
    const name = variable.startsWith(PREFIX) ? variable.slice(PREFIX.length) : '';
    // An empty variable counts as not set: that is how compose files and units clear one.
    if (name !== '' && value && !ofOthers(name)) values[settingOf(name)] = value;
  }
  return { values, nameOf: variableOf };
}

export function optionsFragment(options: Readonly<Record<string, unknown>>): Fragment {
  const values = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { values, nameOf: (setting) => `--${setting.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}` };
}

/** One fragment for each `*.json` of the folder, or what cannot be read. */
export function fileFragments(env: Environment): { fragments: Fragment[]; violations: Violation[] } {
  const dir = env[`${PREFIX}CONFIG_DIR`];
  if (!dir) return { fragments: [], violations: [] };
  const fragments: Fragment[] = [];
  const violations: Violation[] = [];
  try {
    for (const name of readdirSync(dir).toSorted()) {
      if (!name.endsWith('.json')) continue;
      const file = join(dir, name);
      const values = readObject(file);
      if (typeof values === 'string') violations.push({ field: file, description: values });
      else fragments.push({ values, nameOf: (setting) => `"${setting}" in ${file}` });
    }
  } catch (error) {
    const description = `is ${dir}, which cannot be read (${reasonOf(error)}); name a folder with JSON files or unset it`;
    violations.push({ field: `${PREFIX}CONFIG_DIR`, description });
  }
  return { fragments, violations };
}

function readObject(file: string): Readonly<Record<string, unknown>> | string {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    return 'must hold one JSON object, { "setting": value }';
  } catch (error) {
    return `cannot be read as JSON: ${reasonOf(error)}`;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
