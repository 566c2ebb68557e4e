import { cleanText, LIMITS } from '@lastcall/kernel';
import type { InstallationFacts } from '../domain/installation.js';
import type { Moment, Phrase, Words } from '../domain/phrases.js';
import { createBoundedCache } from './bounded-cache.js';
import { lookups } from './languages.js';
import { formatMessage, type MessageValues } from './message-formats.js';
import { OWN_PHRASES } from './own-phrases.js';
import { phraseLanguage } from './readers.js';

/*
 * Phrases in the language of whoever reads them, with times in the zone of the installation.
 */

/** Plain text of bounded length. `language`: as the client said it; empty: the installation's. */
export function textOf(words: Words, language: string, facts: InstallationFacts | undefined): string {
  return texts(JSON.stringify([words, phraseLanguage(language, facts), facts?.timeZone || 'UTC']));
}

/** Hundreds are refused at the same moment with the same words. */
const texts = createBoundedCache(100, (key) => {
  const [words, language, timeZone] = JSON.parse(key) as [Words, string, string];
  return cleanText(put(words, language, timeZone), LIMITS.textChars);
});

function put(words: Words, language: string, timeZone: string): string {
  if (typeof words === 'string') return words;
  if (!('phrase' in words)) {
    return words
      .map((part) => put(part, language, timeZone))
      .filter((part) => part !== '')
      .join(' ');
  }
  return say(words, language, timeZone);
}

function say({ phrase, ...values }: Phrase, language: string, timeZone: string): string {
  const own = lookups(language).find((lookup) => OWN_PHRASES.has(lookup)) ?? language;
  const said: MessageValues = Object.fromEntries(
    Object.entries(values as Readonly<Record<string, string | number | Moment>>).map(([name, value]) => [
      name,
      typeof value === 'object' ? clockTime(value, language, timeZone) : value,
    ]),
  );
  // Of a newer service: its name is better than nothing.
  return formatMessage(OWN_PHRASES.get(own)?.[phrase] ?? phrase, language, timeZone, said) ?? phrase;
}

interface Formats {
  readonly time: Intl.DateTimeFormat;
  readonly day: Intl.DateTimeFormat;
}

/** Making one takes longer than everything else in a refusal, and thousands may be refused at once. */
const formats = createBoundedCache(200, (key): Formats => {
  const [language, timeZone] = JSON.parse(key) as [string, string];
  const locale = language === 'en' ? 'en-GB' : language;
  const time = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone });
  return { time, day: new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'long', timeZone }) };
});

/** Hours and minutes in a zone, with the zone named; with the day, if that is not today. */
function clockTime({ at, now = at }: Moment, language: string, timeZone: string): string {
  const { time, day } = formats(JSON.stringify([language, timeZone]));
  const onDay = day.format(at);
  return `${onDay === day.format(now) ? '' : `${onDay}, `}${time.format(at)} (${timeZone})`;
}
