import { HOUR_MS } from '@lastcall/kernel';
import { DEFAULT_POLICY, type InstallationFacts, type SessionPolicy } from '../domain/installation.js';
import type { Phrase, PhraseName, Words } from '../domain/phrases.js';
import { OWN_PHRASES } from './own-phrases.js';
import { textOf } from './phrase-text.js';

const T0 = Date.UTC(2026, 5, 1, 12, 0);
const template = { kind: 'logoff', language: 'fr', text: 'Bientôt.' } as const;

function facts(policy: Partial<SessionPolicy> = {}, timeZone = 'Europe/Berlin'): InstallationFacts {
  const rest = { kind: 'multi-user', reactionTimeMs: 0, deleted: false, sequence: 1 } as const;
  return { ...rest, timeZone, policy: { ...DEFAULT_POLICY, ...policy } };
}

const shut: Words = [
  { phrase: 'updating', product: 'Encore', version: '11.1.0' },
  { phrase: 'shut-since', since: { at: T0 } },
  { phrase: 'over-by', until: { at: T0 + 11 * HOUR_MS, now: T0 } },
  '',
  { phrase: 'open-when-over' },
];

describe('Lastcall’s own phrases', () => {
  it('are in the language of whoever reads them, with times in the zone of the installation', () => {
    expect(textOf(shut, 'en', facts())).toBe(
      'Encore is being updated to 11.1.0. No logins since 14:00 (Europe/Berlin). ' +
        'It should be over by 2 June, 01:00 (Europe/Berlin). You will be able to log in as soon as it is over.',
    );
    expect(textOf(shut, 'de-AT', facts())).toBe(
      'Encore wird auf Version 11.1.0 aktualisiert. Keine Anmeldung seit 14:00 (Europe/Berlin). ' +
        'Es sollte spätestens um 2. Juni, 01:00 (Europe/Berlin) beendet sein. ' +
        'Sie können sich anmelden, sobald es beendet ist.',
    );
  });

  it.each([
    ['fr', 'de', [], 'widerrufen'],
    ['', 'de-AT', [], 'widerrufen'],
    ['', 'fr', [], 'revoked'],
    ['en-US', 'de', [], 'revoked'],
    // Notices are in French here, phrases never are.
    ['fr', 'de', [template], 'widerrufen'],
    ['fr', 'fr', [template], 'revoked'],
    ['no tag at all', 'de', [], 'widerrufen'],
  ])('to %j where the installation says %j', (language, otherwise, templates, said) =>
    expect(textOf({ phrase: 'revoked' }, language, facts({ language: otherwise, templates }))).toContain(said),
  );

  it('are in English where nothing is known, and leave what a person typed as it is', () => {
    expect(textOf({ phrase: 'moving' }, '', undefined)).toBe('The server is going down; connect again.');
    expect(textOf(['Neue Platten.', { phrase: 'open-by-administrator' }], 'en', undefined)).toBe(
      'Neue Platten. You will be able to log in as soon as an administrator opens it.',
    );
    // No format of its own: braces of a person are text.
    expect(textOf({ phrase: 'not-understood', why: '{x' }, 'de', undefined)).toMatch(/\{x$/);
  });

  const values = {
    why: 'it has no end',
    version: '11.0.0',
    wanted: '11.1.0',
    host: 'ts1',
    product: 'Encore',
    installation: 'encore-berlin',
    max: 20_000,
    since: { at: T0 },
    until: { at: T0 },
  };
  const languages = [...OWN_PHRASES.keys()];
  const names = Object.keys(OWN_PHRASES.get('en') ?? {}) as PhraseName[];

  it.each(names)('have the same placeholders in every language, and say all of them: %s', (phrase) => {
    const placeholders = languages.map((language) =>
      [...(OWN_PHRASES.get(language)?.[phrase] ?? '').matchAll(/\{(\w+)/g)].map(([, name]) => name).sort(),
    );
    expect(new Set(placeholders.map(String)).size).toBe(1);
    const texts = languages.map((language) => textOf({ phrase, ...values } as unknown as Phrase, language, facts()));
    expect(new Set(texts).size).toBe(languages.length);
    for (const text of texts) expect(text).toMatch(/^[^{}]{12,}$/);
  });
});
