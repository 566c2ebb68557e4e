import { failure, isRejected, run as runDecider, type RunSpec } from '@lastcall/kernel';
import fc from 'fast-check';
import {
  commandOrderOf,
  commandRun,
  type CommandRunCommand,
  type CommandRunEvent,
  type CommandRunState,
} from './command-run.js';

const host = (name: string) => ({ host: name, role: 'terminal-server', mayFollowLater: true }) as const;
const RUN: RunSpec = {
  ...{ run: 'r-1', installation: 'berlin', job: 'reindex', type: 'run-command', kind: 'multi-user', product: 'encore' },
  ...{ fromVersion: '11.0.0', toVersion: '', command: 'reindex', hosts: [host('a'), host('b')], reactionTimeMs: 0 },
  ...{ message: '', backupMode: 'take', backupMaxAgeMs: 0, fence: 3, nominalAt: 0, startedAt: 0, deadlineAt: 10 },
  ...{ requestedBy: '', timeZone: 'UTC', holdsAllowed: false, whatsNew: '' },
};

const begin: CommandRunCommand = { type: 'begin', run: RUN, absentHosts: [] };
const without = (...absentHosts: string[]): CommandRunCommand => ({ ...begin, absentHosts });
const cancel: CommandRunCommand = { type: 'cancel', run: RUN, requestedBy: 'anna', reason: 'no', expired: false };
const expire: CommandRunCommand = { type: 'expire' };
const answer = (of: string, why?: string): CommandRunCommand => ({
  ...{ type: 'finish-order', host: of, order: commandOrderOf(RUN, of), output: `${of} wrote` },
  ...(why !== undefined && { failure: failure('COMMAND_FAILED', why) }),
});

function given(...commands: readonly CommandRunCommand[]): { state: CommandRunState; events: CommandRunEvent[] } {
  const events: CommandRunEvent[] = [];
  let state = commandRun.initial;
  for (const command of commands) {
    const decision = runDecider(commandRun, state, command);
    if (isRejected(decision)) throw new Error(decision.message);
    state = decision.state;
    events.push(...decision.events);
  }
  return { state, events };
}

const typesOf = (...commands: readonly CommandRunCommand[]) => given(...commands).events.map(({ type }) => type);

describe('the command of a run', () => {
  it.each<[string, CommandRunCommand[], CommandRunEvent['type'][]]>([
    ['waits for every host', [begin, answer('a')], ['begun', 'host-finished']],
    [
      'succeeds with the last host',
      [begin, answer('a'), answer('b')],
      ['begun', 'host-finished', 'host-finished', 'succeeded'],
    ],
    [
      'fails when one has failed, after all have answered',
      [begin, answer('a', 'no'), answer('b')],
      ['begun', 'host-finished', 'host-finished', 'failed'],
    ],
    ['leaves out who is not there', [without('b'), answer('a')], ['begun', 'host-finished', 'succeeded']],
    ['fails when nobody is there', [without('a', 'b')], ['begun', 'failed']],
    ['runs nothing when it was cancelled before', [cancel, begin], ['cancelled']],
    ['goes on when it is cancelled too late', [begin, cancel], ['begun']],
    ['is begun once', [begin, begin], ['begun']],
    ['ends when its time is up', [begin, answer('a'), expire], ['begun', 'host-finished', 'host-finished', 'failed']],
    ['has no time before it has begun', [expire], []],
    ['ignores whom it has not told', [without('b'), answer('b')], ['begun']],
    ['ignores a second answer', [begin, answer('a'), answer('a', 'no')], ['begun', 'host-finished']],
    ['ignores another order', [begin, { ...answer('a'), order: 'r-1.a.install-1' } as CommandRunCommand], ['begun']],
    ['ignores what comes late', [without('b'), expire, answer('a')], ['begun', 'host-finished', 'failed']],
  ])('%s', (_, commands, types) => expect(typesOf(...commands)).toEqual(types));

  it('says which host it was, what it wrote, and on how many it failed', () => {
    const [last] = given(begin, answer('a', 'exit code 3'), answer('b', 'exit code 4')).events.slice(-1);
    const message = 'exit code 3; it wrote: a wrote; it failed on 2 of 2 hosts';
    expect(last).toMatchObject({ type: 'failed', failure: { host: 'a', message } });
    const [silent] = given(without('a'), expire).events.slice(-1);
    expect(silent).toMatchObject({ failure: { reason: 'TIMED_OUT', host: 'b' } });
  });

  it('has one outcome, tells each host once, and never both runs and is cancelled', () => {
    const command = fc.constantFrom(
      ...[begin, without('a'), without('a', 'b'), cancel, expire],
      ...[answer('a'), answer('b'), answer('a', 'no'), answer('b', 'no')],
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 15 }), (commands) => {
        const { state, events } = given(...commands);
        const count = (...types: string[]) => events.filter(({ type }) => types.includes(type)).length;
        expect(count('begun', 'cancelled')).toBeLessThanOrEqual(1);
        expect(count('succeeded', 'failed')).toBe(state.phase === 'ended' ? 1 : 0);
        const hosts = events.flatMap((e) => (e.type === 'host-finished' ? [e.host] : []));
        expect(new Set(hosts).size).toBe(hosts.length);
        if (state.phase === 'ended') expect(hosts.toSorted()).toEqual([...state.hosts].toSorted());
        expect(events.reduce((s, e) => commandRun.evolve(s, e), commandRun.initial)).toEqual(state);
      }),
    );
  });
});
