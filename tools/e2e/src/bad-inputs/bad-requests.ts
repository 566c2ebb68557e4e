/*
 * A table of requests that must be refused: one that is good but for one field, once for each value that must not be accepted
 * in it.
 */

export type Message = Readonly<Record<string, unknown>>;

export interface BadRequests {
  readonly method: string;
  /** Right in every field. */
  readonly good: Message;
  /** By the field as the contract names it (`job.start.time.local_time`): what must not be accepted in it. */
  readonly bad?: Readonly<Record<string, readonly unknown[]>>;
  /** What is wrong with several fields together: which one is named, and what is put into the good request. */
  readonly also?: readonly (readonly [field: string, change: Message])[];
}

export interface BadRequest {
  readonly method: string;
  readonly field: string;
  readonly what: string;
  readonly request: Message;
}

export function requestsOf({ method, good, bad = {}, also = [] }: BadRequests): BadRequest[] {
  const single = Object.entries(bad).flatMap(([field, values]) =>
    values.map((value) => ({ method, field, what: shown(value), request: withValue(good, field.split('.'), value) })),
  );
  const together = also.map(([field, change]) => ({
    method,
    field,
    what: shown(change),
    request: { ...good, ...change },
  }));
  return [...single, ...together];
}

/** The good request, of an installation that there is not. */
export function requestsElsewhere({ method, good }: BadRequests): BadRequest[] {
  const text = JSON.stringify(good, (_, v: unknown) => (typeof v === 'bigint' ? Number(v) : v));
  if (!text.includes('installations/one')) return [];
  const there = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replace(/^installations\/one\b/, 'installations/nowhere');
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof Date) return value;
    const entries = Object.entries(value).map(([key, inner]) => [key, there(inner)] as const);
    return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
  };
  return [{ method, field: '', what: 'nowhere', request: there(good) as Message }];
}

export function shown(value: unknown): string {
  const json = JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v)) ?? 'undefined';
  // Test runners print names as they are.
  const text = json.replace(/[^\x20-\x7e]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return text.length <= 60 ? text : `${text.slice(0, 40)}… (${text.length} characters)`;
}

const camel = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** A copy with one value changed; the alternatives of a message (`oneof`) are stepped through by their names. */
function withValue(message: unknown, [step = '', ...steps]: readonly string[], value: unknown): Message {
  const [, name = '', index] = /^(\w+)(?:\[(\d+)\])?$/.exec(step) ?? [];
  const field = camel(name);
  const known = (message ?? {}) as Message;
  const inner = (before: unknown): unknown => (steps.length === 0 ? value : withValue(before, steps, value));
  if (index !== undefined) {
    const items = [...((known[field] ?? []) as unknown[])];
    items[Number(index)] = inner(items[Number(index)]);
    return { ...known, [field]: items };
  }
  const choice = Object.entries(known).find(([, v]) => (v as { $case?: string } | undefined)?.$case === field);
  if (!choice) return { ...known, [field]: inner(known[field]) };
  const [key, chosen] = choice as [string, { readonly value: unknown }];
  return { ...known, [key]: { $case: field, value: inner(chosen.value) } };
}
