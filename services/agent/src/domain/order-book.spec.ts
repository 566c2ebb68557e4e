import { failure, isRejected, run } from '@lastcall/kernel';
import fc from 'fast-check';
import {
  createOrderBook,
  dueOrders,
  nextStep,
  overdue,
  type OrderBook,
  type OrderCommand,
  type OrderEvent,
  type OrderState,
  type RunningOrder,
} from './order-book.js';
import { planOf, type Order, type OrderAction, type Step } from './order.js';

const HOST = { installation: 'berlin', host: 'srv', product: 'encore' };
const book = createOrderBook(HOST);
const AT = 1_000;

const stage: OrderAction = { kind: 'stage-release', product: 'encore', version: '11.1.0' };
const facts: OrderAction = { kind: 'collect-facts', product: 'encore', version: '' };
const install: OrderAction = { kind: 'install-release', product: 'encore', version: '11.1.0' };

function order(id: string, more: Partial<Order> = {}): Order {
  const { installation, host } = HOST;
  return { order: id, installation, host, run: 'r-1', fence: 5, deadlineAt: AT + 100, action: stage, ...more };
}

const receive = (o: Order, at = AT): OrderCommand => ({ type: 'receive', order: o, at, installedVersion: '11.0.0' });
const begin = (id: string, at = AT): OrderCommand => ({ type: 'begin', order: id, at, installedVersion: '11.0.0' });
const steps = (id: string, ...names: Step[]): OrderCommand[] =>
  names.flatMap((step) => [
    { type: 'begin-step', order: id, step, at: AT },
    { type: 'end-step', order: id, step, durationMs: 7, dataChanged: step === 'migrate' },
  ]);
const due = (state: OrderBook) => dueOrders(state).map((open) => open.order.order);
const finish = (id: string): OrderCommand => ({ type: 'finish', order: id, at: AT, installedVersion: '11.1.0' });

function given(...commands: OrderCommand[]) {
  let state: OrderBook = book.initial;
  for (const command of commands) {
    const decision = run(book, state, command);
    if (isRejected(decision)) throw new Error(decision.message);
    state = decision.state;
  }
  return {
    state,
    when: (command: OrderCommand) => book.decide(state, command),
    whenDone: (...more: OrderCommand[]) => given(...commands, ...more).state,
  };
}

describe('an order that arrives', () => {
  it('is accepted', () =>
    expect(given().when(receive(order('a')))).toEqual([{ type: 'accepted', order: order('a'), at: AT }]));
  it('changes nothing when it is known, whatever became of it', () => {
    expect(given(receive(order('a'))).when(receive(order('a')))).toEqual([]);
    const done = given(receive(order('a')), begin('a'), ...steps('a', 'metadata', 'download', 'build'), finish('a'));
    expect(done.when(receive(order('a')))).toEqual([]);
  });
  it.each([
    ['FENCE_TOO_LOW', order('b', { fence: 4 })],
    ['WRONG_HOST', order('b', { host: 'other' })],
    ['WRONG_HOST', order('b', { installation: 'hamburg' })],
    ['WRONG_PRODUCT', order('b', { action: { ...stage, product: 'other' } })],
    ['UNKNOWN_ACTION', order('b', { action: { kind: 'unusable', reason: 'UNKNOWN_ACTION', message: 'new' } })],
  ])('is refused with %s', (reason, refused) => {
    const events = given(receive(order('a'))).when(receive(refused)) as OrderEvent[];
    expect(events).toMatchObject([{ type: 'refused', result: { failure: { reason, host: 'srv' } } }]);
  });
  it('is not fenced off with fence 0, which changes nothing', () =>
    expect(given(receive(order('a'))).when(receive(order('b', { fence: 0 })))).toMatchObject([{ type: 'accepted' }]));
  it('does not raise the fence when it is refused', () =>
    expect(given(receive(order('a', { fence: 9, host: 'other' }))).state.fence).toBe(0));
});

