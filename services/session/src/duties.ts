import { HOUR_MS } from '@lastcall/kernel';
import type { Duty } from '@lastcall/runtime';
import type { AttachLimits } from './attach-limits.js';
import type { Hellos } from './hellos.js';
import type { Ledger } from './ledger.js';
import type { Presence } from './presence.js';
import type { Replacements } from './replacements.js';
import type { Roster } from './roster.js';
import type { Sheets } from './sheets.js';
import type { Watch } from './watch.js';

/*
 * What repeats: the lease of this replica, what dead replicas left behind, the sweep over the streams, which is the only clock that they
 * have, and the look at the store for what was not heard.
 */

export interface DutyParts {
  readonly presence: Presence;
  readonly roster: Roster;
  readonly hellos: Hellos;
  readonly limits: AttachLimits;
  readonly ledger: Ledger;
  readonly sheets: Sheets;
  readonly replacements: Replacements;
  readonly watch: Watch;
  readonly leaseMs: number;
  isRevoked(token: string): boolean;
}

const SWEEP_MS = 500;
const LOOK_MS = 1_000;

export function createDuties(parts: DutyParts): readonly Duty[] {
  return [leaseDuty(parts), remainsDuty(parts), sweepDuty(parts), lookDuty(parts)];
}

/**
 * Alone: what others left behind may be thousands of sessions, and a lease that waits for that is lost. So often that on a machine that is
 * short of time one renewal may take a quarter of the lease.
 */
function leaseDuty({ presence, leaseMs }: DutyParts): Duty {
  return {
    name: 'presence',
    everyMs: Math.ceil(leaseMs / 5),
    runOnce: async () => {
      await presence.renew();
      return undefined;
    },
  };
}

function remainsDuty({ presence, sheets, replacements, leaseMs }: DutyParts): Duty {
  let tidiedAt = 0;
  return {
    name: 'dead-replicas',
    everyMs: Math.ceil(leaseMs / 3),
    runOnce: async () => {
      await presence.hold();
      await presence.bury();
      const replicas = await presence.replicas();
      const now = presence.now();
      replacements.tidy((replica) => (replicas.get(replica)?.leaseUntil ?? 0) > now);
      if (now - tidiedAt > HOUR_MS) {
        await sheets.forget();
        tidiedAt = now;
      }
      return undefined;
    },
  };
}

/** Memory only: a store that hangs must not keep streams alive beyond the lease. */
function sweepDuty(parts: DutyParts): Duty {
  const { presence, roster, hellos, limits } = parts;
  let sweptAt = presence.now();
  return {
    name: 'stream-sweep',
    everyMs: SWEEP_MS,
    runOnce: async () => {
      presence.check();
      const now = presence.now();
      hellos.sweep();
      roster.sweep(now - sweptAt);
      roster.endRevoked((token) => parts.isRevoked(token));
      limits.sweep(now);
      sweptAt = now;
      return undefined;
    },
  };
}

function lookDuty({ presence, ledger, watch }: DutyParts): Duty {
  return {
    name: 'gate-watch',
    everyMs: LOOK_MS,
    runOnce: async () => {
      await ledger.flush();
      await watch.look(presence.now());
      return undefined;
    },
  };
}
