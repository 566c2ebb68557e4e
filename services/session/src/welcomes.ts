import type { Candidate } from './candidates.js';
import { openingFor } from './domain/slots.js';
import type { GateState } from './domain/gate-state.js';
import { policyOf, type InstallationFacts } from './domain/installation.js';
import { FAREWELLS } from './farewells.js';
import type { GateRecord } from './gates.js';
import type { HoldDesk } from './hold-desk.js';
import type { LocalSession } from './local-session.js';
import type { NoticeWords } from './notice-words.js';
import { resumeToken } from './parse-hello.js';
import type { Presence } from './presence.js';
import type { Replacements } from './replacements.js';
import type { Roster } from './roster.js';
import type { SessionSettings } from './settings.js';
import type { Watch } from './watch.js';
import { say, welcomeMessage } from './wire.js';

/* The first word to a session that was let in, and its place in the roster. Nothing here waits. */

export interface Welcomes {
  welcome(candidate: Candidate, record: GateRecord): LocalSession;
  /** Tells those who have just been welcomed by this state of the gate what has changed since. */
  caughtUp(record: GateRecord): void;
}

export interface WelcomesOptions {
  readonly roster: Roster;
  readonly holds: HoldDesk;
  readonly watch: Watch;
  readonly words: NoticeWords;
  readonly presence: Presence;
  readonly replacements: Replacements;
  readonly settings: Pick<SessionSettings, 'heartbeatIntervalMs' | 'resumeGraceMs'>;
}

export function createWelcomes(options: WelcomesOptions): Welcomes {
  const { roster, holds, watch, words, presence, replacements, settings } = options;
  return {
    welcome: (candidate, record) => {
      const { applicant, data, secret, before } = candidate;
      const { gate, facts } = record.data;
      const now = presence.now();
      const opening = openingFor(gate, data, now);
      const session = sessionOf(candidate, gate, opening, now);
      const message = welcomeMessage({
        session: data.session,
        resumeToken: resumeToken(data.session, secret),
        gate,
        notice: opening.notice && words.render(opening.notice, session.language, facts),
        longestHoldMs: longestHoldMs(gate, facts),
        exempt: session.exempt,
        ...settings,
      });
      applicant.stream.write(say(message, now));
      roster.add(session, gate);
      roster.catchUp(session, record);
      if (before) {
        holds.welcomeBack(session, gate);
        replacements.replaced({ ...before.data, id: before.id });
      }
      if (replacements.isReplaced(session.id)) roster.end(session, FAREWELLS.replaced);
      return session;
    },
    caughtUp: (record) => {
      const newest = watch.known(record.id);
      if (!newest || newest.version <= record.version) return;
      roster.follow(newest);
      holds.follow(newest);
    },
  };
}

function sessionOf(
  { applicant, id, data, before }: Candidate,
  gate: GateState,
  { told, announcement, message }: ReturnType<typeof openingFor>,
  now: number,
): LocalSession {
  const { session, installation, user, displayName, host } = data;
  return {
    id,
    session,
    installation,
    user,
    displayName,
    host,
    language: data.language ?? '',
    exempt: data.exempt ?? false,
    epoch: before ? data.epoch : gate.epoch,
    token: applicant.token,
    savesOnLogoff: applicant.hello.savesOnLogoff,
    stream: applicant.stream,
    saving: undefined,
    connection: applicant.connection,
    lastHeardAt: now,
    lostAt: 0,
    told,
    acknowledged: '',
    read: false,
    announcement,
    message,
    heard: 0,
    holds: undefined,
  };
}

/** Undefined: the logoff that stands cannot be moved. When none stands, nobody knows yet; the installation's limit is said. */
function longestHoldMs(gate: GateState, facts: InstallationFacts | undefined): number | undefined {
  const isFixed = gate.phase !== 'open' && (gate.cause.by === 'hand' || !gate.cause.run.holdsAllowed);
  return isFixed ? undefined : policyOf(facts).holds.longestMs;
}
