import type { HostCheck, Question } from './check-module.js';

/** The vendor's own questions, answered by commands of the release that is going to be installed (ADR 28). */
export const vendor: HostCheck = {
  name: 'vendor',
  about: 'host',
  passesWhen:
    "each check of the release's manifest ends with exit code 0; put off while the release is not staged there",
  ask: ({ demands, host, facts, occasion }) =>
    (demands?.vendorChecks ?? [])
      .filter((check) => check.role === host.role)
      .map(({ id, asks, remedy }): Question => {
        const asked = `${id}: ${asks}`;
        if (!facts.staged && !occasion.isLastLook) {
          const skip = 'asked when the release is staged here, at the latest when nobody is inside';
          return { asked, met: undefined, found: '', remedy, skip };
        }
        const answer = facts.vendorChecks?.find((a) => a.id === id);
        const met = answer && !answer.unanswered ? answer.passed : undefined;
        return { asked, met, found: answer?.found ?? '', remedy, needs: answer ? [] : ['vendor_checks'] };
      }),
};
