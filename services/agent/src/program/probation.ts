import { existsSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { linkDurably, syncFolder, writeFileDurably } from '../files.js';

/*
 * A new agent that has taken over and has not settled yet. Its starts are counted, by the launcher and so by code that is not its own: one that
 * ends again and again is followed by the agent from before. Written before the link is led to the new agent, so there is no new agent without it.
 */

export interface Probation {
  readonly version: string;
  /** Version that was linked before; empty for the program that came with the launcher. */
  readonly from: string;
  readonly starts: number;
  /** The agent from before runs again; absent until then. */
  readonly failed?: boolean;
}

/** How often a new agent may be started before it has settled: a host may be restarted meanwhile. */
export const STARTS_MAX = 3;

/** `programDir`: `program` of the data folder. */
export function readProbation(programDir: string): Probation | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(programDir), 'utf8')) as Probation;
  } catch {
    return undefined; // There is none; it is replaced as a whole, so none is damaged.
  }
}

export function beginProbation(programDir: string, version: string): void {
  write(programDir, { version, from: linkedIn(programDir), starts: 0 });
}

/** Safe twice. */
export function endProbation(programDir: string): void {
  if (!existsSync(fileIn(programDir))) return;
  rmSync(fileIn(programDir));
  syncFolder(programDir);
}

/** To be called before a start. Leads the link back when the new agent has had its starts. */
export async function countStart(programDir: string): Promise<void> {
  const probation = readProbation(programDir);
  if (!probation || linkedIn(programDir) !== probation.version) return;
  const { starts, from, failed = false } = probation;
  if (!failed && starts < STARTS_MAX) return write(programDir, { ...probation, starts: starts + 1 });
  write(programDir, { ...probation, failed: true });
  const link = join(programDir, 'current');
  if (from !== '') return linkDurably(link, join('versions', from));
  rmSync(link, { force: true });
  syncFolder(dirname(link));
}

/** Version that the link leads to; empty for none. */
export function linkedIn(programDir: string): string {
  try {
    return basename(readlinkSync(join(programDir, 'current')));
  } catch {
    return '';
  }
}

function write(programDir: string, probation: Probation): void {
  writeFileDurably(fileIn(programDir), `${JSON.stringify(probation)}\n`);
}

function fileIn(programDir: string): string {
  return join(programDir, 'probation.json');
}
