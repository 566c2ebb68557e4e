import { isRejected, run } from '@lastcall/kernel';
import fc from 'fast-check';
import { approvalOf, job, skipOf, type JobCommand, type JobDefinition, type JobState } from './job.js';
import { sampleDefinition } from '../testing/sample-definition.js';

const DEFINITION = sampleDefinition();
const create: JobCommand = { type: 'create', definition: DEFINITION };
const enabling = { dueAt: 100, now: 50, by: 'anna' };
const enable: JobCommand = { type: 'enable', ...enabling };
const disable: JobCommand = { type: 'disable' };
const advance: JobCommand = { type: 'advance', nominalAt: 100 };
const goOn: JobCommand = { type: 'advance', nominalAt: 100, nextDueAt: 300 };
const remove: JobCommand = { type: 'delete' };
const postpone: JobCommand = {
  type: 'postpone',
  nominalAt: 100,
  localTime: '2026-11-29T22:00:00',
  dueAt: 200,
  by: 'anna',
};
const edit = (change: Partial<JobDefinition>): JobCommand => ({
  type: 'edit',
  definition: { ...DEFINITION, ...change },
});

const idle = edit({
  start: {
    ...{ kind: 'when-idle', idleMinutes: 10 },
    ...{ windowOpens: '2026-11-28T20:00:00', windowCloses: '2026-11-28T23:00:00' },
  },
});
const look = (lookedFor: number, nextAt: number): JobCommand => ({
  ...{ type: 'look', lookedFor, nextAt },
  watch: { lookedAt: lookedFor, longestMs: 0 },
});
const skipNext: Extract<JobCommand, { type: 'skip-next' }> = { type: 'skip-next', by: 'otto', undo: false, now: 60 };
const ask: Extract<JobCommand, { type: 'enable' }> = { ...enabling, type: 'enable', needsApproval: true };
const approve: Extract<JobCommand, { type: 'approve' }> = { ...enabling, type: 'approve', by: 'berta' };
const refuse: JobCommand = { type: 'reject', by: 'berta', reason: 'not in that week' };
const unskip: JobCommand = { ...skipNext, undo: true };
const series = edit({ start: { kind: 'series', cron: '0 22 * * *' } });

function given(...commands: readonly JobCommand[]) {
  let state: JobState = job.initial;
  const refused: string[] = [];
  for (const command of commands) {
    const decision = run(job, state, command);
    if (isRejected(decision)) refused.push(decision.reason);
    else ({ state } = decision);
  }
  return { state, refused };
}

