import { eventsV1, hostOrderV1 } from '@lastcall/contracts';
import { failure, isRejected, run as runDecider, type RunHost, type RunSpec } from '@lastcall/kernel';
import { answerFromWire, boundedTo, commandEventsToWire } from './command-events.js';
import { commandOrderOf, commandRun, type CommandRunCommand, type CommandRunState } from './domain/command-run.js';

/*
 * What many hosts have answered is one event, and it has to fit on the bus.
 */

const BUS_BYTES = 1024 * 1024;
const LONG = '☃'.repeat(4_000);

function runOn(count: number): RunSpec {
  const hosts = Array.from({ length: count }, (_, n): RunHost => {
    return { host: `ws-${n}-`.padEnd(63, 'x'), role: 'workstation', mayFollowLater: true };
  });
  return {
    ...{
      run: 'r-1',
      installation: 'berlin',
      job: 'j',
      type: 'run-command',
      kind: 'multi-user',
      product: 'encore',
      hosts,
    },
    ...{
      fromVersion: '11.0.0',
      toVersion: '',
      command: 'reindex',
      reactionTimeMs: 0,
      message: LONG,
      backupMode: 'take',
    },
    ...{ backupMaxAgeMs: 0, fence: 3, nominalAt: 0, startedAt: 0, deadlineAt: 10, requestedBy: '', timeZone: 'UTC' },
    ...{ holdsAllowed: false, whatsNew: '' },
  };
}

/** Everything that was said when all of them have failed at length. */
function saidBy(run: RunSpec) {
  const facts = { output: LONG, run: LONG, exit_code: '3', version: LONG };
  const result = hostOrderV1.OrderResult.fromPartial({ failure: failure('COMMAND_FAILED', LONG, '', facts) });
  const answers = run.hosts.map(({ host }) =>
    answerFromWire(hostOrderV1.HostOrder.fromPartial({ host, order: commandOrderOf(run, host) }), result),
  );
  let state: CommandRunState = commandRun.initial;
  return [{ type: 'begin', run, absentHosts: [] } as CommandRunCommand, ...answers].flatMap((command) => {
    const decision = runDecider(commandRun, state, boundedTo(state, command));
    if (isRejected(decision)) throw new Error(decision.message);
    const { state: after, events } = decision;
    state = after;
    return events.flatMap((event) => commandEventsToWire(event, after));
  });
}

it.each([
  [1, 2_000],
  [30, 2_000],
  [1_000, 60],
])('says of %d hosts up to %d characters each, and fits on the bus', (count, chars) => {
  const said = saidBy(runOn(count));
  expect(Math.max(...said.map(({ data }) => data.byteLength))).toBeLessThan(BUS_BYTES);
  const last = said.at(-1);
  expect(last?.type).toBe('CommandsFailed');
  const { results } = eventsV1.CommandsFailed.decode(last?.data ?? new Uint8Array());
  expect(results).toHaveLength(count);
  expect(results[0]?.output).toHaveLength(chars);
  expect(results[0]?.failure?.facts).toEqual({ exit_code: '3' });
});
