import { approvalV1, catalogV1, installerV1, schedulerV1, sessionV1, type Principal } from '@lastcall/contracts';
import { isRejected } from '@lastcall/kernel';
import type { RpcBinding } from '../service.js';

/*
 * What a call is about to change, for its audit record: the fields as they stand, read by the Get* of the same resource, and as they are
 * asked for. Of an Update* those that its mask names, of a Delete* all, of a Create* what it begins with; of any other call its own words
 * and the state that it found. Bounded, and without what may be a secret. Somebody else may change the same between the look and the
 * write; their own record says so.
 */

export type ReadChanges = (request: unknown, principal: Principal | undefined) => Promise<string>;

type Fields = Readonly<Record<string, unknown>>;
type Get = (request: unknown, context: object) => Promise<unknown>;

const VERB = /\/(Update|Delete|Create)?[^/]+$/;
/** By the field's name, at any depth. An address may hold a password. */
const SECRET = /secret|token|passw|credential|key|url|address|header|signature|cookie/i;
const MAX_CHARS = 4_000;
const MAX_VALUE_CHARS = 300;
/** What the record has already, or what is of no resource. */
const UNSHOWN: ReadonlySet<string> = new Set(['name', 'parent', 'reason', 'etag', 'createTime', 'updateTime']);

/** The answer is JSON, or empty. */
export function changesOf(path: string, binding: RpcBinding): ReadChanges {
  const verb = VERB.exec(path)?.[1];
  const [noun = '', get] = getterOf(path, binding) ?? [];
  return async (request, principal) => {
    if (!isFields(request)) return '';
    const before = get && verb !== 'Create' ? await read(get, request, principal) : {};
    if (verb === 'Delete') return describe(Object.keys(before), before, {});
    if (verb === 'Update') {
      const after = resourceOf(request);
      return describe(masked(request['updateMask']) ?? Object.keys(after), before, after);
    }
    const { [lowerFirst(noun)]: resource, ...words } = request;
    const after = { ...words, ...(isFields(resource) && resource) };
    const found = 'state' in before && { state: stateName(noun, before['state']) };
    return describe([...Object.keys(after), 'state'], { ...before, ...found }, after);
  };
}

/** Of the resource that the method's name ends with, of a Job for `EnableJob`; never the method itself, which may show a secret once. */
function getterOf(path: string, { definition, handlers }: RpcBinding): readonly [string, Get] | undefined {
  const nouns = Object.entries(definition).flatMap(([key, method]) => {
    const noun = /\/Get([^/]+)$/.exec(method.path)?.[1];
    return noun !== undefined && path.endsWith(noun) && path !== method.path
      ? [[noun, handlers[key] as Get] as const]
      : [];
  });
  return nouns.toSorted(([a], [b]) => b.length - a.length)[0];
}

/** `DISABLED` of a Job's 2: the record is read by people, and long after. */
function stateName(noun: string, state: unknown): unknown {
  const enums = [approvalV1, catalogV1, installerV1, schedulerV1, sessionV1].map((all: Fields) => all[`${noun}State`]);
  const names = enums.find(isFields);
  return names?.[String(state)] ?? state;
}

const lowerFirst = (word: string): string => word.slice(0, 1).toLowerCase() + word.slice(1);

async function read(get: Get, request: Fields, principal: Principal | undefined): Promise<Fields> {
  const { name, parent } = { ...resourceOf(request), ...request };
  const about = { name, parent };
  try {
    const answer = await get(about, { principal, signal: new AbortController().signal, peer: '' });
    return isFields(answer) && !isRejected(answer) ? resourceOf(answer) : {};
  } catch {
    // The call itself meets the same and says it better.
    return {};
  }
}

/** The message inside a message: the job of a request about a job. */
function resourceOf(message: Fields): Fields {
  return Object.values(message).find(isFields) ?? {};
}

/** `reaction_time` → `reactionTime`; undefined when all is meant. */
function masked(mask: unknown): readonly string[] | undefined {
  if (!Array.isArray(mask) || mask.length === 0) return undefined;
  const heads = mask.map((path) => String(path).split('.')[0] ?? '');
  return [...new Set(heads.map((head) => head.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())))];
}

function describe(names: readonly string[], before: Fields, after: Fields): string {
  const lines: string[] = [];
  let chars = 2;
  for (const name of names) {
    const [was, is] = [shown(name, before[name]), shown(name, after[name])];
    if (UNSHOWN.has(name) || (was === is && !(was && SECRET.test(name)))) continue;
    const sides = [was && `"before":${was}`, is && `"after":${is}`].filter((side) => side);
    const line = `${JSON.stringify(name.slice(0, 100).toWellFormed())}:{${sides.join(',')}}`;
    chars += line.length + 1;
    if (chars > MAX_CHARS) break;
    lines.push(line);
  }
  return lines.length === 0 ? '' : `{${lines.join(',')}}`;
}

/** JSON of a value; empty for what is not there, and for what a field has when nobody has set it. */
function shown(name: string, value: unknown): string {
  if (value === undefined || value === null || value === '' || value === false || value === 0) return '';
  if (Array.isArray(value) && value.length === 0) return '';
  if (SECRET.test(name)) return '"(not shown)"';
  const json = JSON.stringify(value, (key, inner: unknown) => plain(key, inner)) ?? '';
  if (json.length <= MAX_VALUE_CHARS) return json;
  return JSON.stringify(`${json.slice(0, MAX_VALUE_CHARS).toWellFormed()}…`);
}

function plain(key: string, value: unknown): unknown {
  if (SECRET.test(key)) return '(not shown)';
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Uint8Array || Buffer.isBuffer(value) ? '(bytes)' : value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
