import { assertNever, failure, type Decider, type Failure, type RunSpec } from '@lastcall/kernel';
import { orderIdOf, type CancelRequest } from './plan-state.js';

/*
 * The command of one run, on all its hosts at once. Owns that a run which was cancelled before the hosts were told runs nothing, that each host is
 * told once, and that the run has one outcome: it is said when the last host has answered, or when the time is up.
 */

export interface HostResult {
  /** Absent when it ended well. */
  readonly failure?: Failure;
  /** The end of what it wrote. */
  readonly output: string;
}

type Results = Readonly<Record<string, HostResult>>;

export type CommandRunState =
  | { readonly phase: 'none' }
  | { readonly phase: 'cancelled'; readonly run: RunSpec }
  /** `hosts`: those that were told. */
  | { readonly phase: 'running'; readonly run: RunSpec; readonly hosts: readonly string[]; readonly results: Results }
  | { readonly phase: 'ended'; readonly run: RunSpec; readonly hosts: readonly string[]; readonly results: Results };

export type CommandRunCommand =
  | { readonly type: 'begin'; readonly run: RunSpec; readonly absentHosts: readonly string[] }
  | ({ readonly type: 'cancel'; readonly run: RunSpec } & CancelRequest)
  | ({ readonly type: 'finish-order'; readonly host: string; readonly order: string } & HostResult)
  /** Its own due time: hosts that have not answered count as silent. */
  | { readonly type: 'expire' };

export type CommandRunEvent =
  | { readonly type: 'begun'; readonly run: RunSpec; readonly hosts: readonly string[] }
  | ({ readonly type: 'cancelled'; readonly run: RunSpec } & CancelRequest)
  | ({ readonly type: 'host-finished'; readonly host: string } & HostResult)
  | { readonly type: 'succeeded' }
  | { readonly type: 'failed'; readonly failure: Failure };

/** Of the order that a host is given. */
export function commandOrderOf({ run }: Pick<RunSpec, 'run'>, host: string): string {
  return orderIdOf(run, host, 'command', 1);
}

function decide(state: CommandRunState, command: CommandRunCommand): readonly CommandRunEvent[] {
  switch (command.type) {
    case 'begin':
      return state.phase === 'none' ? begin(command) : [];
    case 'cancel': {
      // Hosts that were told cannot be told otherwise: the run ends with what they answer.
      if (state.phase !== 'none') return [];
      const { run, requestedBy, reason, expired } = command;
      return [{ type: 'cancelled', run, requestedBy, reason, expired }];
    }
    case 'finish-order': {
      const { type: _, order, host, ...result } = command;
      const isWaitedFor = state.phase === 'running' && state.hosts.includes(host) && !state.results[host];
      if (!isWaitedFor || order !== commandOrderOf(state.run, host)) return [];
      return finished(state, [{ type: 'host-finished', host, ...result }]);
    }
    case 'expire': {
      if (state.phase !== 'running') return [];
      const silent = state.hosts.filter((host) => !state.results[host]);
      return finished(
        state,
        silent.map((host) => ({ type: 'host-finished', host, failure: noAnswer(host), output: '' })),
      );
    }
    default:
      return assertNever(command);
  }
}

function begin({ run, absentHosts }: Extract<CommandRunCommand, { type: 'begin' }>): readonly CommandRunEvent[] {
  const hosts = run.hosts.map(({ host }) => host).filter((host) => !absentHosts.includes(host));
  const begun: CommandRunEvent = { type: 'begun', run, hosts };
  if (hosts.length > 0) return [begun];
  const why = failure('NO_HOST', 'none of the hosts that the command is for is there; nothing was run');
  return [begun, { type: 'failed', failure: why }];
}

type Running = Extract<CommandRunState, { phase: 'running' }>;
type HostFinished = Extract<CommandRunEvent, { type: 'host-finished' }>;

function finished(state: Running, now: readonly HostFinished[]): readonly CommandRunEvent[] {
  const results = now.reduce(withResult, state.results);
  const missing = state.hosts.some((host) => !results[host]);
  if (missing) return now;
  const failed = state.hosts.flatMap((host) => {
    const { failure: why, output = '' } = results[host] ?? {};
    return why ? [{ ...why, host, output }] : [];
  });
  const [first] = failed;
  if (!first) return [...now, { type: 'succeeded' }];
  const { output, ...why } = first;
  const wrote = output.trim() === '' ? '' : `; it wrote: ${output.trim().slice(-TOLD_CHARS)}`;
  const others = failed.length === 1 ? '' : `; it failed on ${failed.length} of ${state.hosts.length} hosts`;
  return [...now, { type: 'failed', failure: { ...why, message: `${why.message}${wrote}${others}` } }];
}

/** Of the output, in the sentence that says how the run ended. */
const TOLD_CHARS = 300;

function noAnswer(host: string): Failure {
  const message = `${host} did not say in time what came of the command; it may have been run: look at the host`;
  return failure('TIMED_OUT', message, host);
}

function withResult(results: Results, { type: _, host, ...result }: HostFinished): Results {
  return { ...results, [host]: result };
}

function evolve(state: CommandRunState, event: CommandRunEvent): CommandRunState {
  switch (event.type) {
    case 'begun':
      return { phase: 'running', run: event.run, hosts: event.hosts, results: {} };
    case 'cancelled':
      return { phase: 'cancelled', run: event.run };
    case 'host-finished':
      return state.phase === 'running' ? { ...state, results: withResult(state.results, event) } : state;
    case 'succeeded':
    case 'failed':
      return state.phase === 'running' ? { ...state, phase: 'ended' } : state;
    default:
      return assertNever(event);
  }
}

export const commandRun: Decider<CommandRunState, CommandRunCommand, CommandRunEvent> = {
  initial: { phase: 'none' },
  decide,
  evolve,
};
