import { HOUR_MS, MINUTE_MS, SECOND_MS } from '@lastcall/kernel';
import {
  backup,
  CONFIRMED,
  DRAINED,
  end,
  expire,
  fail,
  firstStart,
  given,
  GRACE,
  closeByHand,
  openByHand,
  prove,
  spec,
  T0,
  tell,
  types,
  update,
} from '../testing/gate-commands.js';
import { gateDueAt } from './expiry.js';
import type { GateCommand } from './gate-messages.js';
import { hasAlarm, isLeased } from './gate-state.js';

const LEASE = 30 * SECOND_MS;
const LOST = T0 + LEASE;
const shut: GateCommand = { type: 'shut', run: spec(), leaseMs: LEASE, at: T0 };
const renew = (at: number, run = 'r1', fence = 1): GateCommand => ({
  type: 'renew-lease',
  run,
  fence,
  leaseMs: LEASE,
  at,
});
/** The same way with a lease that can run out. */
const short = (way: readonly GateCommand[]) => [shut, ...way.slice(1)];

describe('the lease of the run that shut the gate', () => {
  const before: [string, readonly GateCommand[]][] = [
    ['shutting', [shut]],
    ['closing', [shut, tell()]],
    ['draining', [shut, tell(), end()]],
    ['drained', short(DRAINED)],
    ['confirming', [...short(DRAINED), backup()]],
  ];

  it.each(before)('opens the gate when it has run out in %s: nothing was installed', (phase, way) => {
    expect(given(...way).state.phase).toBe(phase);
    expect(given(...way).when(expire(LOST - 1)).events).toEqual([]);
    const { state, events } = given(...way).when(expire(LOST));
    expect(types(events)).toEqual(['drain-failed', 'answered', 'reopened']);
    expect(events[1]).toMatchObject({ answer: { outcome: 'failed', failure: { reason: 'LEASE_LOST' } } });
    expect(state.phase).toBe('open');
  });

  it.each(before)('moves with each renewal in %s', (_, way) => {
    const { state } = given(...way, renew(T0 + 10 * SECOND_MS));
    expect(isLeased(state) && state.leaseUntil).toBe(T0 + 40 * SECOND_MS);
    expect(given(...way, renew(T0 + 10 * SECOND_MS)).when(expire(LOST)).events).toEqual([]);
  });

  it('raises the alarm and stays shut once the install may run', () => {
    const { state, events } = given(...short(CONFIRMED)).when(expire(LOST));
    expect(events).toEqual([{ type: 'alarm-raised', reason: 'lease-lost' }]);
    expect(state.phase).toBe('confirmed');
    expect(hasAlarm(state)).toBe(true);
    expect(given(...short(CONFIRMED), expire(LOST)).when(expire(LOST + MINUTE_MS)).events).toEqual([]);
    expect(types(given(...short(CONFIRMED), expire(LOST)).when(openByHand).events)).toContain('opened-by-hand');
  });

  it('ends that alarm when the run is heard of again, and the gate is the run’s again', () => {
    const way = [...short(CONFIRMED), expire(LOST), renew(LOST + MINUTE_MS)];
    expect(hasAlarm(given(...way).state)).toBe(false);
    expect(given(...way).when(openByHand)).toMatchObject({ refused: { reason: 'INSTALL_RUNNING' } });
  });

  it('does not end the alarm of a run that is long overdue', () => {
    const overdue = spec().deadlineAt + GRACE;
    const way = [...short(CONFIRMED), expire(LOST), expire(overdue), renew(overdue + 1)];
    expect(given(...way).state).toMatchObject({ phase: 'confirmed', alarm: 'no-outcome' });
  });

  it('does not run out for who has not watched the store for as long', () => {
    expect(given(shut, tell()).when(expire(T0 + HOUR_MS, false)).events).toEqual([]);
    // The hard end is the run's own.
    expect(types(given(shut, tell()).when(expire(spec().deadlineAt + GRACE, false)).events)).toContain('reopened');
  });

  it('is for the holder only', () => {
    const notTheHolder = { refused: { code: 'refused', reason: 'NOT_THE_HOLDER' } };
    expect(given().when(renew(T0))).toMatchObject(notTheHolder);
    expect(given(shut).when(renew(T0 + 1, 'r2', 2))).toMatchObject(notTheHolder);
    expect(given(shut).when(renew(T0 + 1, 'r1', 2))).toMatchObject(notTheHolder);
    expect(given(closeByHand).when(renew(T0 + 1))).toMatchObject(notTheHolder);
    expect(given(shut, fail('cancel')).when(renew(T0 + 1))).toMatchObject(notTheHolder);
    expect(given(...short(CONFIRMED), update()).when(renew(T0 + 1))).toMatchObject(notTheHolder);
  });

  it('never goes back', () => {
    const { state } = given(shut, renew(T0 + MINUTE_MS), renew(T0 + 1));
    expect(isLeased(state) && state.leaseUntil).toBe(T0 + MINUTE_MS + LEASE);
  });

  it('is looked at when it is over', () => {
    expect(gateDueAt(given(shut, tell()).state, GRACE)).toBe(LOST);
    expect(gateDueAt(given(...short(DRAINED)).state, GRACE)).toBe(LOST);
    expect(gateDueAt(given(...short(CONFIRMED)).state, GRACE)).toBe(LOST);
    expect(gateDueAt(given(...short(CONFIRMED), expire(LOST)).state, GRACE)).toBe(spec().deadlineAt + GRACE);
  });

  it('is over with the outcome: hosts have their own time for the first start', () => {
    const { state } = given(...short(CONFIRMED), update());
    expect(given(...short(CONFIRMED), update()).when(expire(LOST + MINUTE_MS)).events).toEqual([]);
    expect(state.phase).toBe('reopening');
    expect(given(...short(CONFIRMED), update()).when(firstStart()).state.phase).toBe('open');
  });

  it('is nothing that a person has', () => {
    const way = [closeByHand, tell(), end(T0 + MINUTE_MS), prove(0, T0 + MINUTE_MS)];
    expect(given(...way).when(expire(T0 + 100 * HOUR_MS)).events).toEqual([]);
  });
});
