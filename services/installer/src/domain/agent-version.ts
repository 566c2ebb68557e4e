import { reject, type Rejected } from '@lastcall/kernel';

/*
 * Which agents may connect. An agent of a version that this service does not know is welcome, because messages and
 * fields that one side does not know are survived; only one that is older than the operator's limit is turned away.
 */

type Numbers = readonly [number, number, number];

function numbersOf(version: string): Numbers | undefined {
  const found = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?=$|[-+])/.exec(version);
  return found ? [Number(found[1]), Number(found[2]), Number(found[3])] : undefined;
}

function isBelow(a: Numbers, b: Numbers): boolean {
  const i = a.findIndex((n, at) => n !== b[at]);
  return i >= 0 && (a[i] ?? 0) < (b[i] ?? 0);
}

/** Why this agent may not connect; undefined when it may. `minimum` empty: no limit. Prereleases count as their release. */
export function refuseAgentVersion(version: string, minimum: string): Rejected | undefined {
  const wanted = numbersOf(minimum);
  if (!wanted) return undefined;
  const found = numbersOf(version);
  if (found && !isBelow(found, wanted)) return undefined;
  const has = found ? version : `an unreadable version (${JSON.stringify(version.slice(0, 40))})`;
  const message = `the agent has ${has}; at least ${minimum} is needed here: update lastcall-agent on this host`;
  return reject('refused', 'AGENT_TOO_OLD', message, { facts: { minimum } });
}
