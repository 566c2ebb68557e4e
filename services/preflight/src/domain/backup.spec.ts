import { failure, isRejected, run } from '@lastcall/kernel';
import fc from 'fast-check';
import { backup, type BackupCommand, type BackupEvent, type BackupState } from './backup.js';
import type { BackupFacts, BackupProof } from './facts.js';

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
const proof: BackupProof = { evidence: { kind: 'sha256', sha256: 'x' }, reportedBy: 'anna', reportedAt: 9 };
const report: BackupCommand = { type: 'report', backup: FACTS, proof };
const verify: BackupCommand = { type: 'verify', at: 4 };
const verified: BackupCommand = { type: 'finish-verify', backup: { ...FACTS, verifiedAt: 6 } };
const damaged: BackupCommand = { type: 'fail-verify', failure: failure('BACKUP_CHANGED', 'flipped'), at: 6 };
const noAnswer: BackupCommand = { type: 'fail-verify', failure: failure('TIMED_OUT', 'silent'), at: 6 };
const remove: BackupCommand = { type: 'delete', at: 7 };
const removed: BackupCommand = { type: 'finish-delete', at: 8 };
const notRemoved: BackupCommand = { type: 'fail-delete', failure: failure('TIMED_OUT', 'silent') };
const isNewest: BackupCommand = { type: 'fail-delete', failure: failure('BACKUP_IS_NEWEST', 'kept') };
const noBackup: BackupCommand = { type: 'accept', host: 'server', backup: FACTS };

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
    ['is reported by somebody else, and never touched', [report, take, verify, remove], 'reported'],
    ['counts after it was looked at again', [take, finish, verify, verified], 'taken'],
    ['does not count when it was looked at and is damaged', [take, finish, verify, damaged], 'damaged'],
    ['still counts when nobody could say', [take, finish, verify, noAnswer], 'taken'],
    ['is not damaged by an answer that nobody asked for', [take, finish, damaged], 'taken'],
    ['counts for nothing from the moment when it is to go', [take, finish, remove], 'deleting'],
    ['is deleted', [take, finish, remove, removed], 'deleted'],
    ['is deleted while it is damaged', [take, finish, verify, damaged, remove, removed], 'deleted'],
    [
      'is still to go when the host does not answer, and asked for again',
      [take, finish, remove, notRemoved, remove],
      'deleting',
    ],
    ['stays when it is the newest on its host', [take, finish, remove, isNewest], 'taken'],
    ['is not verified while it goes', [take, finish, remove, verify], 'deleting'],
    ['that only names another one is not deleted', [accept, remove, verify], 'taken'],
  ])('%s', (_, commands, phase) => expect(given(...commands).state.phase).toBe(phase));

  it('says exactly one outcome and never changes it', () => {
    const command = fc.constantFrom(
      ...[take, finish, unproven, fail, accept, refuse, abandon, report, noBackup],
      ...[verify, verified, damaged, noAnswer, remove, removed, notRemoved, isNewest],
    );
    const outcomes = ['taken', 'failed', 'abandoned', 'reported'];
    fc.assert(
      fc.property(fc.array(command, { maxLength: 20 }), (commands) => {
        const { state, events } = given(...commands);
        expect(events.filter((e) => outcomes.includes(e.type)).length).toBeLessThanOrEqual(1);
        if (state.phase === 'taken') expect(state.backup.verified).toBe(true);
        // What was decided to go never comes back by itself, and goes once.
        expect(events.filter((e) => e.type === 'deleted').length).toBeLessThanOrEqual(1);
        const isGone = events.findIndex((e) => e.type === 'deleted' || e.type === 'damaged');
        if (isGone >= 0) expect(events.slice(isGone + 1).some((e) => e.type === 'verified')).toBe(false);
        expect(events.reduce((s, e) => backup.evolve(s, e), backup.initial)).toEqual(state);
      }),
    );
  });
});
