import { failure, isRejected, type Rejected } from '@lastcall/kernel';
import fc from 'fast-check';
import {
  MAX_HISTORY,
  seatDecider,
  workOf,
  type SeatBook,
  type SeatCommand,
  type SeatState,
  type SeatUpdate,
} from './seat-update.js';

const update = (more: Partial<SeatUpdate> = {}): SeatUpdate => ({
  ...{ id: 'seat-1', fromVersion: '11.0.0', version: '11.1.0', title: 'Encore', notes: '', begunAt: 5 },
  ...more,
});
const WITHOUT_BACKUP = update({ skipBackup: 'the data is on a server' });
const PROBLEM = failure('SOME_REASON', 'it did not work');

const begin = (what = update()): SeatCommand => ({ type: 'begin', update: what });
const pause: SeatCommand = { type: 'pause' };
const resume: SeatCommand = { type: 'resume' };
const start: SeatCommand = { type: 'start' };
const restart = (when: 'now' | 'next-start' | 'later' = 'now'): SeatCommand => ({ type: 'restart', when });
const ok = (attempt: number): SeatCommand => ({ type: 'tell', attempt, result: { touched: true }, at: 9 });
const failed = (attempt: number, touched = true): SeatCommand => ({
  ...{ type: 'tell', attempt, result: { failure: PROBLEM, touched }, at: 9 },
});

function step(book: SeatBook, command: SeatCommand): SeatBook | Rejected {
  const events = seatDecider.decide(book, command);
  if (isRejected(events)) return events;
  return events.reduce(seatDecider.evolve, book);
}

function given(...commands: readonly SeatCommand[]): SeatBook {
  return commands.reduce((book: SeatBook, command) => {
    const next = step(book, command);
    if (isRejected(next)) throw new Error(`${command.type}: ${next.message}`);
    return next;
  }, seatDecider.initial);
}

const READY = [begin(), ok(1), ok(2)];

