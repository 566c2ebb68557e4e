import fc from 'fast-check';
import {
  census,
  checkPlan,
  newerOutcome,
  positionOf,
  stageOf,
  thresholdText,
  type Member,
  type Outcome,
  type Stage,
  type WavePlan,
} from './wave-plan.js';

const group = (name: string): Stage => ({ kind: 'group', group: name });
const percent = (value: number): Stage => ({ kind: 'percent', percent: value });

const plan = (more: Partial<WavePlan> = {}): WavePlan => ({
  ...{ product: 'encore', version: '11.1.0', channel: 'stable', stages: [group('canary'), percent(25), percent(100)] },
  ...{ threshold: { kind: 'count', count: 1 }, soakMs: 1_000, neededPercent: 100 },
  ...more,
});
const member = (installation: string, more: Partial<Member> = {}): Member => ({
  ...{ installation, group: '', installedVersion: '11.0.0' },
  ...more,
});
const ended = (outcome: Outcome['outcome'], fence = 1): Outcome => ({ outcome, run: 'r', fence, at: 1, reason: '' });

describe('the plan of a wave', () => {
  it('may be as it should be', () => {
    expect(checkPlan(plan())).toEqual([]);
    expect(checkPlan(plan({ threshold: { kind: 'percent', percent: 100 }, soakMs: 0, neededPercent: 1 }))).toEqual([]);
  });

  it.each<[string, Partial<WavePlan>, string]>([
    ['no stages', { stages: [] }, 'wave.stages'],
    ['too many stages', { stages: Array.from({ length: 21 }, (_, i) => percent(i + 80)) }, 'wave.stages'],
    ['nobody for the rest', { stages: [group('canary')] }, 'wave.stages'],
    ['not everybody at the end', { stages: [percent(99)] }, 'wave.stages'],
    ['a share that does not grow', { stages: [percent(20), percent(20), percent(100)] }, 'wave.stages[1]'],
    ['no share', { stages: [percent(0), percent(100)] }, 'wave.stages[0]'],
    ['more than all', { stages: [percent(101)] }, 'wave.stages[0]'],
    ['half a percent', { stages: [percent(0.5), percent(100)] }, 'wave.stages[0]'],
    ['a group twice', { stages: [group('a'), group('a'), percent(100)] }, 'wave.stages[1]'],
    ['a group that is none', { stages: [group('A b'), percent(100)] }, 'wave.stages[0]'],
    ['a threshold of none', { threshold: { kind: 'count', count: 0 } }, 'wave.stop_at_count'],
    ['a threshold beyond all', { threshold: { kind: 'percent', percent: 101 } }, 'wave.stop_at_percent'],
    ['needs nobody', { neededPercent: 0 }, 'wave.needed_percent'],
    ['soaks for ever', { soakMs: 31 * 86_400_000 }, 'wave.soak_time'],
    ['soaks backwards', { soakMs: -1 }, 'wave.soak_time'],
  ])('is refused with %s', (_, more, field) => expect(checkPlan(plan(more)).map((v) => v.field)).toContain(field));

  it('says when it stops', () => {
    expect(thresholdText(plan())).toBe('1 installation');
    expect(thresholdText(plan({ threshold: { kind: 'count', count: 3 } }))).toBe('3 installations');
    expect(thresholdText(plan({ threshold: { kind: 'percent', percent: 10 } }))).toContain('10 %');
  });
});

describe('who is in which stage', () => {
  it('a group has its stage, everybody else the first share that they are in', () => {
    expect(stageOf('w', plan(), { installation: 'berlin', group: 'canary' })).toBe(0);
    const stages = Array.from({ length: 400 }, (_, i) => stageOf('w', plan(), { installation: `i-${i}`, group: '' }));
    expect(new Set(stages)).toEqual(new Set([1, 2]));
    const quarter = stages.filter((stage) => stage === 1).length;
    expect(quarter).toBeGreaterThan(60);
    expect(quarter).toBeLessThan(140);
  });

  it('is the same each time, another in another wave, and never moves back when shares grow', () => {
    const ids = Array.from({ length: 50 }, (_, i) => `i-${i}`);
    expect(ids.map((id) => positionOf('a', id))).toEqual(ids.map((id) => positionOf('a', id)));
    expect(ids.map((id) => positionOf('a', id))).not.toEqual(ids.map((id) => positionOf('b', id)));
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 99 }), fc.nat(99), (id, share, more) => {
        const position = positionOf('w', id);
        expect(position).toBeGreaterThanOrEqual(0);
        expect(position).toBeLessThan(100);
        const wide = Math.min(100, share + more);
        const at = (first: number): number =>
          stageOf('w', plan({ stages: [percent(first), percent(100)] }), { installation: id, group: '' });
        if (at(share) === 0 && wide < 100) expect(at(wide)).toBe(0);
      }),
    );
  });
});

describe('a census', () => {
  const members = [
    member('a', { group: 'canary', installedVersion: '11.1.0' }),
    member('b', { group: 'canary' }),
    member('c', { group: 'canary' }),
    member('d', { group: 'canary', installedVersion: '12.0.0' }),
    member('e', { group: 'canary', installedVersion: '' }),
  ];
  const outcomes = new Map([
    ['b', ended('rolled-back', 4)],
    ['c', ended('quarantined', 7)],
    ['gone', ended('failed', 2)],
  ]);

  it('counts who has it, also without a run, who failed, and who was set aside', () => {
    const counted = census('w', plan(), members, outcomes, { b: 4, c: 6 });
    expect(counted.stages[0]).toEqual({ size: 5, updated: 2, failed: 1, setAside: 1 });
    // One that follows another channel by now has failed all the same.
    expect(counted.failures).toEqual({ c: 7, gone: 2 });
  });

  it('counts nobody where nobody is', () => {
    const { stages, failures } = census('w', plan(), [], new Map(), {});
    expect(stages.map((s) => s.size)).toEqual([0, 0, 0]);
    expect(failures).toEqual({});
  });
});

it('what an installation did last counts, in whatever order it is heard', () => {
  const outcome = fc.record({
    outcome: fc.constantFrom<Outcome['outcome']>('updated', 'failed', 'rolled-back', 'quarantined'),
    fence: fc.nat(4),
  });
  const heard = (all: readonly { outcome: Outcome['outcome']; fence: number }[]): Outcome | undefined =>
    all.reduce<Outcome | undefined>((known, { outcome: o, fence }) => newerOutcome(known, ended(o, fence)), undefined);
  fc.assert(
    fc.property(fc.array(outcome, { maxLength: 6 }), fc.infiniteStream(fc.nat()), (all, random) => {
      const shuffled = [...all, ...all].map((o) => ({ o, key: random.next().value ?? 0 }));
      const other = shuffled.toSorted((a, b) => a.key - b.key).map(({ o }) => o);
      expect(heard(other)).toEqual(heard(all));
    }),
  );
});
