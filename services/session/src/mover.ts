import type { Ledger } from './ledger.js';
import type { LocalSession } from './local-session.js';
import type { Logger } from '@lastcall/runtime';
import type { Presence } from './presence.js';
import type { Roster } from './roster.js';
import type { Watch } from './watch.js';

/*
 * Asks the clients of a replica that stops to come back at another one, evenly, because ten thousand at once would be a storm there.
 * Until the last one has gone the replica keeps its lease and follows the gates: a logoff does not wait for it, but for who saves work.
 */

export interface MoverOptions {
  readonly roster: Roster;
  readonly presence: Presence;
  readonly watch: Watch;
  readonly ledger: Ledger;
  readonly log: Logger;
  /** For `MEASURE` sessions and more; fewer take less. */
  readonly moveMs: number;
}

const MEASURE = 10_000;
const STEP_MS = 50;
/** As often as the duties that do not run any more. */
const CARE_MS = 500;

/** Resolves when nobody is here any more. */
export async function moveAll(options: MoverOptions): Promise<void> {
  const { roster, moveMs, log } = options;
  const inAll = (moveMs * Math.min(roster.size, MEASURE)) / MEASURE;
  const until = performance.now() + inAll;
  let caredAt = performance.now();
  for (;;) {
    const restMs = until - performance.now();
    const steps = Math.max(1, Math.ceil(restMs / STEP_MS));
    roster.move(firstOf(roster.movable(), Math.ceil(roster.size / steps)));
    if (roster.size === 0) return;
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    if (performance.now() - caredAt < CARE_MS) continue;
    caredAt = performance.now();
    // Without the store the streams end a little sooner: the lease runs out.
    await care(options).catch((err: unknown) => log.warn({ err }, 'the gates are not followed at the moment'));
  }
}

async function care({ roster, presence, watch, ledger }: MoverOptions): Promise<void> {
  presence.check();
  roster.sweep(CARE_MS);
  await Promise.all([presence.renew(), watch.look(presence.now()), ledger.flush()]);
}

function firstOf(sessions: Iterable<LocalSession>, count: number): LocalSession[] {
  const first: LocalSession[] = [];
  for (const session of sessions) {
    if (first.length === count) break;
    first.push(session);
  }
  return first;
}
