import type { RunHost } from '@lastcall/kernel';
import type { HostAnswer, HostFacts, Occasion, Requirements } from '../facts.js';

/*
 * What a check is made of. A module owns one question: when it is asked, when it passes and what a person has to do otherwise.
 * It never says "passed" of what nobody could find out: `met` stays undefined then.
 */

/** One demand on what was found. */
export interface Question {
  /** With the demanded value. */
  readonly asked: string;
  /** Undefined: nobody could find out, which blocks. */
  readonly met: boolean | undefined;
  /** What was found. */
  readonly found: string;
  /** What a person has to do unless it is met. */
  readonly remedy: string;
  /** Facts that it needs, by their names in the contract: their reasons are shown when it could not be answered. */
  readonly needs?: readonly string[];
  /** Why the question does not apply. */
  readonly skip?: string;
}

/** What checks of the installation as a whole go by. */
export interface InstallationMatter {
  readonly occasion: Occasion;
  readonly answers: Readonly<Record<string, HostAnswer | undefined>>;
  /** When the verdict is found. */
  readonly at: number;
}

/** What checks of one host that answered go by. */
export interface HostMatter {
  readonly occasion: Occasion;
  /** Undefined: no release is going to be installed. */
  readonly demands: Requirements | undefined;
  readonly host: RunHost;
  readonly facts: HostFacts;
  /** When the answer came. */
  readonly at: number;
}

interface About {
  /** `[a-z-]`, as reports and overrides name it. */
  readonly name: string;
  /** For people, in Markdown. */
  readonly passesWhen: string;
  /** Why nobody can override it; absent: an operator can, with a reason and until a time. */
  readonly neverOverridden?: string;
}

export interface InstallationCheck extends About {
  readonly about: 'installation';
  readonly ask: (matter: InstallationMatter) => readonly Question[];
}

export interface HostCheck extends About {
  readonly about: 'host';
  /** None: it is not asked of this host. */
  readonly ask: (matter: HostMatter) => readonly Question[];
}

export type CheckModule = InstallationCheck | HostCheck;

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.5 GiB`. */
export function bytes(count: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, count)) / 10)));
  const value = count / 2 ** (10 * power);
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

/** Undefined as long as either is. */
export function isEnough(found: number | undefined, needed: number): boolean | undefined {
  return found === undefined ? undefined : found >= needed;
}