describe('an order whose turn comes', () => {
  it('is begun and remembers what was installed', () =>
    expect(given(receive(order('a'))).when(begin('a'))).toMatchObject([{ type: 'begun', fromVersion: '11.0.0' }]));
  it('is not begun after its deadline', () =>
    expect(given(receive(order('a'))).when(begin('a', AT + 101))).toMatchObject([
      { type: 'finished', result: { failure: { reason: 'DEADLINE_PASSED' } } },
    ]));
  it('is not begun when a higher fence came meanwhile', () => {
    const waiting = given(receive(order('a')), receive(order('b', { fence: 6 })));
    expect(waiting.when(begin('a'))).toMatchObject([
      { type: 'finished', result: { failure: { reason: 'FENCE_TOO_LOW' } } },
    ]);
  });
  it('waits for the one before it', () => {
    const two = given(receive(order('a')), receive(order('b')), begin('a'));
    expect(isRejected(two.when(begin('b')))).toBe(true);
    expect(due(two.state)).toEqual(['a']);
  });
  it('does not wait for a download when it asks for facts', () => {
    const staging = given(receive(order('a')), receive(order('b')), receive(order('c', { action: facts })), begin('a'));
    expect(due(staging.state)).toEqual(['a', 'c']);
    expect(staging.when(begin('c'))).toMatchObject([{ type: 'begun' }]);
    const both = given(receive(order('c', { action: facts })), receive(order('a')), begin('c'));
    expect(both.when(begin('a'))).toMatchObject([{ type: 'begun' }]);
  });
  it('overtakes none that has to be alone', () => {
    const waiting = [receive(order('b', { action: install })), receive(order('c', { action: facts }))];
    expect(due(given(receive(order('a')), begin('a'), ...waiting).state)).toEqual(['a']);
    expect(due(given(...waiting).state)).toEqual(['b']);
    const asked = given(receive(order('c', { action: facts })), begin('c'), receive(order('b', { action: install })));
    expect(due(asked.state)).toEqual(['c']);
  });
  it('is alone when it is about the agent itself', () => {
    const update = order('a', { action: { kind: 'update-agent', version: '0.2.0' } });
    const waiting = [receive(update), receive(order('b', { action: facts })), receive(order('c'))];
    expect(due(given(...waiting).state)).toEqual(['a']);
    const working = given(receive(order('b', { action: install })), begin('b'), receive(update));
    expect(due(working.state)).toEqual(['b']);
    expect(working.when({ ...begin('a') })).toMatchObject({ kind: 'rejected' });
  });
  it('goes through its steps in order', () => {
    const begun = given(receive(order('a', { action: install })), begin('a'));
    expect(isRejected(begun.when({ type: 'begin-step', order: 'a', step: 'swap', at: AT }))).toBe(true);
    const later = begun.whenDone(...steps('a', 'verify', 'stop')).orders.get('a');
    expect(later?.phase === 'running' && nextStep(later)).toBe('clear');
  });
  it('goes on after the last step by its name: an older agent had fewer', () => {
    const begun = given(receive(order('a', { action: install })), begin('a'), ...steps('a', 'verify', 'stop', 'clear'));
    const running = begun.state.orders.get('a') as RunningOrder;
    const old = { ...running, done: [...running.done.slice(0, 2), { step: 'swap' as const, durationMs: 1 }] };
    expect(nextStep(old)).toBe('migrate');
  });
  it('begins no step after its deadline, however long it was away', () => {
    const { state, when } = given(receive(order('a')), begin('a'), ...steps('a', 'metadata'));
    const late: OrderCommand = { type: 'begin-step', order: 'a', step: 'download', at: AT + 101 };
    expect(isRejected(when(late))).toBe(true);
    expect(overdue(HOST, state.orders.get('a') as RunningOrder, AT + 101)).toMatchObject({ reason: 'DEADLINE_PASSED' });
    expect(overdue(HOST, state.orders.get('a') as RunningOrder, AT + 100)).toBeUndefined();
  });
  it('begins a step again after a crash', () => {
    const crashed = given(receive(order('a')), begin('a'), {
      type: 'begin-step',
      order: 'a',
      step: 'metadata',
      at: AT,
    });
    expect(crashed.when({ type: 'begin-step', order: 'a', step: 'metadata', at: AT })).toMatchObject([
      { step: 'metadata' },
    ]);
  });
  it('cannot succeed with steps left', () =>
    expect(isRejected(given(receive(order('a')), begin('a')).when(finish('a')))).toBe(true));
  it('says which processes had been left running', () => {
    const leftOvers = [{ pid: 7, command: 'node main.js', foundBy: 'script main.js', ended: 'killed' as const }];
    const clear: OrderCommand[] = [
      { type: 'begin-step', order: 'a', step: 'clear', at: AT },
      { type: 'end-step', order: 'a', step: 'clear', durationMs: 1, leftOvers },
    ];
    const before = steps('a', 'verify', 'stop');
    const after = steps('a', 'swap', 'migrate', 'start', 'health');
    const { state } = given(
      receive(order('a', { action: install })),
      begin('a'),
      ...before,
      ...clear,
      ...after,
      finish('a'),
    );
    expect(state.orders.get('a')).toMatchObject({ result: { evidence: { leftOvers } } });
  });
  it('says what it did, data included', () => {
    const all = steps('a', 'verify', 'stop', 'clear', 'swap', 'migrate', 'start', 'health');
    const done = given(receive(order('a', { action: install })), begin('a'), ...all, finish('a')).state.orders.get('a');
    expect(done).toMatchObject({ phase: 'finished', stored: false, result: { evidence: { dataChanged: true } } });
    expect(done).toMatchObject({
      result: { evidence: { steps: planOf(install).map((step) => ({ step, durationMs: 7 })) } },
    });
  });
  it('says how far it came when it failed', () => {
    const failure = { reason: 'COMMAND_FAILED', message: '', host: 'srv', facts: {} };
    const failed = given(receive(order('a', { action: install })), begin('a'), ...steps('a', 'verify', 'stop'), {
      ...(finish('a') as Extract<OrderCommand, { type: 'finish' }>),
      failure,
    }).state.orders.get('a');
    expect(failed).toMatchObject({ result: { failure, evidence: { steps: [{ step: 'verify' }, { step: 'stop' }] } } });
  });
  it('needs no confirmation when it was given on the host itself', () => {
    const all = steps('local-a', 'metadata', 'download', 'build');
    const done = given(receive(order('local-a', { fence: 0 })), begin('local-a'), ...all, finish('local-a')).state;
    expect(done.orders.get('local-a')).toMatchObject({ phase: 'finished', stored: true });
  });
  it('is confirmed once', () => {
    const done = given(receive(order('a')), begin('a'), ...steps('a', 'metadata', 'download', 'build'), finish('a'));
    expect(done.when({ type: 'confirm', order: 'a' })).toEqual([{ type: 'stored', order: 'a' }]);
    expect(given().when({ type: 'confirm', order: 'a' })).toMatchObject({ kind: 'rejected' });
  });
});

