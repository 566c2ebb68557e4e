import fc from 'fast-check';
import { isRejected, run } from '@lastcall/kernel';
import { heldBy } from './wave-offer.js';
import {
  census,
  stageOf,
  type Census,
  type Member,
  type Outcome,
  type StageCount,
  type WavePlan,
} from './wave-plan.js';
import {
  BY_ITSELF,
  dueOf,
  isBinding,
  isSettled,
  LOOK_EVERY_MS,
  MAX_ADMITTED,
  waveDecider,
  type WaveCommand,
  type WaveState,
} from './wave.js';

const plan = (more: Partial<WavePlan> = {}): WavePlan => ({
  ...{ product: 'encore', version: '11.1.0', channel: 'stable' },
  stages: [
    { kind: 'group', group: 'canary' },
    { kind: 'percent', percent: 100 },
  ],
  ...{ threshold: { kind: 'count', count: 2 }, soakMs: 1_000, neededPercent: 100 },
  ...more,
});
const stage = (size: number, updated = 0, failed = 0, setAside = 0): StageCount => ({
  size,
  updated,
  failed,
  setAside,
});
const counted = (stages: readonly StageCount[], failures: Census['failures'] = {}): Census => ({ stages, failures });
const two = (a: StageCount, failures: Census['failures'] = {}): Census => counted([a, stage(3)], failures);

const create = (p = plan(), c = two(stage(2))): WaveCommand => ({
  type: 'create',
  plan: p,
  census: c,
  by: 'anna',
  at: 0,
});
type Look = Extract<WaveCommand, { type: 'look' }>;
const look = (at: number, c: Census): Look => ({ type: 'look', census: c, at });
const said = { by: 'anna', reason: 'because', at: 50 };
const stop: WaveCommand = { type: 'stop', ...said };
const resume = (failures: Census['failures'] = {}): WaveCommand => ({ type: 'resume', failures, ...said });
const abort: WaveCommand = { type: 'abort', ...said };
const admit = (installation = 'x'): WaveCommand => ({ type: 'admit', installation, ...said });
const both = two(stage(2, 2));
const failed = two(stage(2, 0, 2), { a: 1, b: 1 });

function given(...commands: readonly WaveCommand[]) {
  let state: WaveState = waveDecider.initial;
  const refused: string[] = [];
  for (const command of commands) {
    const decision = run(waveDecider, state, command);
    if (isRejected(decision)) refused.push(decision.reason);
    else ({ state } = decision);
  }
  return { state, refused };
}
const running = (soakUntil: number | null, at: number): object => ({ state: 'running', soakUntil, stage: at });
const DONE = [
  create(),
  look(1, both),
  look(1_001, both),
  look(1_002, counted([stage(2, 2), stage(3, 3)])),
  look(2_002, both),
];

