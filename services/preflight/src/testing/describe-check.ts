import type { CheckModule } from '../domain/checks/check-module.js';
import { isBlocking } from '../domain/evaluate.js';
import type { Check } from '../domain/facts.js';
import { reportOf, type Situation } from './sample-matter.js';

type Cases = Readonly<Record<string, Situation>>;

export interface CheckCases {
  readonly passes: Cases;
  /** Every check has at least one. */
  readonly fails: Cases;
  /** Nobody could find out: blocks. */
  readonly unknown?: Cases;
  readonly skipped?: Cases;
  /** Not in the report. */
  readonly notAsked?: Cases;
}

/** The cases of one check, each judged as part of a whole report; checks of hosts on the server unless another one is named. */
export function describeCheck({ name, about }: CheckModule, cases: CheckCases, on = 'server'): void {
  const judged = (situation: Situation): readonly Check[] =>
    reportOf(situation).filter((c) => c.check === name && c.host === (about === 'host' ? on : ''));
  const each = (what: keyof CheckCases, expectation: (checks: readonly Check[]) => void): void => {
    for (const [title, situation] of Object.entries(cases[what] ?? {})) {
      it(`${what}: ${title}`, () => expectation(judged(situation)));
    }
  };
  const some = (verdict: Check['verdict']) => (checks: readonly Check[]) => {
    const found = checks.filter((c) => c.verdict === verdict);
    expect(found.length).toBeGreaterThan(0);
    for (const check of found) {
      expect(check.asked).not.toBe('');
      expect(check.found).not.toBe('');
      expect(check.remedy !== '').toBe(isBlocking(check));
    }
  };

  describe(`check ${name}`, () => {
    it('has a case in which it blocks', () => expect(Object.keys(cases.fails).length).toBeGreaterThan(0));
    each('passes', (checks) => {
      some('passed')(checks);
      expect(checks.filter(isBlocking)).toEqual([]);
    });
    each('fails', some('failed'));
    each('unknown', some('unknown'));
    each('skipped', some('skipped'));
    each('notAsked', (checks) => expect(checks).toEqual([]));
  });
}
