import IntlMessageFormat from 'intl-messageformat';
import { createBoundedCache } from './bounded-cache.js';

/*
 * Messages in ICU format, compiled once. A text that cannot be compiled or formatted is no text: whoever asked takes another one.
 */

export type MessageValues = Readonly<Record<string, string | number | Date>>;

/** A date that stands without a format of its own, with the name of its zone: readers may be somewhere else. */
const WHOLE_DATE: Intl.DateTimeFormatOptions = {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  hour: 'numeric',
  minute: '2-digit',
  timeZoneName: 'short',
};

interface Compiled {
  format(values: MessageValues): string;
}

const dates = createBoundedCache(500, (key) => {
  const [locale, options] = JSON.parse(key) as [string, Intl.DateTimeFormatOptions];
  return new Intl.DateTimeFormat(locale, options);
});
const numbers = createBoundedCache(200, (key) => {
  const [locale, options] = JSON.parse(key) as [string, Intl.NumberFormatOptions];
  return new Intl.NumberFormat(locale, options);
});
const plurals = createBoundedCache(200, (key) => {
  const [locale, options] = JSON.parse(key) as [string, Intl.PluralRulesOptions];
  return new Intl.PluralRules(locale, options);
});
const messages = createBoundedCache(1_000, (key): Compiled | undefined => {
  const [text, locale, timeZone] = JSON.parse(key) as [string, string, string];
  return compile(text, locale, timeZone);
});

function compile(text: string, locale: string, timeZone: string): Compiled | undefined {
  const date = (options: Intl.DateTimeFormatOptions) => dates(JSON.stringify([locale, { ...options, timeZone }]));
  const formatters = {
    getDateTimeFormat: (_: unknown, options?: Intl.DateTimeFormatOptions) => date(options ?? {}),
    getNumberFormat: (_: unknown, options?: object) => numbers(JSON.stringify([locale, options ?? {}])),
    getPluralRules: (_: unknown, options?: Intl.PluralRulesOptions) => plurals(JSON.stringify([locale, options ?? {}])),
  };
  try {
    // Plain text: what looks like a tag is text.
    const message = new IntlMessageFormat(text, locale, undefined, { ignoreTag: true, formatters });
    return {
      format: (values) =>
        message
          .formatToParts<Date>(values)
          .map(({ value }) => (value instanceof Date ? date(WHOLE_DATE).format(value) : value))
          .join('')
          // Times have narrow spaces in some languages; old screens show a box there.
          .replaceAll('\u202f', ' '),
    };
  } catch {
    // Said to those who can change it when the settings are heard, not to the users.
    return undefined;
  }
}

/** Undefined: it cannot be formatted. */
export function formatMessage(
  text: string,
  locale: string,
  timeZone: string,
  values: MessageValues,
): string | undefined {
  try {
    return messages(JSON.stringify([text, locale, timeZone]))?.format(values);
  } catch {
    // The same as above; for example a value that the message names and this notice has not.
    return undefined;
  }
}
