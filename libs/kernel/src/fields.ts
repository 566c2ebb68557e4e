import type { Violation } from './outcome.js';

/*
 * The limits on names and texts, in one place. Each check returns what is wrong, or undefined.
 */

const ID = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
// Control characters, and the marks that reorder or hide text: a name must look like what it is.
// eslint-disable-next-line no-control-regex -- they are what is looked for
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;
const HIDDEN_ALL = new RegExp(HIDDEN.source, 'gu');

/** A wrong value in the text that refuses it: its beginning, with marks that would reorder or hide the text as escapes. */
export function quoted(value: string): string {
  return JSON.stringify(value.slice(0, 80)).replace(HIDDEN_ALL, (mark) => {
    return `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

export const LIMITS = { titleChars: 200, textChars: 4_000, pageSize: 1_000, defaultPageSize: 100 } as const;

/** 1–63 characters [a-z0-9-], not beginning or ending with a hyphen. */
export function checkId(field: string, value: string): Violation | undefined {
  if (ID.test(value)) return undefined;
  const found = value === '' ? 'is empty' : `is ${quoted(value)}`;
  return {
    field,
    description: `${found}; allowed are 1 to 63 characters of a-z, 0-9 and -, beginning and ending with a letter or digit`,
  };
}

/** Text within its limit, without control characters (line breaks and tabs are allowed in texts, not in titles). */
export function checkText(
  field: string,
  value: string,
  limits: { min?: number; max: number; lines?: boolean },
): Violation | undefined {
  const length = [...value].length;
  if (length < (limits.min ?? 0)) return { field, description: `is empty; at least ${limits.min} character is needed` };
  if (length > limits.max) return { field, description: `has ${length} characters; at most ${limits.max} are allowed` };
  const hidden = HIDDEN.exec(value) ?? (limits.lines === false ? /[\t\n\r]/.exec(value) : null);
  if (hidden) {
    const code = hidden[0].codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
    return {
      field,
      description: `contains the control character U+${code} at position ${hidden.index + 1}; remove it`,
    };
  }
  return undefined;
}

/** A text of several parts as it may be shown: without control characters and hidden marks, and no longer than that. */
export function cleanText(text: string, maxChars: number): string {
  const shown = text.replace(/\r\n?/g, '\n').replace(HIDDEN_ALL, '');
  const chars = [...shown];
  return chars.length <= maxChars ? shown : `${chars.slice(0, maxChars - 1).join('')}…`;
}

/** Integer within bounds. */
export function checkRange(
  field: string,
  value: number,
  min: number,
  max: number,
  unit: string,
): Violation | undefined {
  if (Number.isInteger(value) && value >= min && value <= max) return undefined;
  return { field, description: `is ${value}; allowed are ${min} to ${max} ${unit}` };
}

/** An IANA zone that this runtime knows. */
export function checkTimeZone(field: string, value: string): Violation | undefined {
  try {
    if (value !== '' && !/^[+-]/.test(value)) {
      new Intl.DateTimeFormat('en', { timeZone: value });
      return undefined;
    }
  } catch {
    // A RangeError is the runtime's way to say that it does not know the zone; said below in our words.
  }
  return {
    field,
    description: `is ${quoted(value)}, which is no IANA time zone; use one such as Europe/Berlin`,
  };
}

/** Only those that are there. */
export function collect(...violations: readonly (Violation | undefined)[]): Violation[] {
  return violations.filter((v) => v !== undefined);
}
