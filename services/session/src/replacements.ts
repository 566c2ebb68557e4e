import type { Bus } from '@lastcall/bus';
import type { Logger } from '@lastcall/runtime';
import type { Presence } from './presence.js';
import { FAREWELLS, type Roster } from './roster.js';

/*
 * A session that came back somewhere else ends where it was before. Said by a broadcast: only the replica that owns an attachment may
 * remove it. When the broadcast is lost, the old one ends by its silence.
 */

export interface Replacements {
  replaced(replica: string, installation: string, id: string): void;
  stop(): Promise<void>;
}

const TOPIC = 'session-replaced';

export async function createReplacements(options: {
  readonly bus: Bus;
  readonly roster: Roster;
  readonly presence: Presence;
  readonly log: Logger;
}): Promise<Replacements> {
  const { bus, roster, presence, log } = options;

  function endHere(installation: string, id: string): void {
    const session = roster.find(installation, id);
    if (session) roster.end(session, FAREWELLS.replaced);
  }

  const subscription = await bus.listen(TOPIC, (data) => {
    const [replica, installation, id] = Buffer.from(data).toString('utf8').split('/');
    if (replica === presence.replica && installation !== undefined && id !== undefined) endHere(installation, id);
  });
  return {
    replaced: (replica, installation, id) => {
      if (replica === presence.replica) return endHere(installation, id);
      bus
        .broadcast(TOPIC, Buffer.from([replica, installation, id].join('/'), 'utf8'))
        .catch((error: unknown) => log.warn({ err: error }, 'a replaced connection ends a little later'));
    },
    stop: () => subscription.stop(),
  };
}
