import { safe } from './text.js';

/*
 * HTML from templates: everything that is put in is escaped, unless it is HTML that was made here. Values stand in text or in quoted
 * attributes; never in the name of a tag, in a style sheet or in a script, of which there is none.
 */

/** Made by `html` only. */
export class Html {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

/** Nothing is written for undefined, false and ''. */
export type HtmlValue = string | number | Html | undefined | false | readonly HtmlValue[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand in HTML and in attributes; what hides or reorders text is shown as such. */
export function escapeHtml(text: string): string {
  return safe(text).replace(/[&<>"']/g, (char) => ESCAPES[char] ?? '');
}

function written(value: HtmlValue): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(written).join('');
  return escapeHtml(String(value));
}

export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(strings.map((part, i) => part + written(values[i])).join(''));
}
