import { isRejected, randomId } from '@lastcall/kernel';
import type { Logger } from '@lastcall/runtime';
import type { SessionDocument } from './documents.js';
import { drainOf } from './domain/drain.js';
import type { GateState } from './domain/gate-state.js';
import type { GateRecord, Gates } from './gates.js';
import type { Ledger } from './ledger.js';
import type { LocalSession } from './local-session.js';

/*
 * What a session leaves behind when it is over: holds, which end with it, and where its replica is gone, the word that it was lost.
 */

export interface Remains {
  /** A session of this replica is over for good. */
  over(session: LocalSession): void;
  /** Sessions end with their replica, which cannot say so any more. Resolves when it is in the store. */
  buried(sessions: readonly SessionDocument[]): Promise<void>;
}

export interface RemainsOptions {
  readonly gates: Gates;
  readonly ledger: Ledger;
  readonly known: (installation: string) => GateRecord | undefined;
  readonly now: () => number;
  readonly log: Logger;
}

export function createRemains({ gates, ledger, known, now, log }: RemainsOptions): Remains {
  async function dropHold(installation: string, session: string): Promise<void> {
    const notice = randomId('n');
    const result = await gates.apply(installation, ({ now: at }) => ({ type: 'drop-hold', session, notice, at }));
    if (isRejected(result)) log.warn({ installation, session, why: result.reason }, 'a hold outlives its session');
  }

  return {
    over: ({ installation, session }) => {
      const record = known(installation);
      if (!record || !ownsHold(record.data.gate, session)) return;
      // It runs out by itself if this fails.
      dropHold(installation, session).catch((err: unknown) =>
        log.warn({ err, installation, session }, 'a hold outlives its session'),
      );
    },
    buried: async (sessions) => {
      for (const installation of new Set(sessions.map((session) => session.installation))) {
        const gate = (await gates.get(installation))?.data.gate;
        if (!gate) continue;
        const here = sessions.filter((session) => session.installation === installation);
        for (const session of here) noteLost(ledger, session, gate, now());
        for (const { session } of here) if (ownsHold(gate, session)) await dropHold(installation, session);
      }
      await ledger.flush();
    },
  };
}

function noteLost(ledger: Ledger, document: SessionDocument, gate: GateState, endAt: number): void {
  const { session, user, displayName, host } = document;
  const drain = drainOf(document, gate);
  if (drain) ledger.note(drain, { session, user, displayName, host, departure: 'lost', endAt });
}

function ownsHold(gate: GateState, session: string): boolean {
  return gate.phase === 'closing' && gate.holds.some((hold) => hold.session === session);
}
