import { reject, type Rejected } from '@lastcall/kernel';
import { reopen } from './answers.js';
import { evolveGate } from './gate-evolve.js';
import type { GateCommand, GateEvent } from './gate-messages.js';
import type { FirstStart, FirstStarts, GateState } from './gate-state.js';

/*
 * The proof that the client runs on a terminal server: an attach from that host with its code and the right version. The agent makes
 * it by the manifest's `firstStart`; where that fails or there is none, the host is given up with an alarm, the others go on, and a
 * person starts the client with the same code whenever it is convenient. Nobody is let in on the host before.
 */

type Command<T extends GateCommand['type']> = Extract<GateCommand, { type: T }>;
type Decision = readonly GateEvent[] | Rejected;

/** Id of the order; the same when the step is decided again. */
function firstStartOrderId(run: string, host: string): string {
  return `${run}.${host}.first-start-1`;
}

export function firstStartsOf({ run, absentHosts, codes, giveUpAt }: Command<'update'>): FirstStarts {
  const hosts = run.hosts.filter(({ host, role }) => role === 'terminal-server' && !absentHosts.includes(host));
  const start = (host: string): FirstStart => ({
    state: 'waiting',
    order: firstStartOrderId(run.run, host),
    code: codes[host] ?? '',
    version: run.toVersion,
    run,
    giveUpAt,
    reason: '',
  });
  return Object.fromEntries(hosts.map(({ host }) => [host, start(host)]));
}

export function proveFirstStart(gate: GateState, { host, code, version, at }: Command<'prove-first-start'>): Decision {
  const start = gate.firstStarts[host];
  if (!start || code === '' || start.code !== code) {
    const message = 'This first start is not expected here: its code is not known, or for another host.';
    return reject('refused', 'FIRST_START_UNKNOWN', message, { facts: { host } });
  }
  if (version !== start.version) {
    const message = `The client has version ${version}, but ${start.version} was installed on this host.`;
    return reject('refused', 'WRONG_VERSION', message, { facts: { host, version, wanted: start.version } });
  }
  if (start.state === 'proven') return [];
  return settled(gate, [{ type: 'first-start-proven', host }], at);
}

export function finishFirstStartOrder(gate: GateState, command: Command<'finish-first-start-order'>): Decision {
  const { order, failure: why, at, settleMs } = command;
  const [host, start] = Object.entries(gate.firstStarts).find(([, s]) => s.order === order) ?? [];
  if (host === undefined || start?.state !== 'waiting') return [];
  if (why) return settled(gate, [givenUp(host, why.message || why.reason)], at);
  const giveUpAt = at + settleMs;
  return giveUpAt < start.giveUpAt ? [{ type: 'first-start-settling', host, giveUpAt }] : [];
}

export function giveUpLateStarts(gate: GateState, at: number): readonly GateEvent[] {
  const late = Object.entries(gate.firstStarts).filter(([, s]) => s.state === 'waiting' && s.giveUpAt <= at);
  const events = late.map(([host]) => givenUp(host, 'Its first start was not proven in time.'));
  return settled(gate, events, at);
}

function givenUp(host: string, why: string): GateEvent {
  const reason = `${why} An administrator has to start the client there once.`;
  return { type: 'first-start-given-up', host, reason };
}

/** Opens the gate when no host is waited for any more. */
function settled(gate: GateState, events: readonly GateEvent[], at: number): readonly GateEvent[] {
  const next = events.reduce(evolveGate, gate);
  if (next.phase !== 'reopening' || next.cause.by !== 'run') return events;
  if (Object.values(next.firstStarts).some((start) => start.state === 'waiting')) return events;
  return [...events, ...reopen(next, { run: next.cause.run, outcome: 'succeeded' }, at)];
}

/** What a person needs to start the client on a host that is shut. */
export function expectedFirstStart(gate: GateState, host: string): FirstStart | Rejected {
  const start = gate.firstStarts[host];
  if (start && start.state !== 'proven') return start;
  const message = start
    ? `The first start on ${host} is proven already.`
    : `The host ${host} does not wait for a first start.`;
  return reject('refused', 'NO_FIRST_START', message, { facts: { host } });
}
