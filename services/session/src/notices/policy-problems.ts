import { checkPolicy, type sessionV1 } from '@lastcall/contracts';
import type { Violation } from '@lastcall/kernel';
import type { Logger } from '@lastcall/runtime';
import { parsePolicy } from '../parse-policy.js';
import { createBoundedCache } from './bounded-cache.js';
import { isUsable } from './render.js';

/*
 * What of an installation's session settings is left out, said in the log once: users are told Lastcall's own texts instead, and whoever
 * wrote the templates should know. Names of users are not in it.
 */

export interface PolicyProblems {
  heard(installation: string, policy: sessionV1.SessionPolicy | undefined): void;
}

export function createPolicyProblems(log: Logger): PolicyProblems {
  const logged = createBoundedCache(1_000, (key) => {
    const [installation, ...problems] = JSON.parse(key) as [string, ...Violation[]];
    log.warn({ installation, problems }, 'session settings that cannot be used are left out; notices have other texts');
    return true;
  });
  return {
    heard: (installation, policy) => {
      const problems = [...checkPolicy(policy), ...unusableTemplates(policy)];
      if (problems.length > 0) logged(JSON.stringify([installation, ...problems]));
    },
  };
}

/** Those that are right by their syntax and that the formatter does not take all the same. */
function unusableTemplates(wire: sessionV1.SessionPolicy | undefined): Violation[] {
  return parsePolicy(wire)
    .templates.filter((template) => !isUsable(template))
    .map(({ kind, language }) => ({ field: `template ${kind} ${language}`, description: 'cannot be formatted' }));
}
