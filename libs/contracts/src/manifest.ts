import type { HostRole } from '@lastcall/kernel';
import { Ajv, type ErrorObject } from 'ajv';
import { isMap, isNode, LineCounter, parseDocument, type Document } from 'yaml';
import schema from './lastcall.schema.json';
import { checkManifest } from './manifest-rules.js';
import type { CommandName, ManifestProblem, ParsedManifest, ReleaseManifest, RoleCommands } from './manifest-shape.js';

/*
 * The release manifest `lastcall.yaml` (design, section 10) as a value. Owns its form: the JSON Schema beside this file
 * says what may be written, `manifest-rules.ts` what the schema language cannot say. Refuses everything else with line, path and rule, all
 * mistakes at once; whoever holds a ReleaseManifest need not check it again.
 *
 * A door of its own (`@lastcall/contracts/manifest`): applications that embed the SDK carry neither YAML nor a schema engine.
 */

/** Bytes; a manifest is written by a person. */
export const MANIFEST_MAX_BYTES = 256 * 1024;

/** Time limit of a command that names none. */
export const DEFAULT_TIMEOUT_MS: Readonly<Record<CommandName, number>> = {
  stop: 60_000,
  start: 60_000,
  health: 60_000,
  migrate: 600_000,
  firstStart: 120_000,
  backup: 1_800_000,
  restore: 1_800_000,
  verifyBackup: 600_000,
};

/** Time limit of a check that names none. */
const DEFAULT_CHECK_TIMEOUT_MS = 5_000;
/** Time limit of an action that names none. */
const DEFAULT_ACTION_TIMEOUT_MS = 600_000;

export type * from './manifest-shape.js';

type Path = readonly (string | number)[];

const validate = (() => {
  let compiled: ReturnType<Ajv['compile']> | undefined;
  // Whether our own schema is one is asked by a test: asking here would be a third of the time.
  const options = { allErrors: true, verbose: false, validateSchema: false, meta: false };
  return () => (compiled ??= new Ajv(options).compile(schema));
})();

/** Reads a manifest; with every mistake when it is none. */
export function parseManifest(text: string): ParsedManifest {
  if (Buffer.byteLength(text) > MANIFEST_MAX_BYTES) {
    return refuse([{ line: 1, path: '', rule: `is larger than ${MANIFEST_MAX_BYTES} bytes` }]);
  }
  const lines = new LineCounter();
  // Aliases are refused: a few of them can stand for gigabytes.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true });
  if (document.errors.length > 0) {
    return refuse(
      document.errors.map((e) => ({
        line: lines.linePos(e.pos[0]).line,
        path: '',
        rule: e.message.split('\n')[0] ?? '',
      })),
    );
  }
  const lineOf = (path: Path): number => lineAt(document, lines, path);
  const value = toPlain(document);
  if (value === undefined) return refuse([{ line: 1, path: '', rule: 'uses aliases (&, *); write the values out' }]);
  const check = validate();
  if (!check(value)) return refuse(schemaProblems(check.errors ?? [], lineOf));
  const manifest = toManifest(value as WrittenManifest);
  const problems = checkManifest(manifest).map((p) => ({ line: lineOf(p.path), path: pathText(p.path), rule: p.rule }));
  return problems.length > 0 ? refuse(problems) : { ok: true, manifest };
}

function refuse(problems: readonly ManifestProblem[]): ParsedManifest {
  return { ok: false, problems: [...problems].sort((a, b) => a.line - b.line) };
}

function toPlain(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch {
    // The only way in which a document without errors cannot become a value; the caller says it in our words.
    return undefined;
  }
}

/** Line of the value at the path, or of the nearest thing above it that was written. */
function lineAt(document: Document, lines: LineCounter, path: Path): number {
  for (let length = path.length; length > 0; length--) {
    const key = path[length - 1];
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const pair = isMap(parent) ? parent.items.find((p) => isNode(p.key) && p.key.toJSON() === key) : undefined;
    const node = pair && isNode(pair.key) ? pair.key : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function pathText(path: Path): string {
  return path.map((p, i) => (typeof p === 'number' ? `[${p}]` : i === 0 ? p : `.${p}`)).join('');
}

function pointerToPath(pointer: string): Path {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part.replaceAll('~1', '/').replaceAll('~0', '~')));
}

