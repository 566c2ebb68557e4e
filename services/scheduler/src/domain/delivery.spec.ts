import { isRejected, run as runDecider } from '@lastcall/kernel';
import fc from 'fast-check';
import { delivery, MAX_ATTEMPTS, type DeliveryCommand, type DeliveryEvent, type DeliveryState } from './delivery.js';

const queue: DeliveryCommand = { type: 'queue', at: 1 };
const claim = (at: number): DeliveryCommand => ({ type: 'claim', at, lostAt: at + 100 });
const deliver = (at: number): DeliveryCommand => ({ type: 'deliver', at });
const fail = (attempt: number, at: number): DeliveryCommand => ({ type: 'fail', attempt, at, retryAt: at + 10, error: 'down' }); // prettier-ignore

function given(...commands: readonly DeliveryCommand[]): { state: DeliveryState; events: DeliveryEvent[] } {
  let state: DeliveryState = delivery.initial;
  const events: DeliveryEvent[] = [];
  for (const command of commands) {
    const decision = runDecider(delivery, state, command);
    if (isRejected(decision)) throw new Error('a delivery refuses nothing');
    ({ state } = decision);
    events.push(...decision.events);
  }
  return { state, events };
}

describe('a delivery', () => {
  it('is claimed when it is due, and ends when the target has it', () => {
    expect(given(queue).state).toEqual({ phase: 'waiting', attempts: 0, dueAt: 1, lastError: '' });
    expect(given(queue, claim(2)).state).toMatchObject({ attempts: 1, dueAt: 102 });
    expect(given(queue, claim(2), deliver(3)).state).toEqual({ phase: 'delivered', attempts: 1, endedAt: 3 });
  });

  it('is claimed by one only, until the attempt is lost', () => {
    expect(given(queue, claim(2), claim(3)).state).toMatchObject({ attempts: 1 });
    expect(given(queue, claim(2), claim(102)).state).toMatchObject({ attempts: 2 });
  });

  it('comes again after a failure, not before its time', () => {
    const failed = [queue, claim(2), fail(1, 5)];
    expect(given(...failed).state).toEqual({ phase: 'waiting', attempts: 1, dueAt: 15, lastError: 'down' });
    expect(given(...failed, claim(14)).state).toMatchObject({ attempts: 1 });
    expect(given(...failed, claim(15)).state).toMatchObject({ attempts: 2 });
  });

  it('does not listen to the failure of an attempt that was taken as lost', () => {
    expect(given(queue, claim(2), claim(102), fail(1, 103)).state).toMatchObject({ attempts: 2, dueAt: 202 });
  });

  it('is given up after the last attempt, whether it failed or was lost, and delivered after all when it was', () => {
    const all = Array.from({ length: MAX_ATTEMPTS }, (_, i) => claim(1_000 * (i + 1)));
    const { state } = given(queue, ...all, fail(MAX_ATTEMPTS, 99_000));
    expect(state).toEqual({ phase: 'dead', attempts: MAX_ATTEMPTS, endedAt: 99_000, lastError: 'down' });
    expect(given(queue, ...all, claim(99_000)).state).toMatchObject({
      ...{ phase: 'dead', lastError: 'the attempt came to no end' },
    });
    expect(given(queue, ...all, claim(99_000), deliver(99_001)).state).toMatchObject({ phase: 'delivered' });
  });

  it('waits with its target, without an attempt, unless somebody is at it', () => {
    const postpone: DeliveryCommand = { type: 'postpone', at: 5, until: 50 };
    expect(given(queue, postpone).state).toEqual({ phase: 'waiting', attempts: 0, dueAt: 50, lastError: '' });
    expect(given(queue, claim(2), postpone).state).toMatchObject({ attempts: 1, dueAt: 102 });
    expect(given(queue, claim(2), deliver(3), postpone).state.phase).toBe('delivered');
  });

  it('needs an attempt to be delivered, and ends once', () => {
    expect(given(queue, deliver(1)).state.phase).toBe('waiting');
    expect(given(queue, claim(2), deliver(3), deliver(4), fail(1, 5), claim(900)).events).toHaveLength(3);
  });
});

it('never has more attempts than allowed, and folds to the same state, whatever comes in whatever order', () => {
  const at = fc.integer({ min: 0, max: 100_000 });
  const command = fc.oneof(
    at.map((t): DeliveryCommand => ({ type: 'queue', at: t })),
    { weight: 4, arbitrary: at.map(claim) },
    at.map(deliver),
    fc.tuple(at, at).map(([t, until]): DeliveryCommand => ({ type: 'postpone', at: t, until })),
    fc.tuple(fc.integer({ min: 0, max: MAX_ATTEMPTS + 1 }), at).map(([attempt, t]) => fail(attempt, t)),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
      const { state, events } = given(...commands);
      expect(events.filter(({ type }) => type === 'claimed').length).toBeLessThanOrEqual(MAX_ATTEMPTS);
      expect(events.filter(({ type }) => type === 'queued').length).toBeLessThanOrEqual(1);
      expect(events.filter(({ type }) => type === 'delivered').length).toBeLessThanOrEqual(1);
      if (state.phase === 'delivered') expect(state.attempts).toBeGreaterThan(0);
      expect(events.reduce((folded, e) => delivery.evolve(folded, e), delivery.initial)).toEqual(state);
    }),
  );
});