describe('a wave', () => {
  it('begins with its first stage', () => {
    expect(given(create()).state).toMatchObject({ ...running(null, 0), sizes: [2] });
  });
  it.each<[string, readonly WaveCommand[], object]>([
    ['waits until the stage has the release', [look(1, two(stage(2, 1)))], running(null, 0)],
    ['soaks when it has', [look(1, both)], running(1_001, 0)],
    ['keeps soaking', [look(1, both), look(1_000, both)], running(1_001, 0)],
    ['goes on after that', [look(1, both), look(1_001, both)], { ...running(null, 1), sizes: [2, 3] }],
    ['stops when too many failed', [look(1, failed)], { state: 'stopped', word: { by: BY_ITSELF } }],
    ['also while it soaks', [look(1, both), look(2, failed)], { state: 'stopped' }],
    ['not before', [look(1, two(stage(2, 1, 1), { a: 1 }))], running(1_001, 0)],
    ['waits for a first success', [look(1, two(stage(2, 0, 1), { a: 1 }))], running(null, 0)],
    ['stays stopped, whatever is seen', [look(1, failed), look(2, both), look(9_999, both)], { state: 'stopped' }],
    ['is stopped by a person', [stop], { state: 'stopped', word: said }],
    [
      'is resumed by a person',
      [look(1, failed), resume({ a: 1, b: 1 })],
      { ...running(null, 0), setAside: { a: 1, b: 1 } },
    ],
    ['soaks anew when it is resumed', [look(1, both), stop, resume(), look(90, both)], running(1_090, 0)],
    [
      'does not wait for who was set aside',
      [look(1, failed), resume({ a: 1, b: 1 }), look(60, two(stage(2, 0, 0, 2)))],
      running(1_060, 0),
    ],
    ['is aborted by a person', [abort], { state: 'aborted', word: said }],
    ['is aborted when it is stopped', [stop, abort], { state: 'aborted' }],
    [
      'ends with its release',
      [{ ...look(5, both), withdrawn: 'bad' }],
      { state: 'aborted', word: { by: BY_ITSELF, reason: 'the release was withdrawn: bad' } },
    ],
    ['ends with its release when it is stopped', [stop, { ...look(5, both), withdrawn: 'bad' }], { state: 'aborted' }],
    ['lets one in', [admit('x')], { admitted: { x: said } }],
    [
      'binds nobody any more when another one is done',
      [abort, { type: 'supersede' }],
      { state: 'aborted', superseded: true },
    ],
    ['binds as long as it runs', [{ type: 'supersede' }], running(null, 0)],
    ['forgets whom it let in when it is aborted', [admit('x'), abort], { admitted: {} }],
  ] as [string, WaveCommand[], object][])('%s', (_, commands, expected) =>
    expect(given(create(), ...commands).state).toMatchObject(expected),
  );

  it('is done after its last stage', () => expect(given(...DONE).state).toMatchObject({ state: 'done' }));

  it.each<[string, readonly WaveCommand[], string[]]>([
    ['a stage without anybody', [create(plan(), two(stage(0)))], ['WAVE_STAGE_EMPTY']],
    ['its name twice', [create(), create(plan({ version: '11.2.0' }))], ['WAVE_EXISTS']],
    ['anything before it is there', [stop, resume(), abort, admit(), look(1, both)], Array(5).fill('WAVE_NOT_FOUND')],
    ['to stop when it is done', [...DONE, stop, resume(), abort], Array(3).fill('WAVE_DONE')],
    ['to go on after it was aborted', [create(), abort, resume(), stop, admit()], Array(3).fill('WAVE_ABORTED')],
  ])('refuses %s', (_, commands, refused) => expect(given(...commands).refused).toEqual(refused));

  it('takes the same call again', () => {
    expect(given(create(), create())).toMatchObject({ refused: [], state: { stage: 0 } });
    for (const command of [stop, abort, admit()]) {
      expect(given(create(), command, command)).toEqual(given(create(), command));
    }
  });

  it('needs somebody in every group, but not in every later share', () => {
    const shares = plan({
      stages: [
        { kind: 'percent', percent: 50 },
        { kind: 'group', group: 'vip' },
        { kind: 'percent', percent: 100 },
      ],
    });
    const refused = (...sizes: number[]) => given(create(shares, counted(sizes.map((size) => stage(size))))).refused;
    expect(refused(1, 0, 1)).toEqual(['WAVE_STAGE_EMPTY']);
    expect(refused(0, 1, 1)).toEqual(['WAVE_STAGE_EMPTY']);
    expect(refused(1, 1, 0)).toEqual([]);
  });

  it('passes over a share without anybody, and does not soak without a soak time', () => {
    const empty = counted([stage(1, 1), stage(0)]);
    const shares = plan({
      stages: [
        { kind: 'percent', percent: 50 },
        { kind: 'percent', percent: 100 },
      ],
    });
    const start = [create(shares, empty), look(1, empty), look(1_001, empty)];
    expect(given(...start, look(1_002, empty)).state).toMatchObject({ state: 'done' });
    expect(given(create(plan({ soakMs: 0 })), look(1, both)).state).toMatchObject(running(null, 1));
  });

  it('stops at a percentage of the installations whose stage has begun', () => {
    const p = plan({ threshold: { kind: 'percent', percent: 20 } });
    const big = (failures: Census['failures']): Census => counted([stage(10, 1), stage(90)], failures);
    expect(given(create(p, big({})), look(1, big({ a: 1 }))).state).toMatchObject({ state: 'running' });
    expect(given(create(p, big({})), look(1, big({ a: 1, b: 1 }))).state).toMatchObject({ state: 'stopped' });
    expect(given(create(p, big({})), look(1, big({}))).state).toMatchObject({ state: 'running' });
  });

  it('goes on with enough of a stage', () => {
    const needed = { neededPercent: 80 };
    expect(isSettled(stage(10, 7), plan(needed))).toBe(false);
    expect(isSettled(stage(10, 8), plan(needed))).toBe(true);
    expect(isSettled(stage(10, 7, 1), plan(needed))).toBe(false);
    expect(isSettled(stage(10, 7, 1, 1), plan(needed))).toBe(true);
    expect(isSettled(stage(10, 9), plan())).toBe(false);
  });

  it('lets in no more than it can keep', () => {
    const many = Array.from({ length: MAX_ADMITTED }, (_, i) => admit(`i-${i}`));
    expect(given(create(), ...many, admit('one-more')).refused).toEqual(['TOO_MANY_ADMITTED']);
  });

  it('binds until it is done, or superseded after it was aborted', () => {
    const binds = (...commands: WaveCommand[]) => isBinding(given(...commands).state);
    for (const commands of [[create()], [create(), stop], [create(), abort]]) expect(binds(...commands)).toBe(true);
    for (const commands of [[], DONE, [create(), abort, { type: 'supersede' } as const]])
      expect(binds(...commands)).toBe(false);
  });

  it('has a due time while it runs, and none otherwise', () => {
    expect(dueOf(given(create()).state)).toBe(0);
    expect(dueOf(given(create(), look(5, two(stage(2)))).state)).toBe(5 + LOOK_EVERY_MS);
    expect(dueOf(given(create(), look(5, both)).state)).toBe(1_005);
    for (const commands of [[create(), stop], [create(), abort], DONE, []]) {
      expect(dueOf(given(...commands).state)).toBeUndefined();
    }
  });
});

