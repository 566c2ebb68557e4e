import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, type InstallationKind } from '@lastcall/kernel';
import type { NoticeKind } from './gate-state.js';
import type { Phrase } from './phrases.js';

/*
 * What the session service knows of an installation from the catalog. Everything about it comes from one document of the
 * catalog, so what has the higher sequence is the newer one, in whatever order it arrives.
 */

export interface InstallationFacts {
  readonly kind: InstallationKind;
  readonly timeZone: string;
  readonly reactionTimeMs: number;
  /** Absent in what was stored before there were any; read it with `policyOf`. */
  readonly policy?: SessionPolicy;
  /** Which actions by hand need a second person, and how long a request for one waits. Absent: none. */
  readonly secondPerson?: { readonly actions: readonly string[]; readonly validMs: number };
  readonly deleted: boolean;
  /** Of the catalog's document when it said this. */
  readonly sequence: number;
}

/** How the users of an installation are told, held and let in. */
export interface SessionPolicy {
  /** Login names that may be inside while the gate is shut, until the install starts. */
  readonly exemptUsers: readonly string[];
  /** How long before a planned run users are told; the longest first. Empty: not at all. */
  readonly announceBeforeMs: readonly number[];
  readonly templates: readonly NoticeTemplate[];
  /** BCP 47 tag for users whose language has no text. */
  readonly language: string;
  /** `https://…`, shown with every notice; empty: none. Its host is one that is allowed. */
  readonly link: string;
  readonly holds: HoldPolicy;
  /** How long it takes to wake 1,000 waiting clients at a reopening. */
  readonly reopeningRampMs: number;
}

/** A text of a notice, in ICU message format. */
export interface NoticeTemplate {
  readonly kind: NoticeKind;
  /** BCP 47 tag. */
  readonly language: string;
  readonly text: string;
}

/** Limits of holds. */
export interface HoldPolicy {
  readonly longestMs: number;
  readonly maxCount: number;
  readonly maxTotalDelayMs: number;
  readonly needsApproval: boolean;
}

export const DEFAULT_POLICY: SessionPolicy = {
  exemptUsers: [],
  announceBeforeMs: [DAY_MS, HOUR_MS, 15 * MINUTE_MS, 5 * MINUTE_MS],
  templates: [],
  language: 'en',
  link: '',
  holds: { longestMs: 4 * HOUR_MS, maxCount: 200, maxTotalDelayMs: 4 * HOUR_MS, needsApproval: false },
  reopeningRampMs: 10 * SECOND_MS,
};

export function policyOf(facts: Pick<InstallationFacts, 'policy'> | undefined): SessionPolicy {
  return facts?.policy ?? DEFAULT_POLICY;
}

/** The newer of the two. */
export function newerFacts(known: InstallationFacts | undefined, said: InstallationFacts): InstallationFacts {
  return known && known.sequence >= said.sequence ? known : said;
}

/** Why nobody may attach to it. Undefined: it is known. */
export function unknownInstallation(facts: InstallationFacts | undefined, installation: string): Phrase | undefined {
  if (!facts) return { phrase: 'unknown-installation', installation };
  return facts.deleted ? { phrase: 'deleted-installation', installation } : undefined;
}
