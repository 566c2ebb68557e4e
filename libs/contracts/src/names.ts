import { checkId, quoted, type Violation } from '@lastcall/kernel';

/*
 * Resource names of the API (AIP-122): `installations/{installation}/jobs/{job}`. A pattern names its variables; versions
 * are the only variables that are no plain ids.
 */

const VERSION = /^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?$/;

export const NAMES = {
  product: 'products/{product}',
  release: 'products/{product}/releases/{version}',
  channel: 'products/{product}/channels/{channel}',
  installation: 'installations/{installation}',
  host: 'installations/{installation}/hosts/{host}',
  job: 'installations/{installation}/jobs/{job}',
  run: 'installations/{installation}/runs/{run}',
  notificationTarget: 'installations/{installation}/notification-targets/{target}',
  report: 'installations/{installation}/reports/{report}',
  backup: 'installations/{installation}/backups/{restore_point}',
  override: 'installations/{installation}/overrides/{override}',
  restore: 'installations/{installation}/restores/{restore}',
  plan: 'installations/{installation}/plans/{run}',
  session: 'installations/{installation}/sessions/{session}',
  hold: 'installations/{installation}/holds/{hold}',
  gate: 'installations/{installation}/gate',
  approval: 'installations/{installation}/approvals/{approval}',
  approvalOfAll: 'installations/-/approvals/{approval}',
  wave: 'waves/{wave}',
  token: 'tokens/{token}',
  deadLetter: 'deadletters/{dead_letter}',
} as const;

export type NameKind = keyof typeof NAMES;

type Variables<P extends string> = P extends `${string}{${infer V}}${infer Rest}` ? V | Variables<Rest> : never;
export type NameParts<K extends NameKind> = Readonly<Record<Variables<(typeof NAMES)[K]>, string>>;

/** Semver with all three numbers; up to 160 characters. */
export function checkVersion(field: string, value: string): Violation | undefined {
  if (VERSION.test(value)) return undefined;
  return {
    field,
    description: `is ${quoted(value)}; allowed is a semantic version such as 11.1.0`,
  };
}

const RESTORE_POINT = /^[a-z0-9][a-z0-9.-]{0,127}$/;

export function checkRestorePoint(field: string, value: string): Violation | undefined {
  if (RESTORE_POINT.test(value)) return undefined;
  return { field, description: `is ${quoted(value)}, which is no restore point; see: lastcall backup list` };
}

function checkVariable(variable: string, value: string): boolean {
  if (variable === 'version') return VERSION.test(value);
  if (variable === 'restore_point') return RESTORE_POINT.test(value);
  return checkId(variable, value) === undefined;
}

export function formatName<K extends NameKind>(kind: K, parts: NameParts<K>): string {
  return NAMES[kind].replace(/\{(\w+)\}/g, (_, variable: string) => (parts as Record<string, string>)[variable] ?? '');
}

/** The variables of a name, or what is wrong with it. */
export function parseName<K extends NameKind>(
  kind: K,
  field: string,
  name: string,
): { ok: true; parts: NameParts<K> } | { ok: false; violation: Violation } {
  const pattern: string = NAMES[kind];
  const wanted = pattern.split('/');
  const found = name.split('/');
  const parts: Record<string, string> = {};
  const fits =
    wanted.length === found.length &&
    wanted.every((segment, i) => {
      const value = found[i] ?? '';
      const variable = /^\{(\w+)\}$/.exec(segment)?.[1];
      if (variable === undefined) return segment === value;
      parts[variable] = value;
      return checkVariable(variable, value);
    });
  if (fits) return { ok: true, parts: parts as NameParts<K> };
  return {
    ok: false,
    violation: { field, description: `is ${JSON.stringify(name.slice(0, 200))}; it must have the form ${pattern}` },
  };
}

/** Installation that a resource name lies in, if it does. */
export function installationOf(name: string): string | undefined {
  return /^installations\/([a-z0-9-]{1,63})(\/|$)/.exec(name)?.[1];
}
