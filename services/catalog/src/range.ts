/*
 * Range requests (RFC 9110, section 14): one range of bytes. Several at once, and units that we do not know, are answered with the whole, as the
 * RFC allows.
 */

export type RangeAnswer =
  | { readonly kind: 'whole' }
  /** Inclusive on both ends. */
  | { readonly kind: 'part'; readonly start: number; readonly end: number }
  | { readonly kind: 'unsatisfiable' };

const WHOLE: RangeAnswer = { kind: 'whole' };

export function parseRange(header: string | undefined, size: number): RangeAnswer {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  const [from = '', to = ''] = match?.slice(1) ?? [];
  if (!match || (from === '' && to === '')) return WHOLE;
  if (from === '') return lastBytes(Number(to), size);
  const start = Number(from);
  const end = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < start) return WHOLE; // Not a valid range: ignored.
  return start >= size ? { kind: 'unsatisfiable' } : { kind: 'part', start, end };
}

function lastBytes(count: number, size: number): RangeAnswer {
  if (count === 0 || size === 0) return { kind: 'unsatisfiable' };
  return { kind: 'part', start: Math.max(0, size - count), end: size - 1 };
}
