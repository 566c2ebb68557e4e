import { sha256Hex } from '@lastcall/kernel';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileDurably } from '../files.js';
import { messageOf } from '../log.js';
import { StepFailure } from '../step-failure.js';
import { refused } from './refusal.js';
import { createTrustedSet } from './trusted-set.js';

/*
 * What this host trusts, on its disk: the signed metadata as it came, by role, in one file that is replaced as a whole. A crash leaves the old
 * state or the new one, and no part of it can get lost alone: a root without the timestamp that was seen would believe an older catalog.
 * A state that is gone is not made up again from what a server says; a person joins the host anew.
 */

/** Role to metadata. Has `root` always. */
export type TrustedTexts = ReadonlyMap<string, Buffer>;

export interface TrustedState {
  load(): TrustedTexts;
  save(texts: TrustedTexts): void;
  /** Pins the root that is trusted from now on. What was seen before stays the floor, where the same keys still sign. */
  pin(root: Buffer): void;
}

interface Stored {
  readonly sha256: string;
  readonly roles: Readonly<Record<string, string>>;
}

/** `dir` is made when it is missing. */
export function openTrustedState(dir: string): TrustedState {
  const path = join(dir, 'trusted.json');
  const state: TrustedState = {
    load: () => read(path),
    save: (texts) => write(path, texts),
    pin: (root) => {
      createTrustedSet(root);
      write(path, new Map([...earlier(path), ['root', root]]));
    },
  };
  return state;
}

function write(path: string, texts: TrustedTexts): void {
  const roles = Object.fromEntries([...texts].map(([role, bytes]) => [role, bytes.toString('utf8')]));
  const stored: Stored = { sha256: sha256Hex(JSON.stringify(roles)), roles };
  mkdirSync(dirname(path), { recursive: true });
  writeFileDurably(path, JSON.stringify(stored));
}

function read(path: string): TrustedTexts {
  const { sha256, roles } = parse(path);
  if (typeof roles !== 'object' || sha256 !== sha256Hex(JSON.stringify(roles)) || !Object.hasOwn(roles, 'root'))
    throw refused('TRUST_LOST', '', `what this host trusts is damaged: ${path} is not as it was written`);
  return new Map(Object.entries(roles).map(([role, text]) => [role, Buffer.from(text)]));
}

function parse(path: string): Stored {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Stored;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && code !== 'ENOENT') throw error;
    const why = code === 'ENOENT' ? `${path} is not there` : `${path} cannot be read: ${messageOf(error)}`;
    throw refused('TRUST_LOST', '', `this host does not know any more what it trusts: ${why}`, error);
  }
}

function earlier(path: string): TrustedTexts {
  try {
    return read(path);
  } catch (error) {
    if (error instanceof StepFailure) return new Map(); // Nothing that is worth keeping.
    throw error;
  }
}
