import { failure, isRejected } from '@lastcall/kernel';
import fc from 'fast-check';
import { catchUp, CATCH_UP_ATTEMPTS, type CatchUpCommand, type CatchUpEvent, type CatchUpState } from './catch-up.js';

const back = (version = '1.0.0'): CatchUpCommand => ({
  ...{ type: 'return', run: 'r-1', host: 'ws', wanted: '2.0.0', fence: 4, at: 1 },
  version,
});

interface Answer {
  readonly fails?: string;
  readonly version?: string;
}

function finish(state: CatchUpState, { fails, version = '2.0.0' }: Answer): CatchUpCommand {
  return {
    ...{
      type: 'finish-order',
      run: 'r-1',
      host: 'ws',
      wanted: '2.0.0',
      installedVersion: version,
      dataChanged: false,
      settleMs: 60_000,
      at: 2,
    },
    order: 'order' in state ? state.order : 'none',
    ...(fails !== undefined && { failure: failure(fails, 'it failed') }),
  };
}

function given(...script: (CatchUpCommand | Answer)[]): {
  state: CatchUpState;
  last: readonly CatchUpEvent[];
  all: CatchUpEvent[];
} {
  let state = catchUp.initial;
  let last: readonly CatchUpEvent[] = [];
  const all: CatchUpEvent[] = [];
  for (const step of script) {
    const decided = catchUp.decide(state, 'type' in step ? step : finish(state, step));
    if (isRejected(decided)) throw new Error(decided.message);
    last = decided;
    all.push(...decided);
    state = decided.reduce((s, e) => catchUp.evolve(s, e), state);
  }
  return { state, last, all };
}

describe('a host that comes back', () => {
  it('stages, installs, settles and is done', () => {
    expect(given(back()).last).toMatchObject([
      { type: 'ordered', step: 'stage', order: 'r-1.ws.late-stage-1', fence: 4 },
    ]);
    expect(given(back(), {}).last).toMatchObject([{ type: 'ordered', step: 'install' }]);
    expect(given(back(), {}, {}).last).toMatchObject([{ type: 'ordered', step: 'settle' }]);
    expect(given(back(), {}, {}, {}).last).toEqual([{ type: 'caught-up', host: 'ws' }]);
  });
  it('has nothing to do when it has the version already', () =>
    expect(given(back('2.0.0')).last).toEqual([{ type: 'caught-up', host: 'ws' }]));
  it('goes back to what it had when its install fails, and tries again the next time', () => {
    const failed = given(back('0.9.0'), {}, { fails: 'HEALTH_FAILED' });
    expect(failed.last).toMatchObject([{ step: 'roll-back', fromVersion: '0.9.0' }]);
    const again = given(back('0.9.0'), {}, { fails: 'HEALTH_FAILED' }, { version: '0.9.0' }, back('0.9.0'));
    expect(again.last).toMatchObject([{ step: 'stage', order: 'r-1.ws.late-stage-2' }]);
  });
  it('goes back when it does not stay healthy', () => {
    const lost = given(back('0.9.0'), {}, {}, { fails: 'HEALTH_LOST' });
    expect(lost.last).toMatchObject([{ step: 'roll-back', failure: { reason: 'HEALTH_LOST' } }]);
    expect(given(back('0.9.0'), {}, {}, { fails: 'HEALTH_LOST' }, { version: '0.9.0' }).last).toMatchObject([
      { type: 'fell-back', host: 'ws', failure: { reason: 'HEALTH_LOST' } },
    ]);
  });
  it('counts as settled when its agent cannot watch', () =>
    expect(given(back(), {}, {}, { fails: 'UNKNOWN_ACTION' }).last).toEqual([{ type: 'caught-up', host: 'ws' }]));
  it('is not believed when it names another version', () =>
    expect(given(back(), {}, { version: '1.0.0' }).last).toMatchObject([{ step: 'roll-back' }]));
  it('is set back and not blamed when a newer run has overtaken it', () => {
    const overtaken = Array.from({ length: 4 }, () => [back(), { fails: 'FENCE_TOO_LOW' }]).flat();
    expect(given(...overtaken).state).toMatchObject({ phase: 'waiting', attempts: 4, failures: 0 });
    expect(given(back(), {}, { fails: 'FENCE_TOO_LOW' }).last).toMatchObject([{ type: 'fell-back', failures: 0 }]);
  });
  it('is given up when it cannot go back, or has failed too often', () => {
    expect(given(back(), {}, { fails: 'X' }, { fails: 'Y' }).state).toMatchObject({
      phase: 'given-up',
      failure: { reason: 'Y' },
    });
    expect(given(back(''), {}, { fails: 'X' }).state).toMatchObject({ phase: 'given-up' });
    expect(given(...tooOften).state).toMatchObject({ phase: 'given-up', failure: { reason: 'TIMED_OUT' } });
  });
  it('is tried anew, as often as the first time, when a person wants it', () => {
    const anew: CatchUpCommand = { type: 'start-over', host: 'ws' };
    expect(given(...tooOften, back()).last).toEqual([]);
    expect(given(...tooOften, anew, back()).last).toMatchObject([{ order: 'r-1.ws.late-stage-4' }]);
    expect(given(...tooOften, anew, ...tooOften).state).toMatchObject({ phase: 'given-up' });
    expect(() => given(anew)).toThrow('was not given up');
  });
});

const tooOften = Array.from({ length: CATCH_UP_ATTEMPTS }, () => [back(), { fails: 'TIMED_OUT' }]).flat();

it('in any order, duplicates included, no order is given twice and done stays done', () => {
  const step = fc.oneof(
    fc.constantFrom('', '1.0.0', '2.0.0').map(back),
    fc.record({ version: fc.constantFrom('1.0.0', '2.0.0') }),
    fc.constantFrom('BROKEN', 'FENCE_TOO_LOW').map((fails) => ({ fails })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (script) => {
      const { all } = given(...script);
      const orders = all.flatMap((e) => (e.type === 'ordered' ? [e.order] : []));
      expect(new Set(orders).size).toBe(orders.length);
      const ends = all.filter((e) => e.type === 'caught-up' || e.type === 'gave-up');
      expect(ends.length).toBeLessThanOrEqual(1);
      expect(ends.length === 0 || all.at(-1) === ends[0]).toBe(true);
      // Whatever became the version of the host was watched, unless it was there already or a newer run took over.
      all.forEach((event, i) => {
        const before = all[i - 1];
        if (event.type === 'caught-up' && before?.type === 'ordered') expect(before.step).toBe('settle');
      });
    }),
  );
});
