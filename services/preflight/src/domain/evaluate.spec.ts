import { evaluate } from './evaluate.js';
import { answerWith as answer, AT, DEMANDS, OCCASION } from '../testing/sample-matter.js';
import type { Check, HostAnswer, Occasion } from './facts.js';

const silent: HostAnswer = {
  kind: 'failure',
  failure: { reason: 'TIMED_OUT', message: 'no answer within 15 s', host: '', facts: {} },
  at: AT,
};

function ask(occasion: Partial<Occasion>, server: HostAnswer | undefined, desk: HostAnswer | undefined = answer()) {
  const evaluation = evaluate({ ...OCCASION, ...occasion }, { server, desk }, { askedAt: AT, at: AT });
  return {
    ...evaluation,
    blocking: evaluation.checks.filter((c) => c.verdict === 'failed' || c.verdict === 'unknown'),
  };
}

const named = (checks: readonly Check[]) => checks.map((c) => `${c.host}:${c.check}:${c.verdict}`);

describe('evaluate', () => {
  it('lets a ready installation through, with evidence in every check', () => {
    const { checks, blocking, absentHosts } = ask({}, answer());
    expect(blocking).toEqual([]);
    expect(absentHosts).toEqual([]);
    expect(checks.every((c) => c.asked !== '' && c.found !== '' && c.answeredAt === AT)).toBe(true);
  });

  it('blocks when the server is silent, and leaves a silent workstation for later', () => {
    expect(named(ask({}, silent).blocking)).toEqual(['server:host-online:unknown']);
    const { blocking, absentHosts, checks } = ask({}, answer(), silent);
    expect(blocking).toEqual([]);
    expect(absentHosts).toEqual(['desk']);
    expect(named(checks)).toContain('desk:host-online:skipped');
  });

  it('leaves a workstation of another version for later', () => {
    expect(ask({}, answer(), answer({ installedVersion: '10.9.0' })).absentHosts).toEqual(['desk']);
  });

  it('demands exactly one server', () => {
    const none = ask({ hosts: [] }, undefined);
    expect(none.blocking).toMatchObject([{ check: 'hosts', found: 'none' }]);
  });

  it('has no backup to take when neither the release nor the update knows data', () => {
    const { blocking, backup } = ask(
      { requirements: { ...DEMANDS, changesData: false } },
      answer({ canBackUp: false }),
    );
    expect(blocking).toEqual([]);
    expect(backup.needless).toBe(true);
  });

  it('asks of a backup job only what a backup needs', () => {
    const { checks } = ask({ requirements: undefined, hosts: OCCASION.hosts.slice(0, 1) }, answer());
    expect(named(checks)).toEqual([
      ':hosts:passed',
      'server:host-online:passed',
      'server:clock:passed',
      'server:backup:passed',
      'server:disk-backup:passed',
    ]);
  });
});