describe('a wave under any commands in any order', () => {
  const count = fc
    .tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3))
    .map(([u, f, s, w]) => stage(u + f + s + w, u, f, s));
  const failures = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(5));
  const anyCensus = fc.tuple(fc.array(count, { minLength: 2, maxLength: 2 }), failures).map(([s, f]) => counted(s, f));
  const command = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(anyCensus, fc.nat(900)).map(([c, at]): WaveCommand => look(at, c)) },
    anyCensus.map((c): WaveCommand => ({ ...look(0, c), withdrawn: 'bad' })),
    fc.constantFrom<WaveCommand>(stop, abort, admit('x'), { type: 'supersede' }),
    failures.map((f): WaveCommand => resume(f)),
  );

  it('keeps its rules', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), fc.nat(2), (commands, soak) => {
        let { state } = given(create(plan({ soakMs: soak * 500 })));
        let now = 0;
        for (const next of commands) {
          // The store's clock does not go back.
          now += 'at' in next ? next.at : 0;
          const timed = { ...next, at: now } as WaveCommand;
          const decision = run(waveDecider, state, timed);
          if (isRejected(decision)) continue;
          checkStep(state, decision.state, timed);
          ({ state } = decision);
        }
      }),
    );
  });
});

function checkStep(before: WaveState, after: WaveState, command: WaveCommand): void {
  if (before.state === 'absent' || after.state === 'absent') throw new Error('a wave is never gone');
  expect(after.stage - before.stage === 0 || after.stage - before.stage === 1).toBe(true);
  expect(after.history.length).toBeGreaterThanOrEqual(before.history.length);
  // Only what runs goes on, and only after the whole soak.
  if (after.stage > before.stage || (after.state === 'done' && before.state !== 'done')) {
    const { plan: p, soakUntil, stage: at } = before as Extract<WaveState, { state: 'running' }>;
    if (command.type !== 'look') throw new Error('only a look goes on');
    const { census: seen, at: now } = command;
    const nobody = seen.stages[at]?.size === 0;
    expect(before.state).toBe('running');
    if (p.soakMs > 0 && !nobody) expect(soakUntil !== null && now >= soakUntil).toBe(true);
    expect(Object.keys(seen.failures).length).toBeLessThan(2);
  }
  if (before.state === 'aborted' || before.state === 'done') expect(after.state).toBe(before.state);
  // Nobody but a person lets a stopped wave run.
  if (before.state === 'stopped' && after.state === 'running') expect(command.type).toBe('resume');
}

/*
 * A whole fleet: installations take the release when they are offered it, fail or not; events come twice and late.
 */
describe('a fleet', () => {
  const WAVE = 'w';
  const p = plan({
    stages: [
      { kind: 'group', group: 'canary' },
      { kind: 'percent', percent: 50 },
      { kind: 'percent', percent: 100 },
    ],
    soakMs: 10,
  });
  const one = fc.record({ canary: fc.boolean(), fails: fc.integer({ min: 0, max: 9 }).map((n) => n === 0) });

  it('gets the release stage by stage, or the wave is stopped by those that failed', () => {
    fc.assert(
      fc.property(
        fc.array(one, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(11), { maxLength: 200 }),
        (fleet, order) => {
          const members = fleet.map(({ canary }, i): Member => ({
            installation: `i-${i}`,
            group: canary || i === 0 ? 'canary' : '',
            installedVersion: '11.0.0',
          }));
          const outcomes = new Map<string, Outcome>();
          let now = 0;
          let { state } = given({
            type: 'create',
            plan: p,
            census: census(WAVE, p, members, outcomes, {}),
            by: 'anna',
            at: 0,
          });
          const lookNow = (): void => {
            if (state.state === 'absent') return;
            const decision = run(waveDecider, state, look(now, census(WAVE, p, members, outcomes, state.setAside)));
            if (!isRejected(decision)) ({ state } = decision);
          };
          for (const i of [...order, ...order]) {
            now += 3;
            const member = members[i % members.length];
            if (!member || state.state === 'absent') continue;
            const asker = { ...member, channel: 'stable' };
            if (heldBy({ wave: WAVE, state }, asker) === undefined) {
              // Everybody of the stages before has it, or failed below the threshold.
              const earlier = members.filter((m) => stageOf(WAVE, p, m) < stageOf(WAVE, p, member));
              if (state.state !== 'done') expect(earlier.every((m) => outcomes.has(m.installation))).toBe(true);
              const outcome = fleet[i % members.length]?.fails ? 'rolled-back' : 'updated';
              if (!outcomes.has(member.installation)) {
                outcomes.set(member.installation, { outcome, run: 'r', fence: 1, at: now, reason: '' });
              }
            }
            lookNow();
            lookNow();
          }
          const failures = [...outcomes.values()].filter((o) => o.outcome !== 'updated').length;
          expect(state.state === 'stopped').toBe(failures >= 2);
          if (state.state === 'done') expect(outcomes.size).toBe(members.length);
        },
      ),
    );
  });
});
