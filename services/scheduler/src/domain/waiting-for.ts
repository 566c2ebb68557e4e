import { assertNever, closedForOf, passesGate, type RunHost } from '@lastcall/kernel';
import type { Phase } from './phases.js';
import { canBeCancelled, type RunState } from './run.js';

/*
 * What an active run waits for, for whom, until when, and what a person can do. A pure function of the run and of what the session
 * service and the installer say at this moment; without them it says less.
 */

export interface Waiting {
  /** One sentence without times. */
  readonly text: string;
  readonly hosts: readonly string[];
  readonly dueAt: number | undefined;
  readonly actions: readonly string[];
}

/** What others know of a run that is under way. Absent: it could not be asked. */
export interface Seen {
  /** Sessions that are inside. */
  readonly inside?: number;
  /** When the sessions that are inside are ended. */
  readonly logoffAt?: number;
  /** Hosts of the run as the installer sees them. */
  readonly hosts?: readonly SeenHost[];
}

export interface SeenHost {
  readonly host: string;
  /** State of its task: `staging`, `installing`, `absent`… */
  readonly state: string;
  /** Step of its order; empty: none. */
  readonly step: string;
  readonly done: number;
  /** 0 when unknown. */
  readonly total: number;
}

type Active = Extract<RunState, { phase: Phase }>;
type What = Pick<Waiting, 'text' | 'hosts'> & { readonly dueAt?: number };

/** Undefined for a run that has ended. */
export function waitingFor(state: RunState, seen: Seen, now: number): Waiting | undefined {
  if (state.phase === 'none' || state.phase === 'ended') return undefined;
  const { text, hosts, dueAt } =
    state.cancelRequested && !hasBegun(state) ? cancelling(state) : phaseText(state, seen, now);
  return { text, hosts, dueAt: dueAt ?? state.spec.deadlineAt, actions: actionsFor(state, hosts) };
}

const hasBegun = ({ phase }: Active): boolean => ['installing', 'commanding', 'reopening'].includes(phase);

function cancelling({ spec }: Active): What {
  const where = closedForOf(spec) === undefined ? ' on the old version' : '';
  const end = passesGate(spec) ? `the gate to be opened${where}` : 'what has begun to end';
  return { text: `its end was asked for: waiting for ${end}`, hosts: [] };
}

function phaseText(state: Active, seen: Seen, now: number): What {
  const { spec } = state;
  const server = spec.hosts.filter(({ role }) => role === 'server').map(({ host }) => host);
  switch (state.phase) {
    case 'preflight':
      return {
        text: `waiting for fresh facts of ${hostList(names(spec.hosts))} and every check`,
        hosts: names(spec.hosts),
      };
    case 'staging':
      return onHosts(spec.hosts, seen, ['staged', 'absent'], 'to download and verify the release');
    case 'draining':
      return draining(state, seen, now);
    case 'closed':
      return closed(state);
    case 'backing-up':
      return { text: `waiting for the data backup and its proof on ${hostList(server)}`, hosts: server };
    case 'confirming':
      return confirming(state);
    case 'installing':
      return installing(state, seen);
    case 'commanding': {
      const hosts = names(spec.hosts).filter((host) => !state.findings.absentHosts.includes(host));
      return { text: `waiting for ${hostList(hosts)} to run ${spec.command ?? 'the command'}`, hosts };
    }
    case 'reopening':
      return reopening(state);
    default:
      return assertNever(state.phase);
  }
}

/** Who was told and has not left yet, until the logoff. */
function draining(state: Active, seen: Seen, now: number): What {
  const { findings } = state;
  const logoffAt = seen.logoffAt ?? findings.logoffAt;
  if (findings.noticeAt === undefined || logoffAt === undefined) {
    return { text: 'waiting for the gate to shut and for the notice to the users', hosts: [] };
  }
  const users = usersInside(seen.inside, findings.told ?? 0);
  if (now < logoffAt) return { text: `the reaction time runs: ${users}`, hosts: [], dueAt: logoffAt };
  return { text: `waiting for the proof that nobody is inside: ${users}`, hosts: [] };
}

