import type { Principal } from '@lastcall/contracts';
import { isRejected } from '@lastcall/kernel';
import type { RpcBinding } from '../service.js';

/*
 * What an Update* or Delete* is about to change, for its audit record: the fields as they stand, read by the Get* of the same resource,
 * and as they are asked for. Bounded, and without what may be a secret. Somebody else may change the same between the look and
 * the write; their own record says so.
 */

export type ReadChanges = (request: unknown, principal: Principal | undefined) => Promise<string>;

type Fields = Readonly<Record<string, unknown>>;
type Get = (request: unknown, context: object) => Promise<unknown>;

const WRITES = /\/(Update|Delete)([^/]+)$/;
/** By the field's name, at any depth. An address may hold a password. */
const SECRET = /secret|token|passw|credential|key|url|address|header|signature|cookie/i;
const MAX_CHARS = 4_000;
const MAX_VALUE_CHARS = 300;
const UNSHOWN: ReadonlySet<string> = new Set(['name', 'etag', 'createTime', 'updateTime']);

/** Undefined: calls of this method tell nothing of the kind. The answer is JSON, or empty. */
export function changesOf(path: string, { definition, handlers }: RpcBinding): ReadChanges | undefined {
  const [, verb, noun] = WRITES.exec(path) ?? [];
  if (verb === undefined) return undefined;
  const getPath = path.replace(WRITES, `/Get${noun}`);
  const key = Object.entries(definition).find(([, method]) => method.path === getPath)?.[0];
  const get = key === undefined ? undefined : (handlers[key] as Get | undefined);
  return async (request, principal) => {
    if (!isFields(request)) return '';
    const before = get ? await read(get, request, principal) : {};
    if (verb === 'Delete') return describe(Object.keys(before), before, {});
    const after = resourceOf(request);
    const asked = masked(request['updateMask']) ?? Object.keys(after);
    return describe(asked, before, after);
  };
}

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
    if (UNSHOWN.has(name) || (was === is && !SECRET.test(name))) continue;
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
