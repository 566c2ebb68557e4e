import type { sessionV1 } from '@lastcall/contracts';
import { assertNever, MINUTE_MS, SECOND_MS } from '@lastcall/kernel';
import type { Logger } from '@lastcall/runtime';
import { drainOf } from './domain/drain.js';
import { takeFrom } from './domain/rate.js';
import { FAREWELLS } from './farewells.js';
import type { GateRecord } from './gates.js';
import type { HoldDesk } from './hold-desk.js';
import type { Ledger } from './ledger.js';
import type { LocalSession } from './local-session.js';
import type { Roster } from './roster.js';
import type { SessionSettings } from './settings.js';
import { say } from './wire.js';

/*
 * What a session says. Who says too much is dropped at once, so that nobody else waits for it; what is not understood, because the client
 * is newer, counts as said and changes nothing.
 */

type Up = NonNullable<sessionV1.AttachRequest['message']>;

export interface Hearing {
  hear(session: LocalSession, message: Up | undefined): void;
}

export interface HearingOptions {
  readonly roster: Roster;
  readonly ledger: Ledger;
  readonly holds: HoldDesk;
  readonly known: (installation: string) => GateRecord | undefined;
  readonly now: () => number;
  readonly settings: Pick<SessionSettings, 'maxMessagesPerSecond' | 'holdsPerMinute'>;
  readonly log: Logger;
}

export function createHearing(options: HearingOptions): Hearing {
  const { roster, settings, now } = options;
  return {
    hear: (session, message) => {
      const { stream } = session;
      if (!stream) return;
      session.lastHeardAt = now();
      session.heard++;
      // The sweep is twice a second, and what came before the last one does not count.
      if (session.heard > 2 * settings.maxMessagesPerSecond) return roster.lose(session, FAREWELLS.noisy);
      switch (message?.$case) {
        case 'heartbeat':
          stream.write(say({ $case: 'heartbeat', value: {} }, now()));
          return;
        case 'acknowledgement':
          return acknowledge(options, session, message.value);
        case 'ready':
          if (session.told !== '') roster.end(session, FAREWELLS.ready);
          return;
        case 'hold':
          return askHold(options, session, message.value);
        case 'goodbye':
          return roster.leave(session);
        case 'hello':
        case undefined:
          return; // Said once; a second one changes nothing. Nor does what a newer client may say.
        default:
          return assertNever(message);
      }
    },
  };
}

function acknowledge(
  { known, ledger, now }: HearingOptions,
  session: LocalSession,
  { notice, read }: sessionV1.Acknowledgement,
): void {
  if (notice === '' || notice !== session.told) return;
  const isNew = session.acknowledged !== notice;
  if (!isNew && (session.read || !read)) return;
  session.acknowledged = notice;
  session.read = read;
  const gate = known(session.installation)?.data.gate;
  const drain = gate && drainOf(session, gate);
  if (!drain) return;
  const at = now();
  ledger.note(drain, {
    session: session.session,
    notice,
    ...(isNew && { receivedAt: at }),
    ...(read && { readAt: at }),
  });
}

function askHold(
  { holds, settings, now, log }: HearingOptions,
  session: LocalSession,
  request: sessionV1.HoldRequest,
): void {
  const limit = { burst: settings.holdsPerMinute, perSecond: (settings.holdsPerMinute * SECOND_MS) / MINUTE_MS };
  const { bucket, allowed } = takeFrom(session.holds, limit, now());
  session.holds = bucket;
  if (!allowed) return holds.refuse(session, { phrase: 'hold-too-often' });
  holds
    .ask(session, request)
    .catch((err: unknown) => {
      log.warn({ err, installation: session.installation }, 'a hold could not be decided on');
      holds.refuse(session, { phrase: 'hold-undecided' });
    })
    .catch((err: unknown) => log.error({ err }, 'a decision on a hold could not be said'));
}
