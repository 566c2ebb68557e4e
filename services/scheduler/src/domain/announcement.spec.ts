import { isRejected, run } from '@lastcall/kernel';
import fc from 'fast-check';
import {
  announcementAfter,
  announcementAfterFate,
  isSameAnnouncement,
  type Announcement,
  type AnnouncementEnd,
} from './announcement.js';
import { job, skipOf, type JobCommand, type JobDefinition, type JobState } from './job.js';
import { sampleDefinition } from '../testing/sample-definition.js';

const DEFINITION = sampleDefinition({ version: '11.1.0', message: 'New reports.', holdsAllowed: true });

type Step = JobCommand | { readonly type: 'fate'; readonly nominalAt: number; readonly end: AnnouncementEnd };

const create: Step = { type: 'create', definition: DEFINITION };
const enable = (dueAt = 100): Step => ({ type: 'enable', dueAt, now: 50, by: 'anna' });
const edit = (change: Partial<JobDefinition>): Step => ({ type: 'edit', definition: { ...DEFINITION, ...change } });
const disable: Step = { type: 'disable' };
const skipNext = (undo = false): Step => ({ type: 'skip-next', by: 'otto', undo, now: 60 });
const remove: Step = { type: 'delete' };
const advance = (nominalAt = 100, nextDueAt?: number): Step => ({
  ...{ type: 'advance', nominalAt },
  ...(nextDueAt !== undefined && { nextDueAt }),
});
const series = edit({ start: { kind: 'series', cron: '0 22 * * *' } });
const fate = (end: AnnouncementEnd, nominalAt = 100): Step => ({ type: 'fate', nominalAt, end });
const postpone: Step = {
  type: 'postpone',
  nominalAt: 100,
  localTime: '2026-11-29T22:00:00',
  dueAt: 200,
  by: 'anna',
};

type Said = number | AnnouncementEnd;

/** What the users are told in the course of these steps: a time, or why it does not stand any more. */
function said(steps: readonly Step[], kind: 'multi-user' | 'single-user' = 'multi-user') {
  let state: JobState = job.initial;
  let announced: Announcement | undefined;
  const told: Said[] = [];
  for (const step of steps) {
    const after = (): Announcement | undefined => {
      if (step.type === 'fate') return announcementAfterFate(announced, step.nominalAt, state);
      const decision = run(job, state, step);
      if (isRejected(decision) || decision.events.length === 0) return announced;
      const before = state;
      ({ state } = decision);
      return announcementAfter(announced, before, state, kind);
    };
    const next = after();
    const end = step.type === 'fate' ? step.end : 'cancelled';
    if (!isSameAnnouncement(announced, next)) told.push(next ? next.startAt : end);
    announced = next;
  }
  return { told, state, announced };
}

describe('what a job announces', () => {
  it.each<[string, Step[], Said[]]>([
    ['nothing before it is enabled', [create], []],
    ['its time when it is enabled', [create, enable()], [100]],
    ['that it is off when it is disabled', [create, enable(), disable], [100, 'cancelled']],
    ['that it is off when it is edited', [create, enable(), edit({ version: '11.2.0' })], [100, 'cancelled']],
    ['nothing new for an edit that changes nothing for users', [create, enable(), edit({ title: 'x' })], [100]],
    ['that it is off when it is deleted', [create, enable(), remove], [100, 'cancelled']],
    ['another time', [create, enable(), edit({ remarks: '', version: '' }), enable(150)], [100, 'cancelled', 150]],
    ['nothing when it fires, before the firing has its fate', [create, enable(), advance()], [100]],
    ['that it has begun', [create, enable(), advance(), fate('started')], [100, 'started']],
    ['that it is off when the firing is skipped', [create, enable(), advance(), fate('cancelled')], [100, 'cancelled']],
    ['the same once', [create, enable(), advance(), fate('started'), fate('started')], [100, 'started']],
    ['nothing for a start by hand, and its own time stays', [create, enable(), fate('started', 77)], [100]],
    [
      'its next time when it was postponed',
      [create, enable(), advance(), fate('started'), postpone],
      [100, 'started', 200],
    ],
    [
      'the next time of a series when the firing before has its fate, and not earlier',
      [create, series, enable(), advance(100, 300), fate('started'), advance(300, 500), fate('cancelled', 300)],
      [100, 300, 500],
    ],
    [
      'the time of a series that is sooner because it was postponed',
      [create, series, enable(), advance(100, 300), fate('started'), postpone],
      [100, 300, 200],
    ],
    [
      'that a series is off when it is disabled',
      [create, series, enable(), advance(100, 300), fate('started'), disable],
      [100, 300, 'cancelled'],
    ],
    ['that its next time is off when it is skipped', [create, enable(), skipNext()], [100, 'cancelled']],
    ['its time again when it is not', [create, enable(), skipNext(), skipNext(true)], [100, 'cancelled', 100]],
    [
      'the time of a series after the one that is skipped',
      [create, series, enable(), skipNext(), advance(100, 300), fate('cancelled')],
      [100, 'cancelled', 300],
    ],
    ['nothing for a start at once', [create, edit({ start: { kind: 'immediate' } }), enable()], []],
    ['a maintenance window', [create, edit({ type: 'maintenance-window' }), enable()], [100]],
    ['nothing for a backup', [create, edit({ type: 'data-backup' }), enable()], []],
    [
      'what the firing becomes, when it is edited in between',
      [create, enable(), advance(), edit({ message: 'x' }), fate('started')],
      [100, 'started'],
    ],
  ])('%s', (_, steps, expected) => expect(said(steps).told).toEqual(expected));

  it('says nothing where one person works', () =>
    expect(said([create, enable(), disable], 'single-user').told).toEqual([]));

  it('always stands as it was said last, whatever comes in whatever order', () => {
    const step = fc.oneof(
      fc.constantFrom(
        create,
        disable,
        remove,
        postpone,
        series,
        skipNext(),
        skipNext(true),
        advance(100, 150),
        advance(150, 200),
      ),
      fc.constantFrom(100, 150, 200).map((at) => enable(at)),
      fc.constantFrom(100, 150, 200).map((at) => advance(at)),
      fc.constantFrom(edit({ title: 'x' }), edit({ message: 'x' }), edit({ start: { kind: 'immediate' } })),
      fc.tuple(fc.constantFrom<AnnouncementEnd>('started', 'cancelled'), fc.constantFrom(100, 150, 200)).map(([end, at]) => fate(end, at)), // prettier-ignore
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { told, state, announced } = said(steps);
        const last = told.at(-1);
        expect(typeof last === 'number' ? last : undefined).toBe(announced?.startAt);
        // An end is said of something that was announced, once.
        told.forEach((what, i) => typeof what === 'string' && expect(typeof told[i - 1]).toBe('number'));
        const isTime = state.phase === 'enabled' && state.definition.start.kind === 'time' && !skipOf(state);
        if (isTime && last !== 'started') {
          // A fate for its due time can only come from a firing of that time.
          const settled = steps.some((s) => s.type === 'fate' && s.nominalAt === state.dueAt);
          if (!settled) expect(last).toBe(state.dueAt);
        }
        if (state.phase === 'none') expect(announced).toBeUndefined();
      }),
    );
  });
});
