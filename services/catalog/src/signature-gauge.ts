import { isRejected, MINUTE_MS } from '@lastcall/kernel';
import type { Duty, ServiceContext } from '@lastcall/runtime';
import type { Repository } from './tuf/repository.js';

/* When signed metadata ends, for whoever wants to be woken before hosts refuse it. */

const EVERY_MS = MINUTE_MS;
/** Roles of their own; all others are delegated, one or two a product. */
const ROLES: ReadonlySet<string> = new Set(['root', 'targets', 'snapshot', 'timestamp']);

export function createSignatureGauge(
  repository: Pick<Repository, 'signingState'>,
  gauge: ServiceContext<object>['gauge'],
): Duty {
  return {
    name: 'signature-gauge',
    everyMs: EVERY_MS,
    runOnce: async () => {
      const state = await repository.signingState();
      if (isRejected(state)) return undefined;
      const soonest = new Map<string, number>();
      for (const { role, expiresAt } of state.roles) {
        const kind = ROLES.has(role) ? role : 'releases';
        soonest.set(kind, Math.min(soonest.get(kind) ?? Infinity, expiresAt));
      }
      for (const [role, at] of soonest) gauge('signatures_end_seconds', at / 1_000, { role });
      return undefined;
    },
  };
}
