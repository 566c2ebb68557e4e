/*
 * A request as those see it who agree to it: what is set in it, as JSON. Long texts are cut, each for itself, so that none hides what
 * comes after it.
 */

const MAX_TEXT_CHARS = 300;
const MAX_CHARS = 4_000;

export function shownRequest(request: unknown): string {
  const json = JSON.stringify(request, (_, value: unknown) => plain(value)) ?? '';
  return json.length <= MAX_CHARS ? json : `${json.slice(0, MAX_CHARS).toWellFormed()}…`;
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string' && value.length > MAX_TEXT_CHARS) {
    return `${value.slice(0, MAX_TEXT_CHARS).toWellFormed()}…`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  if (value instanceof Uint8Array || (value as { type?: unknown }).type === 'Buffer') return '(bytes)';
  // Shortest first: what is cut at the end is the least of it.
  const set = Object.entries(value).filter(([, inner]) => inner !== undefined && inner !== '' && inner !== null);
  return Object.fromEntries(set.toSorted(([, a], [, b]) => lengthOf(a) - lengthOf(b)));
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' ? value.length : Array.isArray(value) ? value.length * 50 : 0;
}
