import {
  atToDate,
  failureFromWire,
  failureToWire,
  hostOrderV1,
  outgoing,
  runSpecToWire,
  type eventsV1,
  type OutgoingEvent,
} from '@lastcall/contracts';
import type { Failure, RunSpec } from '@lastcall/kernel';
import {
  commandOrderOf,
  type CommandRunCommand,
  type CommandRunEvent,
  type CommandRunState,
} from './domain/command-run.js';

/*
 * The command of a run on the wire: what hosts answer, within bounds, and what was decided as orders and events.
 */

export function answerFromWire(
  { host, order }: hostOrderV1.HostOrder,
  result: hostOrderV1.OrderResult | undefined,
): CommandRunCommand {
  const why = result?.failure && failureFromWire(result.failure);
  const evidence = result?.evidence;
  const output = evidence?.$case === 'command' ? evidence.value.output : (why?.facts['output'] ?? '');
  return { type: 'finish-order', host, order, output, ...(why && { failure: why }) };
}

const MAX_CHARS = 2_000;
/** Of all hosts together, so that the event of a run has room on the bus. */
const MAX_CHARS_IN_ALL = 60_000;

/** What a host has answered, so short that what all of them have answered can be told. */
export function boundedTo(state: CommandRunState, command: CommandRunCommand): CommandRunCommand {
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

/** `state`: after all events of the decision. */
export function commandEventsToWire(event: CommandRunEvent, state: CommandRunState): OutgoingEvent[] {
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
    traceparent: run.traceparent ?? '',
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