function schemaProblems(errors: readonly ErrorObject[], lineOf: (path: Path) => number): ManifestProblem[] {
  // What `oneOf` adds to the mistakes of its branches says nothing that a person can use.
  const told = errors.filter((e) => !(e.keyword === 'required' && e.schemaPath.includes('/oneOf/')));
  return told.map((error) => {
    const params = error.params as Record<string, unknown>;
    const unknown = params['additionalProperty'];
    const path = [...pointerToPath(error.instancePath), ...(typeof unknown === 'string' ? [unknown] : [])];
    return { line: lineOf(path), path: pathText(path), rule: ruleText(error, params) };
  });
}

function ruleText(error: ErrorObject, params: Record<string, unknown>): string {
  switch (error.keyword) {
    case 'additionalProperties':
      return 'is not a field of the manifest; remove it or correct its name';
    case 'required':
      return `lacks the field ${JSON.stringify(params['missingProperty'])}`;
    case 'enum':
      return `must be one of ${(params['allowedValues'] as readonly unknown[]).join(', ')}`;
    case 'oneOf':
      return 'must have exactly one of run and http';
    case 'pattern':
      return `must match ${String(params['pattern'])}`;
    default:
      return error.message ?? error.keyword;
  }
}

interface WrittenCommand {
  run?: string[];
  http?: string;
  timeout?: string;
}
interface WrittenManifest {
  product: string;
  version: string;
  title: string;
  notes?: string;
  updatesFrom?: { oldest?: string; required?: string[] };
  artifacts: { role: HostRole; platform?: string; directory: string }[];
  requires?: {
    os?: { name: string; version?: string }[];
    cpus?: number;
    memory?: string;
    stageFree?: string;
    backupFree?: string;
    ports?: number[];
    agent?: string;
    data?: string;
  };
  antivirus?: { folders?: string[]; files?: string[]; processes?: string[] };
  checks?: { id: string; role: HostRole; asks: string; run: string[]; timeout?: string; remedy: string }[];
  actions?: { id: string; title: string; role: HostRole; run: string[]; timeout?: string }[];
  commands: Partial<Record<HostRole, Partial<Record<CommandName, WrittenCommand>>>>;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const UNIT_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** A number and its unit; the schema has checked the form. */
function measure(text: string | undefined, units: Readonly<Record<string, number>>, absent: number): number {
  const match = /^(\d+) ?([a-zA-Z]+)$/.exec(text ?? '');
  return match ? Number(match[1]) * (units[match[2] ?? ''] ?? 1) : absent;
}

function toCommands(written: Partial<Record<CommandName, WrittenCommand>>): RoleCommands {
  const entries = (Object.keys(written) as CommandName[]).map((name) => {
    const command = written[name] ?? {};
    const timeoutMs = measure(command.timeout, UNIT_MS, DEFAULT_TIMEOUT_MS[name]);
    return [
      name,
      command.http === undefined ? { run: command.run ?? [], timeoutMs } : { http: command.http, timeoutMs },
    ];
  });
  return Object.fromEntries(entries) as RoleCommands;
}

function toManifest(w: WrittenManifest): ReleaseManifest {
  return {
    product: w.product,
    version: w.version,
    title: w.title,
    notes: w.notes ?? '',
    updatesFrom: { oldest: w.updatesFrom?.oldest ?? '', required: w.updatesFrom?.required ?? [] },
    artifacts: w.artifacts.map((a) => ({ role: a.role, platform: a.platform ?? 'any', directory: a.directory })),
    requires: {
      os: (w.requires?.os ?? []).map((os) => ({ name: os.name, version: os.version ?? '' })),
      cpus: w.requires?.cpus ?? 0,
      memoryBytes: measure(w.requires?.memory, UNIT_BYTES, 0),
      stageFreeBytes: measure(w.requires?.stageFree, UNIT_BYTES, 0),
      backupFreeBytes: measure(w.requires?.backupFree, UNIT_BYTES, 0),
      ports: w.requires?.ports ?? [],
      agentVersion: w.requires?.agent ?? '',
      dataVersion: w.requires?.data ?? '',
    },
    antivirus: {
      folders: w.antivirus?.folders ?? [],
      files: w.antivirus?.files ?? [],
      processes: w.antivirus?.processes ?? [],
    },
    ...(w.checks && {
      checks: w.checks.map(({ timeout, ...check }) => ({
        ...check,
        timeoutMs: measure(timeout, UNIT_MS, DEFAULT_CHECK_TIMEOUT_MS),
      })),
    }),
    ...(w.actions && {
      actions: w.actions.map(({ timeout, ...action }) => ({
        ...action,
        timeoutMs: measure(timeout, UNIT_MS, DEFAULT_ACTION_TIMEOUT_MS),
      })),
    }),
    commands: Object.fromEntries(Object.entries(w.commands).map(([role, commands]) => [role, toCommands(commands)])),
  };
}
