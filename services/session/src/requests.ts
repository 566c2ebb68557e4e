import { durationToMs, parseName, type NameKind, type NameParts } from '@lastcall/contracts';
import {
  checkRange,
  checkText,
  collect,
  DAY_MS,
  invalid,
  LIMITS,
  reject,
  type Rejected,
  type Violation,
} from '@lastcall/kernel';
import { InvalidPageToken } from '@lastcall/store';

/* What the requests of operators have in common: names, texts, pages. */

export function nameOf<K extends NameKind>(kind: K, name: string, field = 'name'): NameParts<K> | Rejected {
  const parsed = parseName(kind, field, name);
  return parsed.ok ? parsed.parts : invalid([parsed.violation]);
}

export function notFound(what: string, name: string): Rejected {
  return reject('not-found', 'NOT_FOUND', `there is no ${what} ${name}`, { facts: { name } });
}

export function wrongText(field: string, text: string): Violation | undefined {
  return checkText(field, text, { min: 1, max: LIMITS.textChars });
}

/** Undefined in, undefined out: the installation's. */
export function reactionTimeOf(duration: Parameters<typeof durationToMs>[0]): { ms?: number } | Rejected {
  const ms = durationToMs(duration);
  if (ms === undefined) return {};
  const wrong = collect(checkRange('reaction_time', ms, 0, DAY_MS, 'milliseconds (0 s to 24 h)'));
  return wrong.length > 0 ? invalid(wrong) : { ms };
}

export interface PageRequest {
  readonly limit: number;
  readonly pageToken?: string;
}

export function pageOf({ pageSize, pageToken }: { pageSize: number; pageToken: string }): PageRequest | Rejected {
  const wrong = checkRange('page_size', pageSize, 0, LIMITS.pageSize, 'entries (0: 100)');
  if (wrong) return invalid([wrong]);
  return { limit: pageSize || LIMITS.defaultPageSize, ...(pageToken !== '' && { pageToken }) };
}

export function wrongPageToken(error: unknown): Rejected {
  if (!(error instanceof InvalidPageToken)) throw error;
  return invalid([{ field: 'page_token', description: 'is not one of this list; begin without one' }]);
}