describe('any orders in any order, with crashes', () => {
  const actions: OrderAction[] = [
    stage,
    install,
    facts,
    { kind: 'roll-back-release', product: 'encore', version: '11.0.0', restorePoint: 'rp' },
    { kind: 'roll-back-release', product: 'encore', version: '11.0.0', restorePoint: '', keepStopped: true },
    { kind: 'downgrade-release', product: 'encore', version: '10.0.0', restorePoint: 'rp' },
    { kind: 'watch-health', product: 'encore', version: '11.1.0', durationMs: 10 },
    { kind: 'update-agent', version: '0.2.0' },
  ];
  const anyOrder = fc.record({
    id: fc.integer({ min: 0, max: 7 }),
    fence: fc.integer({ min: 0, max: 4 }),
    deadlineAt: fc.integer({ min: 0, max: 60 }),
  });
  // What the world does: an order arrives, the runner takes one step (or is killed before it records its end), a result is confirmed.
  const anything = fc.oneof(
    { weight: 2, arbitrary: fc.record({ what: fc.constant('receive' as const), order: anyOrder }) },
    {
      weight: 5,
      arbitrary: fc.record({
        what: fc.constant('work' as const),
        which: fc.nat(1),
        killed: fc.boolean(),
        fails: fc.nat(9),
      }),
    },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('confirm' as const), id: fc.integer({ min: 0, max: 7 }) }) },
  );
  type Happening = typeof anything extends fc.Arbitrary<infer T> ? T : never;

  function commandsFor(state: OrderBook, happening: Happening, at: number): OrderCommand[] {
    if (happening.what === 'confirm') return [{ type: 'confirm', order: `o-${happening.id}` }];
    if (happening.what === 'receive') {
      const { id, fence, deadlineAt } = happening.order;
      return [
        receive(order(`o-${id}`, { fence, deadlineAt, action: actions[id % actions.length] as OrderAction }), at),
      ];
    }
    const open = dueOrders(state);
    const next = open[happening.which % open.length];
    if (!next) return [];
    const id = next.order.order;
    if (next.phase === 'waiting') return [begin(id, at)];
    const step = nextStep(next);
    if (step === undefined) return [finish(id)];
    const failure = { reason: 'COMMAND_FAILED', message: '', host: 'srv', facts: {} };
    const late = overdue(HOST, next, at);
    if (late) return [{ ...(finish(id) as object), failure: late } as OrderCommand];
    const begun: OrderCommand = { type: 'begin-step', order: id, step, at };
    if (happening.killed) return [begun];
    if (happening.fails === 0) return [begun, { ...(finish(id) as object), failure } as OrderCommand];
    return [begun, { type: 'end-step', order: id, step, durationMs: 1 }];
  }

  it('keeps the rules', () => {
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 60 }), (happenings) => {
        let state = book.initial;
        const finished = new Map<string, OrderState>();
        happenings.forEach((happening, at) => {
          for (const command of commandsFor(state, happening, at)) {
            const decision = run(book, state, command);
            if (isRejected(decision)) {
              expect(command.type).toBe('confirm');
              continue;
            }
            checkEvents(state, decision.events, at);
            expect(decision.state.fence).toBeGreaterThanOrEqual(state.fence);
            state = decision.state;
            checkBook(state, finished);
          }
        });
      }),
      { numRuns: 500 },
    );
  });

  /** No order begins below the fence, and neither an order nor a step after the deadline. */
  function checkEvents(before: OrderBook, events: readonly OrderEvent[], at: number): void {
    for (const event of events) {
      if (event.type !== 'begun' && event.type !== 'step-begun') continue;
      const { order: begun } = before.orders.get(event.order) as OrderState;
      if (event.type === 'begun') expect(begun.fence === 0 || begun.fence >= before.fence).toBe(true);
      expect(begun.deadlineAt === 0 || at <= begun.deadlineAt).toBe(true);
    }
  }

  /** One runs at a time, or one that stages and one that asks; steps are a beginning of the plan; a result never changes. */
  function checkBook(state: OrderBook, finished: Map<string, OrderState>): void {
    const all = [...state.orders.values()];
    const kinds = all.flatMap((o) => (o.phase === 'running' ? [o.order.action.kind] : []));
    expect(kinds.length <= 1 || kinds.toSorted().join() === 'collect-facts,stage-release').toBe(true);
    for (const one of all) {
      if (one.phase === 'running') {
        expect(planOf(one.order.action).slice(0, one.done.length)).toEqual(one.done.map((d) => d.step));
      }
      if (one.phase !== 'finished') continue;
      const known = finished.get(one.order.order);
      if (known?.phase === 'finished') expect(one.result).toBe(known.result);
      else finished.set(one.order.order, one);
    }
    for (const id of finished.keys()) expect(state.orders.get(id)?.phase).toBe('finished');
  }
});

