/*
 * What users are told beside notices, without its language: a phrase has a name and values, and is put into words for whoever reads it.
 * What a person typed is passed on as it is.
 */

/** A time of day, named with its zone; with the day, if that is not the day of `now`. Absent: it is. */
export interface Moment {
  readonly at: number;
  readonly now?: number | undefined;
}

/** The values of each phrase, by its name. */
export interface PhraseValues {
  /* The end of a session. */
  readonly 'logged-off': unknown;
  readonly 'install-begins': unknown;
  readonly ready: unknown;
  readonly silent: unknown;
  readonly slow: unknown;
  readonly noisy: unknown;
  readonly 'not-understood': { readonly why: string };
  readonly moving: unknown;
  readonly revoked: unknown;
  readonly 'came-back': unknown;
  readonly 'first-start-proven': { readonly version: string; readonly host: string };
  /* Why the gate is shut, since when, until when, and what happens next. */
  readonly updating: { readonly product: string; readonly version: string };
  readonly maintenance: unknown;
  readonly overdue: unknown;
  readonly 'way-back-failed': unknown;
  readonly 'shut-since': { readonly since: Moment };
  readonly 'open-about': { readonly until: Moment };
  readonly 'over-by': { readonly until: Moment };
  readonly 'ask-administrator': unknown;
  readonly 'open-by-administrator': unknown;
  readonly 'open-when-over': unknown;
  /* Other reasons not to be let in. */
  readonly 'host-waits': { readonly host: string };
  readonly 'host-given-up': { readonly host: string };
  readonly 'host-quarantined': { readonly host: string };
  readonly 'host-late': { readonly host: string };
  readonly 'host-late-failed': { readonly host: string };
  readonly 'host-late-given-up': { readonly host: string };
  readonly 'wrong-version': { readonly version: string; readonly wanted: string };
  readonly 'hello-missing': unknown;
  readonly 'hello-late': unknown;
  readonly 'hellos-missing': unknown;
  readonly 'other-installation': { readonly installation: string };
  readonly 'unknown-installation': { readonly installation: string };
  readonly 'deleted-installation': { readonly installation: string };
  readonly 'too-many-attempts': unknown;
  readonly full: { readonly max: number };
  readonly 'coming-back': unknown;
  readonly 'first-start-unknown': unknown;
  readonly 'first-start-version': { readonly version: string; readonly wanted: string };
  /* A notice that is taken back. */
  readonly 'run-postponed': unknown;
  readonly 'run-off': unknown;
  readonly 'maintenance-postponed': unknown;
  readonly 'maintenance-off': unknown;
  readonly reopened: unknown;
  /* What becomes of a hold. */
  readonly 'hold-moved': unknown;
  readonly 'hold-postponed': unknown;
  readonly 'hold-waits': unknown;
  readonly 'hold-denied': unknown;
  readonly 'hold-too-often': unknown;
  readonly 'hold-undecided': unknown;
  readonly 'hold-wrong': unknown;
  readonly 'hold-no-logoff': unknown;
  readonly 'hold-not-allowed': unknown;
  readonly 'hold-too-many': { readonly max: number };
  readonly 'hold-at-limit': unknown;
  readonly 'hold-too-short': unknown;
}

export type PhraseName = keyof PhraseValues;

export type Phrase = {
  readonly [N in PhraseName]: { readonly phrase: N } & (unknown extends PhraseValues[N] ? unknown : PhraseValues[N]);
}[PhraseName];

/** A person's own words, a phrase, or one after the other. */
export type Words = string | Phrase | readonly Words[];
