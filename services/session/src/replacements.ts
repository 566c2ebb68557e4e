import type { Bus } from '@lastcall/bus';
import { BROADCASTS } from '@lastcall/contracts';
import type { Logger } from '@lastcall/runtime';
import { FAREWELLS } from './farewells.js';
import type { Ledger } from './ledger.js';
import type { Presence } from './presence.js';
import type { Roster } from './roster.js';

/*
 * A session that came back somewhere else ends where it was before. Said by a broadcast: only the replica that owns an attachment may
 * remove it. When the broadcast is lost, the old one ends by its silence; when its replica is gone, whoever has the session now removes
 * the old attachment as soon as the lease has run out, so that nobody is counted twice.
 */

export interface Attachment {
  readonly replica: string;
  readonly installation: string;
  /** Of the document. */
  readonly id: string;
}

export interface Replacements {
  replaced(attachment: Attachment): void;
  /** Whether this attachment, which has just been let in here, had been replaced before it was. */
  isReplaced(id: string): boolean;
  /** Removes those whose replica is not among the living. */
  tidy(isAlive: (replica: string) => boolean): void;
  stop(): Promise<void>;
}

const TOPIC = BROADCASTS.session.replaced;
/** Longer than any lease; then its replica has removed it, or its grace has. */
const REMEMBERED_MS = 600_000;

export async function createReplacements(options: {
  readonly bus: Bus;
  readonly roster: Roster;
  readonly ledger: Ledger;
  readonly presence: Presence;
  readonly log: Logger;
  /** Whether the document is just being let in here. */
  isUnderway(id: string): boolean;
}): Promise<Replacements> {
  const { bus, roster, ledger, presence, log } = options;
  /** Replaced while they were being let in. */
  const early = new Set<string>();
  const elsewhere = new Map<string, Attachment & { readonly at: number }>();

  function endHere(installation: string, id: string): void {
    const session = roster.find(installation, id);
    if (session) roster.end(session, FAREWELLS.replaced);
    // Without its document it would be inside and not be counted.
    else if (options.isUnderway(id)) early.add(id);
    // Its stream has ended, it was only waiting for this.
    else ledger.remove({ installation, id });
  }

  const subscription = await bus.listen(TOPIC, (data) => {
    const [replica, installation, id] = Buffer.from(data).toString('utf8').split('/');
    if (replica === presence.replica && installation !== undefined && id !== undefined) endHere(installation, id);
  });
  return {
    replaced: ({ replica, installation, id }) => {
      if (replica === presence.replica) return endHere(installation, id);
      elsewhere.set(id, { replica, installation, id, at: presence.now() });
      bus
        .broadcast(TOPIC, Buffer.from([replica, installation, id].join('/'), 'utf8'))
        .catch((error: unknown) => log.warn({ err: error }, 'a replaced connection ends a little later'));
    },
    isReplaced: (id) => early.delete(id),
    tidy: (isAlive) => {
      for (const id of early) if (!options.isUnderway(id)) early.delete(id);
      const below = presence.now() - REMEMBERED_MS;
      for (const [key, { replica, installation, id, at }] of elsewhere) {
        if (isAlive(replica) && at > below) continue;
        elsewhere.delete(key);
        if (!isAlive(replica)) ledger.remove({ installation, id });
      }
    },
    stop: () => subscription.stop(),
  };
}
