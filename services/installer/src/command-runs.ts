import {
  atToDate,
  failureFromWire,
  failureToWire,
  hostOrderV1,
  outgoing,
  runSpecToWire,
  type EventEnvelope,
  type eventsV1,
  type OutgoingEvent,
} from '@lastcall/contracts';
import { isRejected, run as runDecider, type Failure, type RunSpec } from '@lastcall/kernel';
import type { Change, Collection, StepContext } from '@lastcall/store';
import type { CommandRunDocument } from './documents.js';
import {
  commandOrderOf,
  commandRun,
  type CommandRunCommand,
  type CommandRunEvent,
  type CommandRunState,
} from './domain/command-run.js';
import type { InstallerSettings } from './settings.js';

/*
 * Commands of runs, one document each: what the domain decided as orders to hosts and events, and what is due, in one write.
 */

export interface CommandRuns {
  apply(run: RunSpec, command: CommandRunCommand, envelope: EventEnvelope): Promise<void>;
  /** A host has answered its order. */
  finishOrder(
    order: hostOrderV1.HostOrder,
    result: hostOrderV1.OrderResult | undefined,
    envelope: EventEnvelope,
  ): Promise<void>;
  /** Its own due time may have passed. */
  expire(run: string): Promise<void>;
}

export interface CommandRunsOptions {
  readonly commandRuns: Collection<CommandRunDocument>;
  readonly settings: Pick<InstallerSettings, 'resultGraceMs' | 'planPatienceMs'>;
  readonly onDue: (at: number) => void;
}

type Result = number | undefined;
type Kept = Change<CommandRunDocument, Result>;

const KEEP = { keep: undefined } as const;

export function createCommandRuns({ commandRuns, settings, onDue }: CommandRunsOptions): CommandRuns {
  const take = async (
    run: string,
    envelope: EventEnvelope,
    step: (current: CommandRunDocument | undefined, context: StepContext) => Kept,
  ): Promise<void> => {
    const taken = await commandRuns.take(run, envelope, step);
    if (taken.taken && taken.result !== undefined) onDue(taken.result);
  };
  return {
    apply: ({ run, installation }, command, envelope) =>
      take(run, envelope, (current, { now }) =>
        applied(current ?? { installation, createdAt: now, state: commandRun.initial }, command, settings),
      ),
    finishOrder: (order, result, envelope) =>
      take(order.run, envelope, (current) => (current ? applied(current, finished(order, result), settings) : KEEP)),
    expire: async (run) => {
      await commandRuns.change(run, (current, { now }): Kept => {
        const isOverdue = current?.dueAt !== undefined && current.dueAt <= now;
        return isOverdue ? applied(current, { type: 'expire' }, settings) : KEEP;
      });
    },
  };
}

function finished(
  { host, order }: hostOrderV1.HostOrder,
  result: hostOrderV1.OrderResult | undefined,
): CommandRunCommand {
  const why = result?.failure && failureFromWire(result.failure);
  const evidence = result?.evidence;
  const output = evidence?.$case === 'command' ? evidence.value.output : (why?.facts['output'] ?? '');
  return { type: 'finish-order', host, order, output, ...(why && { failure: why }) };
}

function applied(
  current: CommandRunDocument,
  command: CommandRunCommand,
  settings: CommandRunsOptions['settings'],
): Kept {
  const decision = runDecider(commandRun, current.state, bounded(current.state, command));
  if (isRejected(decision) || decision.events.length === 0) return KEEP;
  const { state } = decision;
  const { dueAt: _, ...rest } = current;
  const dueAt =
    state.phase === 'running' ? state.run.deadlineAt + settings.resultGraceMs + settings.planPatienceMs : undefined;
  const events = decision.events.flatMap((event) => toWire(event, state));
  return { write: { ...rest, state, ...(dueAt !== undefined && { dueAt }) }, events, result: dueAt };
}

const MAX_CHARS = 2_000;
/** Of all hosts together, so that the event of a run has room on the bus. */
const MAX_CHARS_IN_ALL = 60_000;

function bounded(state: CommandRunState, command: CommandRunCommand): CommandRunCommand {
  if (command.type !== 'finish-order' || state.phase !== 'running') return command;
  const max = Math.min(MAX_CHARS, Math.floor(MAX_CHARS_IN_ALL / state.hosts.length));
  const { failure: why, output } = command;
  return { ...command, output: output.slice(-max), ...(why && { failure: boundedFailure(why, max) }) };
}

/** What it wrote is told once, beside the failure. */
function boundedFailure(why: Failure, max: number): Failure {
  const kept = Object.entries(why.facts).filter(([name, value]) => FACTS.includes(name) && value.length <= 40);
  return { ...why, message: why.message.slice(0, max), facts: Object.fromEntries(kept) };
}

const FACTS: readonly string[] = ['exit_code', 'signal', 'timeout_ms', 'step'];

function toWire(event: CommandRunEvent, state: CommandRunState): OutgoingEvent[] {
  if (state.phase === 'none') return [];
  const { installation } = state.run;
  const run = runSpecToWire(state.run);
  switch (event.type) {
    case 'begun': {
      if (event.hosts.length === 0) return [];
      const started = outgoing('CommandsStarted', installation, { run, hosts: [...event.hosts] });
      return [started, ...event.hosts.map((host) => orderFor(state.run, host))];
    }
    case 'cancelled': {
      const { requestedBy, reason, expired } = event;
      return [outgoing('RunCancelled', installation, { run, requestedBy, reason, expired })];
    }
    case 'host-finished':
      return [];
    case 'succeeded':
      return [outgoing('CommandsRun', installation, { run, results: resultsOf(state) })];
    case 'failed': {
      const said = { run, failure: failureToWire(event.failure), results: resultsOf(state) };
      return [outgoing('CommandsFailed', installation, said)];
    }
  }
}

function orderFor(run: RunSpec, host: string): OutgoingEvent {
  const { installation, fence, product, fromVersion: version, command = '' } = run;
  const order = hostOrderV1.HostOrder.create({
    ...{ order: commandOrderOf(run, host), installation, host, run: run.run, fence, issuedBy: 'installer' },
    deadline: atToDate(run.deadlineAt),
    action: { $case: 'runCommand', value: { product, version, command } },
  });
  return outgoing('HostOrderIssued', installation, { order });
}

function resultsOf(state: CommandRunState): eventsV1.CommandResult[] {
  if (state.phase !== 'running' && state.phase !== 'ended') return [];
  return state.hosts.flatMap((host) => {
    const result = state.results[host];
    if (!result) return [];
    return [{ host, output: result.output, failure: result.failure && failureToWire(result.failure) }];
  });
}
