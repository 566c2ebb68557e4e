import { DAY_MS, sha256Hex } from '@lastcall/kernel';
import { createTrustedSet, refused, TrustRefusal, type TrustedStore, type TrustedTexts } from '@lastcall/trust/client';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileDurably } from '../files.js';
import { messageOf } from '../log.js';

/*
 * What this host trusts, on its disk: the signed metadata as it came, by role, in one file that is replaced as a whole. A crash leaves the old
 * state or the new one, and no part of it can get lost alone: a root without the timestamp that was seen would believe an older catalog.
 * A state that is gone is not made up again from what a server says; a person joins the host anew.
 */

export interface TrustedState extends TrustedStore {
  /** Pins the root that is trusted from now on. What was seen before stays the floor, where the same keys still sign. */
  pin(root: Buffer): void;
}

interface Stored {
  /** Of the two below. */
  readonly sha256: string;
  /** When it was saved by the clock of this host; 0 for a root that was only pinned. Milliseconds since 1970. */
  readonly at: number;
  readonly roles: Readonly<Record<string, string>>;
}

/** A clock may have been wrong by its zone, and set right since. */
const CLOCK_TOLERANCE_MS = DAY_MS;

/** `dir` is made when it is missing. */
export function openTrustedState(dir: string, now: () => number = Date.now): TrustedState {
  const path = join(dir, 'trusted.json');
  return {
    load: () => {
      const { at, texts } = read(path);
      demandClock(at, now());
      return texts;
    },
    save: (texts) => write(path, now(), texts),
    pin: (root) => {
      createTrustedSet(root);
      write(path, 0, new Map([...earlier(path), ['root', root]]));
    },
  };
}

/** A clock that fell back to its factory's date would let nothing expire any more. */
function demandClock(savedAt: number, now: number): void {
  if (now >= savedAt - CLOCK_TOLERANCE_MS) return;
  const [said, seen] = [now, savedAt].map((at) => new Date(at).toISOString());
  throw refused('CLOCK_BEHIND', '', `the clock of this host says ${said}, and it was ${seen} already`);
}

function sumOf(at: number, roles: Stored['roles']): string {
  return sha256Hex(JSON.stringify([at, roles]));
}

function write(path: string, at: number, texts: TrustedTexts): void {
  const roles = Object.fromEntries([...texts].map(([role, bytes]) => [role, bytes.toString('utf8')]));
  const stored: Stored = { sha256: sumOf(at, roles), at, roles };
  mkdirSync(dirname(path), { recursive: true });
  writeFileDurably(path, JSON.stringify(stored));
}

function read(path: string): { readonly at: number; readonly texts: TrustedTexts } {
  const { sha256, at, roles } = parse(path);
  if (sha256 !== sumOf(at, roles) || !Object.hasOwn(roles, 'root'))
    throw refused('TRUST_LOST', '', `what this host trusts is damaged: ${path} is not as it was written`);
  return { at, texts: new Map(Object.entries(roles).map(([role, text]) => [role, Buffer.from(text)])) };
}

function parse(path: string): Stored {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) ?? {}) as Stored;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && code !== 'ENOENT') throw error;
    const why = code === 'ENOENT' ? `${path} is not there` : `${path} cannot be read: ${messageOf(error)}`;
    throw refused('TRUST_LOST', '', `this host does not know any more what it trusts: ${why}`, error);
  }
}

function earlier(path: string): TrustedTexts {
  try {
    return read(path).texts;
  } catch (error) {
    if (error instanceof TrustRefusal) return new Map(); // Nothing that is worth keeping.
    throw error;
  }
}