function closed({ findings }: Active): What {
  const dueAt = findings.maintenanceEndAt;
  const text = 'the gate is shut for maintenance, nobody is inside: waiting for its end';
  return { text, hosts: [], ...(dueAt !== undefined && { dueAt }) };
}

function usersInside(inside: number | undefined, told: number): string {
  if (inside === undefined) return `${told} ${told === 1 ? 'user was' : 'users were'} told`;
  return `${inside} of ${Math.max(told, inside)} users still logged in`;
}

function confirming({ spec }: Active): What {
  const text = passesGate(spec)
    ? 'waiting for the second proof that the gate is shut and nobody is inside'
    : 'waiting for the install to begin';
  return { text, hosts: [] };
}

const BACK: readonly string[] = ['stopping', 'stopped', 'rolling-back', 'rolled-back', 'quarantined'];

function installing({ spec }: Active, seen: Seen): What {
  const goesBack = seen.hosts?.some(({ state }) => BACK.includes(state)) ?? false;
  const shut = passesGate(spec) ? 'the gate is shut; ' : '';
  const what = goesBack
    ? onHosts(spec.hosts, seen, ['rolled-back', 'quarantined', 'absent'], 'to go back to the old version')
    : onHosts(spec.hosts, seen, ['updated', 'settling', 'absent'], 'to install and be healthy');
  return { ...what, text: `${shut}${what.text}` };
}

function reopening({ spec, ending }: Active): What {
  const terminals = names(spec.hosts.filter(({ role }) => role === 'terminal-server'));
  if (ending?.outcome === 'succeeded' && terminals.length > 0) {
    return { text: `waiting for the first start on ${hostList(terminals)} and for the gate to open`, hosts: terminals };
  }
  return { text: 'waiting for the gate to open', hosts: [] };
}

/** Those that are not there yet, each with how far it is; all of them when nobody knows. */
function onHosts(all: readonly RunHost[], { hosts = [] }: Seen, ready: readonly string[], purpose: string): What {
  const known = new Map(hosts.map((host) => [host.host, host]));
  const missing = all.filter(({ host }) => !ready.includes(known.get(host)?.state ?? ''));
  if (missing.length === 0) return { text: 'every host is there; waiting for the next step', hosts: [] };
  const list = hostList(missing.map(({ host }) => `${host}${howFar(known.get(host))}`));
  return { text: `waiting for ${list} ${purpose}`, hosts: names(missing) };
}

function howFar(host: SeenHost | undefined): string {
  if (!host) return '';
  const percent = host.total > 0 ? ` ${Math.min(100, Math.floor((host.done / host.total) * 100))} %` : '';
  const step = host.step === '' ? host.state : host.step;
  return step === '' ? '' : ` (${step}${percent})`;
}

const LISTED = 5;

function hostList(hosts: readonly string[]): string {
  const more = hosts.length - LISTED;
  const shown = hosts.slice(0, LISTED).join(', ');
  return `host${hosts.length === 1 ? '' : 's'} ${shown}${more > 0 ? ` and ${more} more` : ''}`;
}

function actionsFor(state: Active, hosts: readonly string[]): string[] {
  const { run, installation, holdsAllowed } = state.spec;
  const where = `-i ${installation}`;
  const actions = canBeCancelled(state) ? [`cancel: lastcall run cancel ${run} ${where} --reason "…"`] : [];
  if (state.phase === 'draining') {
    actions.push(`see who is inside: lastcall session list ${where}`);
    if (holdsAllowed) actions.push(`end a hold: lastcall hold list ${where}`);
  }
  if (state.phase === 'closed') actions.push(`end it now: lastcall gate open ${where} --reason "…"`);
  if (hosts.length > 0 && state.phase !== 'preflight') actions.push(`look at the hosts: lastcall host list ${where}`);
  if (state.phase === 'reopening') actions.push(`look at the gate: lastcall gate show ${where}`);
  return actions;
}

const names = (hosts: readonly RunHost[]): string[] => hosts.map(({ host }) => host);
