import { DAY_MS, HOUR_MS } from '@lastcall/kernel';
import type { Duty } from '@lastcall/runtime';
import type { AttachLimits } from './attach-limits.js';
import type { Hellos } from './hellos.js';
import type { Ledger } from './ledger.js';
import type { Presence } from './presence.js';
import type { Roster } from './roster.js';
import type { Watch } from './watch.js';

/*
 * What repeats: the lease of this replica, and the sweep over its streams, which is the only clock that they have.
 */

export interface DutyParts {
  readonly presence: Presence;
  readonly roster: Roster;
  readonly hellos: Hellos;
  readonly limits: AttachLimits;
  readonly ledger: Ledger;
  readonly watch: Watch;
  readonly leaseMs: number;
  isRevoked(token: string): boolean;
}

const SWEEP_MS = 500;
const TALLIES_KEPT_MS = DAY_MS;

export function createPresenceDuty({ presence, ledger, leaseMs }: DutyParts): Duty {
  let tidiedAt = 0;
  return {
    name: 'presence',
    everyMs: Math.ceil(leaseMs / 3),
    runOnce: async () => {
      await presence.renew();
      await presence.bury();
      const now = presence.now();
      if (now - tidiedAt > HOUR_MS) {
        await ledger.forget(now - TALLIES_KEPT_MS);
        tidiedAt = now;
      }
      return undefined;
    },
  };
}

export function createSweepDuty(parts: DutyParts): Duty {
  const { presence, roster, hellos, limits, ledger, watch } = parts;
  let sweptAt = presence.now();
  return {
    name: 'stream-sweep',
    everyMs: SWEEP_MS,
    runOnce: async () => {
      const now = presence.now();
      hellos.sweep();
      roster.sweep(now - sweptAt);
      roster.endRevoked((token) => parts.isRevoked(token));
      limits.sweep(now);
      sweptAt = now;
      // Nothing of it needs the store but what follows; a store that is away must not stop the sweep.
      await ledger.flush();
      await watch.look(now);
      return undefined;
    },
  };
}
