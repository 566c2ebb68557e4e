import { drainOf } from './domain/drain.js';
import type { GateState, Notice } from './domain/gate-state.js';
import type { InstallationFacts } from './domain/installation.js';
import { messagesAfter } from './domain/messages.js';
import { standingAnnouncement } from './domain/slots.js';
import type { Ledger } from './ledger.js';
import type { LocalSession } from './local-session.js';
import type { Encoder, NoticeWords } from './notice-words.js';

/*
 * What the gate says down the streams of many sessions: the logoff, that it is taken back, announcements and messages, each once for each
 * session, and encoded once for each language.
 */

export interface TellingOptions {
  readonly ledger: Ledger;
  readonly words: NoticeWords;
  readonly now: () => number;
}

type Sessions = Iterable<LocalSession>;
type Facts = InstallationFacts | undefined;

export class Telling {
  /** When this replica began to tell of a shutting, by installation. */
  private readonly begun = new Map<string, { epoch: number; at: number }>();

  constructor(private readonly options: TellingOptions) {}

  logoff(installation: string, sessions: Sessions, gate: GateState, notice: Notice, facts: Facts): void {
    const now = this.options.now();
    if (this.begun.get(installation)?.epoch !== gate.epoch) {
      this.begun.set(installation, { epoch: gate.epoch, at: now });
    }
    const encoded = this.options.words.encoder(notice, facts, now);
    for (const session of sessions) {
      if (session.told === notice.id) continue;
      const isFirst = session.told === '';
      session.told = notice.id;
      if (!session.stream) continue;
      session.stream.writeEncoded(encoded(session.language));
      if (isFirst) this.noteSent(session, gate, now);
    }
  }

  /** How much later than the notice was sent this replica began to tell it. */
  latenessMs(installation: string, { sentAt }: Notice): number {
    return (this.begun.get(installation)?.at ?? this.options.now()) - sentAt;
  }

  noteSent(session: LocalSession, gate: GateState, sentAt: number): void {
    const drain = drainOf(session, gate);
    if (!drain) return;
    const { user, displayName, host } = session;
    this.options.ledger.note(drain, { session: session.session, user, displayName, host, sentAt });
  }

  /** The logoff does not stand any more. */
  takenBack(sessions: Sessions, { withdrawn }: GateState, facts: Facts): void {
    const { words, now } = this.options;
    const at = now();
    const encoderOf = once((notice: string) => {
      const why = withdrawn?.notice === notice ? withdrawn.words : '';
      return words.withdrawal(notice, why, facts, at);
    });
    for (const session of sessions) {
      const notice = session.told;
      if (notice === '') continue;
      session.told = '';
      session.stream?.writeEncoded(encoderOf(notice)(session.language));
    }
  }

  /** The newest word about a planned run, and the messages. */
  slots(sessions: Sessions, gate: GateState, facts: Facts): void {
    const { words, now } = this.options;
    const at = now();
    const announcement = standingAnnouncement(gate, at);
    const { messages = [] } = gate;
    const newest = messages.at(-1)?.id ?? '';
    if (!announcement && newest === '') return;
    const encoderOf = once((notice: Notice) => words.encoder(notice, facts, at));
    for (const session of sessions) {
      const { stream, language } = session;
      if (announcement && session.announcement !== announcement.id) {
        session.announcement = announcement.id;
        stream?.writeEncoded(encoderOf(announcement)(language));
      }
      if (session.message === newest) continue;
      for (const message of messagesAfter(messages, session.message)) {
        stream?.writeEncoded(encoderOf(message)(language));
      }
      session.message = newest;
    }
  }
}

function once<T>(make: (about: T) => Encoder): (about: T) => Encoder {
  const made = new Map<T, Encoder>();
  return (about) => {
    const encoder = made.get(about) ?? make(about);
    made.set(about, encoder);
    return encoder;
  };
}