describe('a rollback', () => {
  const back = (run: string) =>
    order('back', {
      run,
      action: { kind: 'roll-back-release', product: 'encore', version: '11.0.0', restorePoint: 'rp' },
    });
  const installed = (...done: Step[]) => [
    receive(order('in', { action: install })),
    begin('in'),
    ...steps('in', ...done),
    { ...finish('in'), failure: failure('BROKEN', 'broken') } as OrderCommand,
  ];
  it('leaves the data alone when the install never came to it', () => {
    expect(
      given(...installed('verify', 'stop', 'clear', 'swap'), receive(back('r-1'))).when(begin('back')),
    ).toMatchObject([{ type: 'begun', dataUntouched: true }]);
  });
  it('brings the data back when the install had begun to migrate', () => {
    const migrating: OrderCommand = { type: 'begin-step', order: 'in', step: 'migrate', at: AT };
    const [received, begun, ...rest] = installed('verify', 'stop', 'clear', 'swap');
    const broken = rest.pop() as OrderCommand;
    const commands = [received, begun, ...rest, migrating, broken].filter((c) => c !== undefined);
    expect(given(...commands, receive(back('r-1'))).when(begin('back'))).toMatchObject([{ dataUntouched: false }]);
  });
  it('brings the data back when nothing is known of the install', () => {
    const commands = installed('verify', 'stop', 'clear', 'swap');
    expect(given(...commands, receive(back('r-2'))).when(begin('back'))).toMatchObject([{ dataUntouched: false }]);
  });
});
