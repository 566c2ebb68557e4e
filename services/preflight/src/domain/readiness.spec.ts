import { isRejected, run } from '@lastcall/kernel';
import fc from 'fast-check';
import { FACTS as SAMPLE } from '../testing/sample-matter.js';
import { STALE_FACTS_MS } from './evaluate.js';
import type { HostAnswer, HostFacts, Occasion } from './facts.js';
import { readiness, type ReadinessCommand, type ReadinessEvent, type ReadinessState } from './readiness.js';

const FACTS: HostFacts = { ...SAMPLE, installedVersion: '1.0.0', clockAt: 1_000 };
const HOSTS = ['a', 'b', 'c'];
const OCCASION: Occasion = {
  installation: 'i',
  product: 'p',
  fromVersion: '1.0.0',
  requirements: undefined,
  hosts: HOSTS.map((host) => ({ host, role: host === 'a' ? 'server' : 'workstation', mayFollowLater: host !== 'a' })),
  backupMode: 'take',
  backupMaxAgeMs: 1,
  knownBackup: undefined,
};
const good: HostAnswer = { kind: 'facts', facts: FACTS, at: 1_000 };
const bad: HostAnswer = {
  kind: 'failure',
  failure: { reason: 'TIMED_OUT', message: 'silent', host: '', facts: {} },
  at: 1_000,
};
const begin: ReadinessCommand = { type: 'begin', occasion: OCCASION, at: 0 };
const answer = (host: string, value: HostAnswer = good): ReadinessCommand => ({ type: 'answer', host, answer: value });
const close: ReadinessCommand = { type: 'close', at: 2_000 };
const abandon: ReadinessCommand = { type: 'abandon', at: 3_000 };

function given(...commands: readonly ReadinessCommand[]): { state: ReadinessState; events: ReadinessEvent[] } {
  const events: ReadinessEvent[] = [];
  let state = readiness.initial;
  for (const command of commands) {
    const decision = run(readiness, state, command);
    if (isRejected(decision)) throw new Error(decision.message);
    state = decision.state;
    events.push(...decision.events);
  }
  return { state, events };
}

describe('readiness', () => {
  it('asks and waits', () => expect(given(begin, answer('a')).state.phase).toBe('asking'));
  it('decides when the last answer is in', () => {
    const { state } = given(begin, answer('a'), answer('b'), answer('c'));
    expect(state).toMatchObject({ phase: 'decided', verdict: 'passed', absentHosts: [], decidedAt: 1_000 });
  });
  it('decides on what there is when the time is up', () => {
    expect(given(begin, answer('a'), close).state).toMatchObject({ verdict: 'passed', absentHosts: ['b', 'c'] });
    expect(given(begin, answer('b'), close).state).toMatchObject({ verdict: 'failed' });
  });
  it('fails on a silent server', () => {
    expect(given(begin, answer('a', bad), answer('b'), answer('c')).state).toMatchObject({ verdict: 'failed' });
  });
  it('fails at once without hosts', () => {
    const nobody = given({ type: 'begin', occasion: { ...OCCASION, hosts: [] }, at: 0 });
    expect(nobody.state).toMatchObject({ phase: 'decided', verdict: 'failed' });
  });
  it('never begins what was cancelled before', () => {
    expect(given(abandon, begin, answer('a'), close).state.phase).toBe('abandoned');
  });
  it('does not change for an answer that comes after the verdict', () => {
    const decided = given(begin, answer('a', bad), close);
    expect(decided.state).toMatchObject({ verdict: 'failed' });
    expect(given(begin, answer('a', bad), close, answer('a'), answer('b'), answer('c')).state).toEqual(decided.state);
  });
  it('fails on facts that are older than a quarter of an hour when the verdict is found', () => {
    const late = { type: 'close', at: STALE_FACTS_MS + 1 } as const;
    expect(given(begin, answer('a'), late).state).toMatchObject({ verdict: 'failed', absentHosts: ['b', 'c'] });
  });
  it('keeps its verdict when it is cancelled afterwards', () => {
    expect(given(begin, close, abandon).state.phase).toBe('decided');
  });
  it('ignores a host that was not asked', () => {
    expect(given(begin, answer('stranger')).events).toHaveLength(1);
  });

  it('says one verdict at most, whatever comes in whatever order and how often', () => {
    const command = fc.oneof(
      fc.constant(begin),
      fc.constant(close),
      fc.constant(abandon),
      fc.tuple(fc.constantFrom(...HOSTS), fc.boolean()).map(([host, ok]) => answer(host, ok ? good : bad)),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 20 }), (commands) => {
        const { state, events } = given(...commands);
        const verdicts = events.filter((e) => e.type === 'decided');
        expect(verdicts.length).toBeLessThanOrEqual(1);
        expect(verdicts.length === 1).toBe(state.phase === 'decided');
        if (state.phase === 'decided' && state.verdict === 'passed') {
          const first = commands.find((c) => c.type === 'answer' && c.host === 'a');
          expect(events.some((e) => e.type === 'answered' && e.host === 'a' && e.answer.kind === 'facts')).toBe(true);
          expect(first).toBeDefined();
        }
        const folded = events.reduce((s, e) => readiness.evolve(s, e), readiness.initial);
        expect(folded).toEqual(state);
      }),
    );
  });
});
