import { Defect, reject, type Rejected, type Violation } from '@lastcall/kernel';
import type { ServiceName } from '@lastcall/contracts';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { AnyServiceModule } from '../service.js';
import { checkTogether, commonSettings, type CommonSettings } from './common-settings.js';
import { environmentFragment, fileFragments, optionsFragment, type Environment, type Fragment } from './fragments.js';

/*
 * Fragments → one validated value. Everything that is wrong is said at once; each mistake names where it stands, what is
 * allowed and what to do. Nothing starts on settings that somebody misspelt.
 */

export interface ProcessSettings {
  readonly common: CommonSettings;
  readonly byService: Readonly<Partial<Record<ServiceName, object>>>;
}

/** With those of the program that hosts the services. */
export interface ProgramSettings<P> extends ProcessSettings {
  readonly program: P;
}

export interface SettingsInput<P = object> {
  readonly modules: readonly AnyServiceModule[];
  /** Of the program beyond those of its services; a z.object. Default: it has none. */
  readonly program?: z.ZodType<P>;
  /** Default: the process's. */
  readonly env?: Environment;
  /** Of the command line, camelCase; undefined ones were not given. */
  readonly options?: Readonly<Record<string, unknown>>;
}

type Shape = Readonly<Record<string, z.ZodType>>;

export function readSettings<P = object>(input: SettingsInput<P>): ProgramSettings<P> | Rejected {
  const env = input.env ?? process.env;
  const files = fileFragments(env);
  const fragments = [...files.fragments, environmentFragment(env), optionsFragment(input.options ?? {})];
  const own: z.ZodType = input.program ?? z.object({});
  const shapes = [
    commonSettings.shape,
    shapeOf(own, 'the program'),
    ...input.modules.map((m) => shapeOf(m.settings, m.name)),
  ];
  const known = new Set(shapes.flatMap((shape) => Object.keys(shape)));
  const violations = [...files.violations, ...unknownSettings(fragments, known)];
  const raw = merge(fragments);
  const common = parse(commonSettings, raw, fragments, violations);
  const byService = Object.fromEntries(
    input.modules.map((module) => [module.name, parse(module.settings, raw, fragments, violations) ?? {}]),
  );
  const program = parse(own, raw, fragments, violations) as P;
  if (common) {
    for (const { setting, message } of checkTogether(common)) {
      violations.push({ field: nameIn(fragments, setting), description: message });
    }
  }
  if (violations.length > 0 || !common) return wrongSettings(violations);
  return { common: withPaths(common), byService, program };
}

function shapeOf(settings: z.ZodType, whose: string): Shape {
  if (settings instanceof z.ZodObject) return settings.shape;
  throw new Defect(`the settings of ${whose} must be a z.object, so that their names are known`);
}

function merge(fragments: readonly Fragment[]): Readonly<Record<string, unknown>> {
  return Object.assign({}, ...fragments.map((f) => f.values)) as Record<string, unknown>;
}

function unknownSettings(fragments: readonly Fragment[], known: ReadonlySet<string>): Violation[] {
  return fragments.flatMap((fragment) =>
    Object.keys(fragment.values)
      .filter((setting) => !known.has(setting))
      .map((setting) => ({
        field: fragment.nameOf(setting),
        description: `is no setting of this program${suggestion(fragment, setting, known)}; correct or remove it`,
      })),
  );
}

/** A known name that differs in a letter or two. */
function suggestion(fragment: Fragment, setting: string, known: ReadonlySet<string>): string {
  const near = [...known].find((name) => distance(name.toLowerCase(), setting.toLowerCase()) <= 2);
  return near === undefined ? '' : ` (did you mean ${fragment.nameOf(near)}?)`;
}

/** Levenshtein. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, char] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (char === other ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function parse<T>(
  schema: z.ZodType<T>,
  raw: Readonly<Record<string, unknown>>,
  fragments: readonly Fragment[],
  violations: Violation[],
): T | undefined {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const setting = String(issue.path[0] ?? '');
    const value = raw[setting];
    const found = value === undefined ? 'is not set' : `is ${JSON.stringify(value).slice(0, 200)}`;
    const violation = { field: nameIn(fragments, setting), description: `${found}: ${issue.message}` };
    // Two services may share a setting; one mistake is said once.
    if (!violations.some((v) => v.field === violation.field && v.description === violation.description)) {
      violations.push(violation);
    }
  }
  return undefined;
}

/** How the setting is called where its value came from; the variable when it came from nowhere. */
function nameIn(fragments: readonly Fragment[], setting: string): string {
  const source = fragments.findLast((f) => Object.hasOwn(f.values, setting));
  return (source ?? environmentFragment({})).nameOf(setting);
}

function wrongSettings(violations: readonly Violation[]): Rejected {
  const lines = violations.map((v) => `  ${v.field} ${v.description}`);
  const count = violations.length === 1 ? 'one setting is' : `${violations.length} settings are`;
  return reject('invalid', 'WRONG_SETTINGS', `Lastcall does not start: ${count} wrong.\n${lines.join('\n')}`, {
    violations,
  });
}

function withPaths(common: CommonSettings): CommonSettings {
  const dataDir = resolve(common.dataDir);
  return { ...common, dataDir, identityDir: common.identityDir ? resolve(common.identityDir) : `${dataDir}/identity` };
}
