import { policyOf, type InstallationFacts, type SessionPolicy } from '../domain/installation.js';
import { createBoundedCache } from './bounded-cache.js';
import { canonicalLanguage, matchLanguage } from './languages.js';
import { OWN_PHRASES } from './own-phrases.js';
import { OWN_TEMPLATES } from './own-templates.js';

/*
 * The language that somebody is told in: what the client says, else the installation's, else English. One of few, whatever is said.
 * Asked for each of thousands, so it is remembered.
 */

export const FALLBACK = 'en';
/** For one installation. */
const READERS_KEPT = 200;

interface Languages {
  notice(tag: string): string;
  phrase(tag: string): string;
}

const byPolicy = new WeakMap<SessionPolicy, Languages>();

/** Of notices: also one that only the installation has templates for. */
export function noticeLanguage(tag: string, facts: InstallationFacts | undefined): string {
  return languagesOf(facts).notice(tag);
}

/** Of phrases: one of Lastcall's own, with the reader's region. */
export function phraseLanguage(tag: string, facts: InstallationFacts | undefined): string {
  return languagesOf(facts).phrase(tag);
}

function languagesOf(facts: InstallationFacts | undefined): Languages {
  const policy = policyOf(facts);
  const known = byPolicy.get(policy);
  if (known) return known;
  const made = createLanguages(policy);
  byPolicy.set(policy, made);
  return made;
}

function createLanguages({ language, templates }: SessionPolicy): Languages {
  const otherwise = canonicalLanguage(language) || FALLBACK;
  const there = new Set([...OWN_TEMPLATES.keys(), ...templates.map((one) => canonicalLanguage(one.language))]);
  const own = new Set(OWN_PHRASES.keys());
  return {
    notice: createBoundedCache(READERS_KEPT, (tag) => matchLanguage(tag, there) ?? otherwise),
    phrase: createBoundedCache(
      READERS_KEPT,
      (tag) => matchLanguage(tag, own) ?? matchLanguage(otherwise, own) ?? FALLBACK,
    ),
  };
}