describe('an update of a single seat', () => {
  it.each<[string, readonly SeatCommand[], Partial<SeatState>]>([
    ['backs up first', [begin()], { phase: 'backing-up', attempt: 1 }],
    ['then downloads', [begin(), ok(1)], { phase: 'downloading', attempt: 2, restorePoint: 'seat-1-1' }],
    ['goes straight to the download for a reason', [begin(WITHOUT_BACKUP)], { phase: 'downloading', attempt: 1 }],
    ['waits for somebody when it is ready', READY, { phase: 'ready', when: 'not-said' }],
    ['stands still when it is paused', [begin(), ok(1), pause], { phase: 'paused', attempt: 2 }],
    [
      'goes on under the same name after a pause',
      [begin(), ok(1), pause, resume],
      { phase: 'downloading', attempt: 2 },
    ],
    ['goes on with the backup when that was paused', [begin(), pause, resume], { phase: 'backing-up', attempt: 1 }],
    [
      'keeps what has arrived when the download fails',
      [begin(), ok(1), failed(2)],
      { phase: 'paused', problem: PROBLEM },
    ],
    ['tries again under a new name', [begin(), ok(1), failed(2), resume], { phase: 'downloading', attempt: 3 }],
    ['is put off', [...READY, restart('later')], { phase: 'ready', when: 'later' }],
    ['comes at the next start', [...READY, restart('next-start'), start], { phase: 'saving', attempt: 3 }],
    ['does not come at the next start when it was put off', [...READY, restart('later'), start], { phase: 'ready' }],
    ['backs up once more at the restart', [...READY, restart()], { phase: 'saving', attempt: 3, before: 'seat-1-1' }],
    ['installs on the newer backup', [...READY, restart(), ok(3)], { phase: 'installing', restorePoint: 'seat-1-3' }],
    ['stays ready when that backup fails', [...READY, restart(), failed(3)], { phase: 'ready', problem: PROBLEM }],
    [
      'goes back to that backup',
      [...READY, restart(), ok(3), failed(4)],
      { phase: 'going-back', restorePoint: 'seat-1-3' },
    ],
    ['fetches anew what is not as signed', [...READY, restart(), ok(3), failed(4, false)], { phase: 'paused' }],
    ['is stuck when the way back fails too', [...READY, restart(), ok(3), failed(4), failed(5)], { phase: 'stuck' }],
    [
      'tries the way back again',
      [...READY, restart(), ok(3), failed(4), failed(5), resume],
      { phase: 'going-back', attempt: 6 },
    ],
    [
      'installs without any backup',
      [begin(WITHOUT_BACKUP), ok(1), restart()],
      { phase: 'installing', restorePoint: '' },
    ],
    [
      'begins another version instead',
      [...READY, begin(update({ id: 'seat-2', version: '11.2.0' }))],
      { phase: 'backing-up' },
    ],
    ['goes on when the same is begun again', [begin(), ok(1), pause, begin()], { phase: 'downloading', attempt: 2 }],
  ])('%s', (_, commands, expected) => expect(given(...commands).state).toMatchObject(expected));

  it.each<[string, readonly SeatCommand[], object]>([
    ['updated', [...READY, restart(), ok(3), ok(4)], { result: 'updated', restorePoint: 'seat-1-3' }],
    ['gone back', [...READY, restart(), ok(3), failed(4), ok(5)], { result: 'gone-back', failure: PROBLEM }],
    ['not begun', [begin(), failed(1)], { result: 'not-begun', failure: PROBLEM }],
    ['with the reason for no backup', [begin(WITHOUT_BACKUP), ok(1), restart(), ok(2)], { skipBackup: 'the data is on a server', restorePoint: '' }], // prettier-ignore
  ])('ends %s, and that is remembered', (_, commands, expected) => {
    const { state, history } = given(...commands);
    expect(state).toEqual({ phase: 'resting' });
    expect(history).toMatchObject([{ version: '11.1.0', fromVersion: '11.0.0', at: 9, ...expected }]);
  });

  it.each<[string, readonly SeatCommand[], SeatCommand, string]>([
    ['pause of nothing', [], pause, 'NOTHING_TO_PAUSE'],
    ['pause of an install', [...READY, restart(), ok(3)], pause, 'NOTHING_TO_PAUSE'],
    ['resume of nothing', [], resume, 'NOTHING_TO_RESUME'],
    ['restart before it is ready', [begin(), ok(1)], restart(), 'NOT_READY'],
    [
      'another version in the middle of an install',
      [...READY, restart(), ok(3)],
      begin(update({ version: '12.0.0' })),
      'UPDATE_RUNNING',
    ],
    ['an update of a seat that is stuck', [...READY, restart(), ok(3), failed(4), failed(5)], begin(), 'SEAT_STUCK'],
  ])('refuses the %s', (_, before, command, reason) =>
    expect(step(given(...before), command)).toMatchObject({ reason }),
  );

  it('takes the result of another attempt for what it is: old', () => {
    const book = given(begin(), ok(1));
    expect(step(book, ok(1))).toEqual(book);
    expect(step(book, failed(7))).toEqual(book);
  });

  const commands = fc.array(
    fc.oneof(
      fc.constantFrom(pause, resume, start, restart(), restart('next-start'), restart('later')),
      fc.record({ id: fc.constantFrom('seat-1', 'seat-2', 'seat-3'), skip: fc.boolean() }).map(({ id, skip }) => {
        return begin(update({ id, version: `11.${id.slice(-1)}.0`, ...(skip && { skipBackup: 'a reason' }) }));
      }),
      // Mostly of the present attempt, sometimes of any.
      fc.record({ good: fc.boolean(), touched: fc.boolean(), any: fc.option(fc.nat(9), { freq: 4 }) }),
    ),
    { maxLength: 60 },
  );

  it('never installs what nobody asked for, nor goes back to another backup than that of its restart', () => {
    fc.assert(
      fc.property(commands, (all) => {
        let book = seatDecider.initial;
        const orders = new Map<string, string>();
        let freshBackup = '';
        for (const given_ of all) {
          const before = book.state;
          const attempt = 'attempt' in before ? before.attempt : 0;
          const command: SeatCommand =
            'type' in given_
              ? given_
              : { type: 'tell', attempt: given_.any ?? attempt, at: 9, result: { touched: given_.touched, ...(!given_.good && { failure: PROBLEM }) } }; // prettier-ignore
          const next = step(book, command);
          if (isRejected(next)) continue;
          book = next;
          const { state } = book;
          expect(book.history.length).toBeLessThanOrEqual(MAX_HISTORY);
          const work = workOf(state);
          if (work) {
            // One name, one thing to do.
            const name = `${work.update.id}.${work.attempt}.${book.history.length}`;
            expect(orders.get(name) ?? work.phase).toBe(work.phase);
            orders.set(name, work.phase);
          }
          if (state.phase === before.phase) continue;
          const asked = command.type === 'restart' || command.type === 'start';
          if (state.phase === 'saving') expect([before.phase, asked]).toEqual(['ready', true]);
          if (state.phase === 'saving') freshBackup = `${state.update.id}-${state.attempt}`;
          if (state.phase === 'installing') {
            const skips = state.update.skipBackup !== undefined;
            expect(before.phase === 'saving' || (before.phase === 'ready' && asked && skips)).toBe(true);
            expect(state.restorePoint).toBe(skips ? '' : freshBackup);
          }
          if (state.phase === 'going-back') {
            expect(['installing', 'stuck']).toContain(before.phase);
            expect(state.restorePoint).toBe(state.update.skipBackup === undefined ? freshBackup : '');
          }
          if (state.phase === 'stuck') expect(before.phase).toBe('going-back');
        }
      }),
      { numRuns: 500 },
    );
  });
});
