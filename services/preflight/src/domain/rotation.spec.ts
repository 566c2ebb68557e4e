import { failure } from '@lastcall/kernel';
import fc from 'fast-check';
import type { BackupState } from './backup.js';
import type { BackupFacts } from './facts.js';
import { protections, surplus, type Protection, type RotationPoint } from './rotation.js';

const NOBODY: ReadonlyMap<string, Protection> = new Map();

function facts(at: number): BackupFacts {
  return { restorePoint: `rp-${at}`, takenAt: at, sizeBytes: 1, sha256: '', verified: true, version: '1.0.0' };
}

const STATES: Readonly<Record<string, (at: number) => BackupState>> = {
  taken: (at) => ({ phase: 'taken', host: 'srv', backup: facts(at) }),
  named: (at) => ({ phase: 'taken', host: '', backup: facts(at) }),
  damaged: (at) => ({ phase: 'damaged', host: 'srv', backup: facts(at), failure: failure('BACKUP_CHANGED', ''), at }),
  deleting: (at) => ({ phase: 'deleting', host: 'srv', backup: facts(at), begunAt: at }),
  deleted: (at) => ({ phase: 'deleted', host: 'srv', backup: facts(at), at }),
  failed: (at) => ({ phase: 'failed', host: 'srv', failure: failure('DISK_FULL', ''), at }),
  taking: (at) => ({ phase: 'taking', host: 'srv', begunAt: at }),
  reported: (at) => ({
    phase: 'reported',
    backup: facts(at),
    proof: { evidence: { kind: 'sha256', sha256: '' }, reportedBy: 'anna', reportedAt: at },
  }),
};

/** The first is the oldest. */
function points(...names: readonly string[]): RotationPoint[] {
  return names.map((name, i) => ({
    restorePoint: `rp-${i}`,
    state: STATES[name]?.(i) ?? { phase: 'none' },
    createdAt: i,
  }));
}

describe('rotation', () => {
  it.each<[string, string[], number, string[]]>([
    ['removes nothing while there are not too many', ['taken', 'taken'], 2, []],
    ['removes the oldest first', ['taken', 'taken', 'taken', 'taken'], 2, ['rp-0', 'rp-1']],
    [
      'does not count what failed, is being taken or has gone',
      ['taken', 'failed', 'deleted', 'taking', 'taken'],
      2,
      [],
    ],
    ['keeps damaged ones as long as older good ones', ['taken', 'damaged', 'taken'], 2, []],
    ['removes damaged ones with those that are older than the kept', ['damaged', 'taken', 'taken'], 2, ['rp-0']],
    ['does not count damaged ones as kept', ['taken', 'damaged', 'damaged'], 1, []],
    ['asks again for what was not confirmed', ['deleting', 'taken'], 5, ['rp-0']],
    ['leaves alone what somebody else has made', ['reported', 'named', 'taken', 'taken'], 1, ['rp-2']],
  ])('%s', (_, names, keep, gone) => expect(surplus(points(...names), keep, NOBODY)).toEqual(gone));

  it('counts the restore points of a job by themselves where its newest run has a number', () => {
    const of = (job: string, keep?: number) => ({ job, ...(keep !== undefined && { keep }) });
    const whose = [
      of('nightly'),
      of('nightly', 1),
      of('weekly'),
      {},
      of('nightly', 2),
      of('nightly', 1),
      of('weekly'),
      {},
    ];
    const all = points(...whose.map(() => 'taken')).map((point, i) => ({ ...point, ...whose[i] }));
    // Of the job one, the newest; of the others three.
    expect(surplus(all, 3, NOBODY)).toEqual(['rp-0', 'rp-1', 'rp-2', 'rp-4']);
    expect(surplus(all, 4, NOBODY)).toEqual(['rp-0', 'rp-1', 'rp-4']);
  });

  it('leaves what a run or a job may need, and says why', () => {
    const needed = new Map<string, Protection>([
      ['rp-0', 'job'],
      ['rp-1', 'run'],
    ]);
    const all = points('taken', 'taken', 'taken', 'taken');
    expect(surplus(all, 1, needed)).toEqual(['rp-2']);
    expect([...protections(all, needed)]).toEqual([
      ['rp-0', 'job'],
      ['rp-1', 'run'],
      ['rp-3', 'newest'],
    ]);
  });

  it('never removes the newest proven one, nor a needed one, and leaves no more than are kept otherwise', () => {
    const names = fc.array(fc.constantFrom(...Object.keys(STATES)), { maxLength: 30 });
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 10 }), fc.array(fc.nat(30)), (chosen, keep, ids) => {
        const all = points(...chosen);
        const needed = new Map(ids.map((i): [string, Protection] => [`rp-${i}`, 'run']));
        const gone = surplus(all, keep, needed);
        const newest = all.findLast(({ state }) => state.phase === 'taken' && state.host !== '');
        expect(gone).not.toContain(newest?.restorePoint);
        const isUnconfirmed = (name: string): boolean =>
          all.find(({ restorePoint }) => restorePoint === name)?.state.phase === 'deleting';
        expect(gone.filter((name) => needed.has(name) && !isUnconfirmed(name))).toEqual([]);
        const stays = all.filter(
          (p) => p.state.phase === 'taken' && p.state.host !== '' && !gone.includes(p.restorePoint),
        );
        expect(stays.filter((p) => !needed.has(p.restorePoint)).length).toBeLessThanOrEqual(keep);
        // What is removed is as old as it gets: again finds nothing more.
        const left = all.filter((p) => !gone.includes(p.restorePoint));
        expect(surplus(left, keep, needed)).toEqual([]);
      }),
    );
  });
});
