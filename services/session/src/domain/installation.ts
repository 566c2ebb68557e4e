import type { InstallationKind } from '@lastcall/kernel';

/*
 * What the session service knows of an installation from the catalog. Everything about it comes from one document of the
 * catalog, so what has the higher sequence is the newer one, in whatever order it arrives.
 */

export interface InstallationFacts {
  readonly kind: InstallationKind;
  readonly timeZone: string;
  readonly reactionTimeMs: number;
  readonly deleted: boolean;
  /** Of the catalog's document when it said this. */
  readonly sequence: number;
}

/** The newer of the two. */
export function newerFacts(known: InstallationFacts | undefined, said: InstallationFacts): InstallationFacts {
  return known && known.sequence >= said.sequence ? known : said;
}

/** Why nobody may attach to it. Undefined: it is known. */
export function unknownInstallation(facts: InstallationFacts | undefined, installation: string): string | undefined {
  if (!facts) return `The installation ${installation} is not known here; check its name, or add it to the catalog.`;
  return facts.deleted ? `The installation ${installation} was deleted.` : undefined;
}
