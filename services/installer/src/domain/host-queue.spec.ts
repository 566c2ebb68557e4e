import { failure, isRejected } from '@lastcall/kernel';
import fc from 'fast-check';
import {
  DONE_KEPT,
  hostQueue,
  OPEN_MAX,
  queueDueAt,
  type HostQueue,
  type HostQueueCommand,
  type HostQueueEvent,
  type Order,
} from './host-queue.js';

function orderOf(more: Partial<Order> = {}): Order {
  return { order: 'o-1', run: 'r-1', fence: 5, deadlineAt: 100, action: 'other', pair: 'r-1', body: '', ...more };
}

const issue = (more: Partial<Order> = {}, at = 0): HostQueueCommand => ({ type: 'issue', order: orderOf(more), at });
const finish = (order: string): HostQueueCommand => ({ type: 'finish', order, installedVersion: '2.0.0' });
const accept = (order: string): HostQueueCommand => ({ type: 'accept', order });

function given(...commands: HostQueueCommand[]): {
  state: HostQueue;
  last: readonly HostQueueEvent[];
  all: HostQueueEvent[];
} {
  let state = hostQueue.initial;
  let last: readonly HostQueueEvent[] = [];
  const all: HostQueueEvent[] = [];
  for (const command of commands) {
    const decided = hostQueue.decide(state, command);
    if (isRejected(decided)) throw new Error(decided.message);
    last = decided;
    all.push(...decided);
    state = decided.reduce((s, e) => hostQueue.evolve(s, e), state);
  }
  return { state, last, all };
}

describe('an order', () => {
  it('is queued once, in the order of issue', () => {
    const { state } = given(issue(), issue({ order: 'o-2' }), issue());
    expect(state.open.map((o) => o.order)).toEqual(['o-1', 'o-2']);
  });
  it('is accepted, makes progress by step, and is completed once', () => {
    const progress = (step: string): HostQueueCommand => ({ type: 'progress', order: 'o-1', step });
    const { all } = given(
      issue(),
      accept('o-1'),
      accept('o-1'),
      progress('swap'),
      progress('swap'),
      finish('o-1'),
      finish('o-1'),
    );
    expect(all.map((e) => e.type)).toEqual([
      'fence-seen',
      'queued',
      'accepted',
      'progressed',
      'version-seen',
      'completed',
    ]);
  });
  it('is not begun again when it is issued again after its end', () =>
    expect(given(issue(), finish('o-1'), issue()).last).toEqual([]));
  it('times out at its deadline, an accepted one a little later', () => {
    const expire = (at: number): HostQueueCommand => ({ type: 'expire', at, graceMs: 10 });
    expect(given(issue(), expire(99)).last).toEqual([]);
    expect(given(issue(), expire(100)).last).toMatchObject([
      { type: 'completed', by: 'edge', failure: { reason: 'TIMED_OUT' } },
    ]);
    expect(given(issue(), accept('o-1'), expire(109)).last).toEqual([]);
    expect(given(issue(), accept('o-1'), expire(110)).last).toHaveLength(1);
    expect(queueDueAt(given(issue(), accept('o-1'), issue({ order: 'o-2', deadlineAt: 105 })).state, 10)).toBe(105);
  });
  it('changes nothing but the version when its result comes after that', () => {
    const late = given(issue(), { type: 'expire', at: 100, graceMs: 0 }, finish('o-1'));
    expect(late.last).toEqual([{ type: 'version-seen', version: '2.0.0' }]);
    expect(late.state.installedVersion).toBe('2.0.0');
  });
});

describe('an order that must not be begun is completed at once', () => {
  const refusal = (...commands: HostQueueCommand[]) => given(...commands).last;
  it('with a fence that a newer run has overtaken', () => {
    expect(refusal(issue(), issue({ order: 'o-2', fence: 4 }))).toMatchObject([
      { failure: { reason: 'FENCE_TOO_LOW' }, by: 'edge' },
    ]);
    expect(refusal({ type: 'hello', installedVersion: '', fence: 9 }, issue())).toMatchObject([
      { failure: { reason: 'FENCE_TOO_LOW' } },
    ]);
    expect(refusal(issue(), issue({ order: 'o-2', fence: 0 }))).toMatchObject([{ type: 'queued' }]);
  });
  it('an install behind the rollback of its own run', () => {
    const back = issue({ order: 'back', action: 'roll-back' });
    const install = issue({ order: 'new', action: 'install' });
    expect(refusal(back, install)).toMatchObject([{ failure: { reason: 'SUPERSEDED' } }]);
    expect(refusal(back, finish('back'), install)).toMatchObject([{ failure: { reason: 'SUPERSEDED' } }]);
    expect(refusal(back, issue({ order: 'new', action: 'install', pair: 'r-1/2' }))).toMatchObject([
      { type: 'queued' },
    ]);
    expect(given(install, back).state.open.map((o) => o.order)).toEqual(['new', 'back']);
  });
  it('after its deadline, or when too many wait', () => {
    expect(refusal(issue({}, 100))).toMatchObject([{ failure: { reason: 'TIMED_OUT' } }]);
    const many = Array.from({ length: OPEN_MAX }, (_, i) => issue({ order: `o-${i}` }));
    expect(refusal(...many, issue({ order: 'more' }))).toMatchObject([{ failure: { reason: 'TOO_MANY_ORDERS' } }]);
  });
});

describe('any order of commands', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const command: fc.Arbitrary<HostQueueCommand> = fc.oneof(
    fc
      .record({
        order: name,
        fence: fc.nat(3),
        action: fc.constantFrom('install', 'roll-back', 'other'),
        at: fc.nat(120),
      })
      .map(({ at, ...more }) => issue(more as Partial<Order>, at)),
    name.map(accept),
    name.map((order): HostQueueCommand => ({ type: 'progress', order, step: 'swap' })),
    name.map(finish),
    name.map((order): HostQueueCommand => ({ type: 'finish', order, failure: failure('BROKEN', 'it broke') })),
    fc.nat(130).map((at): HostQueueCommand => ({ type: 'expire', at, graceMs: 10 })),
    fc.nat(4).map((fence): HostQueueCommand => ({ type: 'hello', installedVersion: '1.0.0', fence })),
  );

  it('completes each order at most once, loses none, and the fence never falls', () =>
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        let fence = 0;
        let state = hostQueue.initial;
        const completed: string[] = [];
        const issued = new Set<string>();
        for (const each of commands) {
          const events = hostQueue.decide(state, each);
          if (isRejected(events)) throw new Error(events.message);
          if (each.type === 'issue') issued.add(each.order.order);
          for (const event of events) {
            state = hostQueue.evolve(state, event);
            if (event.type === 'completed') completed.push(event.order.order);
          }
          expect(state.fence).toBeGreaterThanOrEqual(fence);
          fence = state.fence;
        }
        expect(new Set(completed).size).toBe(completed.length);
        expect([...completed, ...state.open.map((o) => o.order)].sort()).toEqual([...issued].sort());
        expect(state.done.length).toBeLessThanOrEqual(DONE_KEPT);
      }),
    ));

  it('never leaves an install to be begun behind its rollback', () =>
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const { all } = given(...commands);
        const queued = all.flatMap((e) => (e.type === 'queued' ? [e.order.action] : []));
        const firstBack = queued.indexOf('roll-back');
        expect(firstBack < 0 || !queued.slice(firstBack).includes('install')).toBe(true);
      }),
    ));
});