describe('job', () => {
  it('is created disabled', () => expect(given(create).state).toMatchObject({ phase: 'disabled', revision: 1 }));
  it('is created once', () => expect(given(create, create).refused).toEqual(['ALREADY_EXISTS']));
  it('fires once at its time', () => {
    expect(given(create, enable).state).toMatchObject({ phase: 'enabled', dueAt: 100, enabledBy: 'anna' });
    expect(given(create, enable, advance, advance).state.phase).toBe('done');
  });
  it('goes on as a series, until that is over', () => {
    const { state } = given(create, series, enable, goOn, goOn);
    expect(state).toMatchObject({ phase: 'enabled', dueAt: 300, firedFor: 100, revision: 2 });
    expect(given(create, series, enable, goOn, { type: 'advance', nominalAt: 300 }).state.phase).toBe('done');
  });
  it('waits for nobody to be logged in, from look to look, and fires once', () => {
    const looked = given(create, idle, enable, look(100, 115));
    expect(looked.state).toMatchObject({ phase: 'enabled', dueAt: 115, watch: { lookedAt: 100 } });
    // Of a replica that was late, and of one whose clock stands.
    expect(given(create, idle, enable, look(100, 115), look(100, 130), look(115, 115)).state).toEqual(looked.state);
    expect(given(create, idle, enable, look(100, 115), { ...advance, nominalAt: 115 }).state.phase).toBe('done');
    expect(given(create, enable, look(100, 115)).state).toMatchObject({ dueAt: 100 });
    expect(given(create, idle, { ...enable, lastAt: 50 }).refused).toEqual(['TIME_IN_THE_PAST']);
    expect(given(create, idle, { ...enable, dueAt: 50, lastAt: 51 }).state.phase).toBe('enabled');
    expect(given(create, idle, enable, look(100, 115), disable, enable).state).not.toHaveProperty('watch');
  });
  it('passes over its next time once, and says who said so', () => {
    const skipped = given(create, series, enable, skipNext, skipNext);
    expect(skipped.state).toMatchObject({ skip: { at: 100, by: 'otto' } });
    expect(skipOf(skipped.state)).toEqual({ at: 100, by: 'otto' });
    expect(given(create, series, enable, skipNext, goOn).state).not.toHaveProperty('skip');
    expect(given(create, series, enable, skipNext, unskip, unskip).state).toEqual(given(create, series, enable).state);
    expect(given(create, series, enable, unskip).state).not.toHaveProperty('skip');
    expect(given(create, series, enable, skipNext, disable, enable).state).not.toHaveProperty('skip');
    expect(
      given(create, series, enable, goOn, skipNext, postpone, { ...advance, nominalAt: 200, nextDueAt: 300 }).state,
    ).toMatchObject({ dueAt: 300, skip: { at: 300 } });
  });
  it('waits for a second person where that is needed, and is enabled in the name of the first', () => {
    const waiting = given(create, ask, ask);
    expect(waiting.state).toMatchObject({ phase: 'waiting', askedBy: 'anna', askedAt: 50, revision: 1 });
    expect(given(create, ask, { ...approve, by: 'anna' }).refused).toEqual(['SAME_PERSON']);
    const agreed = { phase: 'enabled', dueAt: 100, enabledBy: 'anna', approvedBy: 'berta' };
    expect(given(create, ask, approve).state).toMatchObject(agreed);
    expect(given(create, ask, edit({ title: 'x' }), approve).state).toMatchObject(agreed);
    expect(given(create, ask, { ...approve, dueAt: 50 }).refused).toEqual(['TIME_IN_THE_PAST']);
    expect(given(create, ask, approve, approve).refused).toEqual(['NOT_WAITING']);
    // The installation demands it no longer.
    expect(given(create, ask, enable).state).toMatchObject({ phase: 'enabled', enabledBy: 'anna' });
  });
  it('is refused by whoever, with the reason, and taken back', () => {
    const because = 'berta rejected it: not in that week';
    expect(given(create, ask, refuse).state).toMatchObject({ phase: 'disabled', revision: 2, because });
    expect(given(create, ask, disable).state).toMatchObject({ phase: 'disabled', revision: 2 });
    expect(given(create, ask, edit({ version: '11.1.0' }), approve).refused).toEqual(['NOT_WAITING']);
    expect(given(create, refuse).refused).toEqual(['NOT_WAITING']);
    expect(given(approve, refuse).refused).toEqual(['NOT_FOUND', 'NOT_FOUND']);
  });
  it('stays approved until it is edited or disabled', () => {
    for (const after of [[advance], [advance, postpone], [postpone]]) {
      expect(approvalOf(given(create, ask, approve, ...after).state)).toEqual({ approvedBy: 'berta' });
    }
    expect(approvalOf(given(create, series, ask, approve, goOn, postpone).state)).toEqual({ approvedBy: 'berta' });
    for (const after of [disable, edit({ version: '11.1.0' })]) {
      expect(approvalOf(given(create, ask, approve, after).state)).toEqual({});
    }
  });
  it('is never enabled without a second person where that is needed', () => {
    const command = fc.oneof(
      fc.constantFrom(create, disable, advance, remove, postpone, series, goOn, refuse, skipNext, unskip),
      fc.constantFrom('anna', 'berta').map((by): JobCommand => ({ ...approve, by })),
      fc.constantFrom('anna', 'berta').map((by): JobCommand => ({ ...ask, by })),
      fc.constantFrom('1.0.0', '2.0.0').map((version) => edit({ version })),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const { state } = given(...commands);
        if (state.phase !== 'enabled') return;
        expect(state.approvedBy).toBeDefined();
        expect(state.approvedBy).not.toBe(state.enabledBy);
      }),
    );
  });
  it.each<[string, readonly JobCommand[], string]>([
    ['is disabled', [create], 'NO_NEXT_TIME'],
    ['is done', [create, enable, advance], 'NO_NEXT_TIME'],
    ['starts at once', [create, edit({ start: { kind: 'immediate' } }), enable], 'NO_NEXT_TIME'],
    ['waits for nobody to be there', [create, idle, enable], 'NO_NEXT_TIME'],
    ['is not there', [], 'NOT_FOUND'],
    ['is due', [create, { ...enable, dueAt: 60 }], 'DUE_ALREADY'],
  ])('has no next time to be skipped when it %s', (_, commands, reason) => {
    expect(given(...commands, { ...skipNext, now: 60 }).refused).toEqual([reason]);
  });
  it('has no second time unless it is a series', () => expect(given(create, enable, goOn).state.phase).toBe('done'));
  it('never goes back in a series', () => {
    expect(given(create, series, enable, { ...goOn, nextDueAt: 100 }).state.phase).toBe('done');
  });
  it('comes sooner when a run of a series was postponed, and keeps its series', () => {
    const start = { kind: 'series' };
    const sooner = { phase: 'enabled', dueAt: 200, revision: 2, definition: { start } };
    expect(given(create, series, enable, goOn, postpone, postpone).state).toMatchObject(sooner);
    // The run can end before the firing has been taken off the job.
    expect(given(create, series, enable, postpone, goOn).state).toMatchObject(sooner);
    const asSoon = { ...goOn, nextDueAt: 150 } as const;
    expect(given(create, series, enable, asSoon, postpone).state).toMatchObject({ ...sooner, dueAt: 150 });
  });
  it('does not fire at another time', () => {
    expect(given(create, enable, { type: 'advance', nominalAt: 99 }).state.phase).toBe('enabled');
  });
  it('cannot be enabled for a time in the past', () => {
    expect(given(create, { ...enable, dueAt: 50 }).refused).toEqual(['TIME_IN_THE_PAST']);
  });
  it('may be immediate now', () => {
    const immediate = edit({ start: { kind: 'immediate' } });
    expect(given(create, immediate, { ...enable, dueAt: 50 }).state.phase).toBe('enabled');
  });
  it('has another revision when it is enabled again, so the same time is another firing', () => {
    expect(given(create, enable, disable, enable).state).toMatchObject({ phase: 'enabled', revision: 2 });
  });
  it('says why it was disabled by no person, until it is edited or enabled again', () => {
    const stop: JobCommand = { type: 'disable', because: 'withdrawn' };
    expect(given(create, enable, stop).state).toMatchObject({ phase: 'disabled', because: 'withdrawn' });
    expect(given(create, enable, stop, edit({ title: 'x' })).state).toHaveProperty('because', 'withdrawn');
    for (const after of [edit({ version: '11.1.0' }), enable]) {
      expect(given(create, enable, stop, after).state).not.toHaveProperty('because');
    }
    expect(given(create, stop).state).not.toHaveProperty('because');
  });
  it('stays enabled after a harmless edit and is disabled by any other', () => {
    expect(given(create, enable, edit({ title: 'x', remarks: 'y' })).state.phase).toBe('enabled');
    expect(given(create, enable, edit({ version: '11.1.0' })).state).toMatchObject({ phase: 'disabled', revision: 2 });
  });
  it('does not exist before it is created', () => {
    expect(given(enable, disable, edit({})).refused).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND']);
  });
  it('comes to its turn at another time when its run was postponed, once', () => {
    const later = { phase: 'enabled', dueAt: 200, revision: 2, enabledBy: 'anna' };
    const moved = { definition: { start: { localTime: '2026-11-29T22:00:00' } } };
    expect(given(create, enable, advance, postpone, postpone).state).toMatchObject({ ...later, ...moved });
    // The run can end before the firing has been taken off the job.
    expect(given(create, enable, postpone, advance).state).toMatchObject(later);
  });
  it.each<[string, readonly JobCommand[], number]>([
    ['was disabled since', [create, enable, disable], 100],
    ['was edited since', [create, enable, advance, edit({ version: '11.1.0' })], 100],
    ['was deleted since', [create, enable, advance, remove], 100],
    ['was started by hand', [create, enable, advance], 99],
    ['has another time since', [create, enable, disable, { ...enable, dueAt: 150 }], 100],
    ['is done with another time', [create, { ...enable, dueAt: 150 }, { ...advance, nominalAt: 150 }], 100],
  ])('is not moved when it %s', (_, commands, nominalAt) => {
    expect(given(...commands, { ...postpone, nominalAt }).state).toEqual(given(...commands).state);
  });
  it('is deleted, and never repeats a revision when it is created again', () => {
    expect(given(create, remove, remove).refused).toEqual(['NOT_FOUND']);
    expect(given(create, enable, disable, remove, create).state).toMatchObject({ phase: 'disabled', revision: 3 });
  });

  it('never fires while disabled and never fires one revision and time twice', () => {
    const command = fc.oneof(
      fc.constantFrom(create, disable, advance, remove, postpone, series, goOn, idle, look(100, 115), skipNext, unskip),
      fc.nat(200).map((dueAt): JobCommand => ({ type: 'enable', dueAt, now: 50, by: 'a' })),
      fc.constantFrom('a', 'b').map((title) => edit({ title })),
      fc.constantFrom('1.0.0', '2.0.0').map((version) => edit({ version })),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        let state: JobState = job.initial;
        const fired = new Set<string>();
        for (const c of commands) {
          const decision = run(job, state, c);
          if (isRejected(decision)) continue;
          if (decision.events.some((e) => e.type === 'finished' || e.type === 'advanced')) {
            expect(state.phase).toBe('enabled');
            const key = state.phase === 'enabled' ? `${state.revision}/${state.dueAt}` : '';
            expect(fired.has(key)).toBe(false);
            fired.add(key);
          }
          ({ state } = decision);
        }
      }),
    );
  });
});
