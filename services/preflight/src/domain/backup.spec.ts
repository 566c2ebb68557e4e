import { failure, isRejected, run } from '@lastcall/kernel';
import fc from 'fast-check';
import { backup, type BackupCommand, type BackupEvent, type BackupState } from './backup.js';
import type { BackupFacts } from './facts.js';

const FACTS: BackupFacts = {
  restorePoint: 'rp',
  takenAt: 5,
  sizeBytes: 1,
  sha256: 'x',
  verified: true,
  version: '1.0.0',
};
const take: BackupCommand = { type: 'take', host: 'server', at: 1 };
const finish: BackupCommand = { type: 'finish', backup: FACTS };
const unproven: BackupCommand = { type: 'finish', backup: { ...FACTS, verified: false } };
const fail: BackupCommand = { type: 'fail', failure: failure('DISK_FULL', 'no room'), at: 2 };
const accept: BackupCommand = { type: 'accept', host: '', backup: FACTS };
const refuse: BackupCommand = { type: 'refuse', host: '', failure: failure('BACKUP_TOO_OLD', 'old'), at: 1 };
const abandon: BackupCommand = { type: 'abandon', at: 3 };

function given(...commands: readonly BackupCommand[]): { state: BackupState; events: BackupEvent[] } {
  const events: BackupEvent[] = [];
  let state = backup.initial;
  for (const command of commands) {
    const decision = run(backup, state, command);
    if (isRejected(decision)) throw new Error(decision.message);
    state = decision.state;
    events.push(...decision.events);
  }
  return { state, events };
}

describe('backup', () => {
  it.each<[string, BackupCommand[], BackupState['phase']]>([
    ['is taken', [take, finish], 'taken'],
    ['fails on the host', [take, fail], 'failed'],
    ['does not count when it is not proven', [take, unproven], 'failed'],
    ['accepts one that was made elsewhere', [accept], 'taken'],
    ['refuses one that is too old', [refuse], 'failed'],
    ['is never begun for a cancelled run', [abandon, take, finish], 'abandoned'],
    ['stays failed when the host finishes late', [take, fail, finish], 'failed'],
    ['stays taken when the run is cancelled later', [take, finish, abandon], 'taken'],
    ['ignores results that nobody asked for', [finish], 'none'],
  ])('%s', (_, commands, phase) => expect(given(...commands).state.phase).toBe(phase));

  it('says exactly one outcome and never changes it', () => {
    const command = fc.constantFrom(take, finish, unproven, fail, accept, refuse, abandon);
    fc.assert(
      fc.property(fc.array(command, { maxLength: 12 }), (commands) => {
        const { state, events } = given(...commands);
        const outcomes = events.filter((e) => e.type !== 'begun');
        expect(outcomes.length).toBeLessThanOrEqual(1);
        if (state.phase === 'taken') expect(state.backup.verified).toBe(true);
        expect(events.reduce((s, e) => backup.evolve(s, e), backup.initial)).toEqual(state);
      }),
    );
  });
});
