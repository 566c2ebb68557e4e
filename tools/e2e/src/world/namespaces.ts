import { startChild, type Child } from '@lastcall/testkit';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';

/*
 * Two network namespaces of the test's own with a line between them, whose packets can be dropped without a word, as when a switch
 * loses its power: no side hears an end, and what is sent is sent into nothing.
 */

export interface Namespaces {
  /** Of the server's end of the line. */
  readonly serverAddress: string;
  /** A program on one of the two sides. */
  start(side: Side, program: string, args: readonly string[], env?: Readonly<Record<string, string>>): Child;
  /** From here on every packet between the two is lost. */
  cut(): void;
  mend(): void;
  remove(): void;
}

export type Side = 'server' | 'client';

const ADDRESSES = { server: '10.231.7.1', client: '10.231.7.2' } as const;
const OTHER = { server: 'client', client: 'server' } as const;
const SIDES: readonly Side[] = ['server', 'client'];
/** Nobody has it. */
const NOBODY = '02:00:00:00:00:99';

/** Undefined when namespaces can be made here; else what is missing. */
export function namespacesMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (spawnSync('ip', ['-V']).status !== 0) return 'needs ip of iproute2';
  try {
    createNamespaces().remove();
    return undefined;
  } catch {
    return 'needs network namespaces';
  }
}

export function createNamespaces(): Namespaces {
  const id = randomBytes(3).toString('hex');
  const names = { server: `lc-${id}-s`, client: `lc-${id}-c` } as const;
  const links = { server: `lc${id}s`, client: `lc${id}c` } as const;
  const remove = (): void => {
    // The line goes with them.
    for (const side of SIDES) spawnSync('ip', ['netns', 'del', names[side]]);
  };
  try {
    for (const side of SIDES) ip('netns', 'add', names[side]);
    ip(
      'link',
      'add',
      links.server,
      'netns',
      names.server,
      'type',
      'veth',
      'peer',
      'name',
      links.client,
      'netns',
      names.client,
    );
    for (const side of SIDES) {
      ip('-n', names[side], 'addr', 'add', `${ADDRESSES[side]}/30`, 'dev', links[side]);
      ip('-n', names[side], 'link', 'set', links[side], 'up');
      ip('-n', names[side], 'link', 'set', 'lo', 'up');
    }
  } catch (error) {
    remove();
    throw error;
  }
  const neighbour = (side: Side, verb: 'replace' | 'del'): void => {
    const more = verb === 'replace' ? ['lladdr', NOBODY, 'nud', 'permanent'] : [];
    ip('-n', names[side], 'neigh', verb, ADDRESSES[OTHER[side]], 'dev', links[side], ...more);
  };
  return {
    serverAddress: ADDRESSES.server,
    start: (side, program, args, env) => startChild('ip', ['netns', 'exec', names[side], program, ...args], env),
    cut: () => SIDES.forEach((side) => neighbour(side, 'replace')),
    mend: () => SIDES.forEach((side) => neighbour(side, 'del')),
    remove,
  };
}

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}
