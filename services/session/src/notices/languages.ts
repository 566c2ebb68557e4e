import { createBoundedCache } from './bounded-cache.js';

/*
 * Which language a user is told in. Clients say any tag that they like; what is made of it is one of few, so that texts are made once
 * for all who read the same.
 */

const known = createBoundedCache(1_000, (tag): Intl.Locale | undefined => {
  try {
    return tag === '' ? undefined : new Intl.Locale(tag);
  } catch {
    // A RangeError is the runtime's way to say that it is no language tag: nobody's language.
    return undefined;
  }
});
const regions = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' });

/** In the spelling of BCP 47, without extensions and variants; empty: it is no tag. */
export function canonicalLanguage(tag: string): string {
  const locale = known(tag);
  return locale ? [locale.language, locale.script, locale.region].filter((part) => part !== undefined).join('-') : '';
}

/** The tag itself, then shorter and shorter: `de-AT`, `de`. */
export function lookups(tag: string): readonly string[] {
  const parts = canonicalLanguage(tag).split('-');
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('-')).filter((lookup) => lookup !== '');
}

/**
 * The language of those that there are which fits best, with the user's own region (`de-AT` where there is `de`), because dates are
 * written differently there. Undefined: none of them fits.
 */
export function matchLanguage(tag: string, there: ReadonlySet<string>): string | undefined {
  const found = lookups(tag).find((lookup) => there.has(lookup));
  if (found === undefined || known(found)?.region !== undefined) return found;
  const region = known(tag)?.region;
  return region !== undefined && regions.of(region) !== undefined ? `${found}-${region}` : found;
}
