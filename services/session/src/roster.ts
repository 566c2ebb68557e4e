import { sessionV1 } from '@lastcall/contracts';
import { endsExempt } from './domain/admission.js';
import type { Departure, Fact } from './domain/attendance.js';
import { drainOf, EMPTY } from './domain/drain.js';
import { standingNotice, type GateState } from './domain/gate-state.js';
import type { InstallationFacts } from './domain/installation.js';
import { FAREWELLS, type Farewell } from './farewells.js';
import type { GateRecord } from './gates.js';
import { LastWords } from './last-words.js';
import type { Ledger } from './ledger.js';
import type { LocalSession } from './local-session.js';
import type { Telling } from './telling.js';

/*
 * The sessions of this replica and their streams. Owns when a stream ends and its last word. Follows the states of the gates: has notices
 * told and taken back, logs off. Time comes by `sweep`; a session has no timer.
 *
 * A session's document goes when the session goes, except when it moves to another replica. One that saves its work stays until its side
 * of the stream has ended, or its time to save is over.
 */

export interface RosterOptions {
  readonly ledger: Ledger;
  readonly telling: Telling;
  readonly now: () => number;
  readonly known: (installation: string) => GateRecord | undefined;
  /** The session is over for good. */
  readonly over: (session: LocalSession) => void;
  readonly graceMs: number;
  readonly silenceMs: number;
  readonly saveTimeoutMs: number;
  readonly maxQueuedBytes: number;
  readonly maxMessagesPerSecond: number;
}

/** A replica that told its sessions later than this gives them the rest of the reaction time. */
const LATE_MS = 250;
/** It never waits longer than this. */
const LATE_MAX_MS = 5_000;

type Sessions = ReadonlyMap<string, LocalSession>;

export class Roster {
  private readonly byInstallation = new Map<string, Map<string, LocalSession>>();
  /** How many sessions came with each credential. */
  private readonly tokens = new Map<string, number>();

  constructor(private readonly options: RosterOptions) {}

  get size(): number {
    let size = 0;
    for (const sessions of this.byInstallation.values()) size += sessions.size;
    return size;
  }

  find(installation: string, id: string): LocalSession | undefined {
    return this.byInstallation.get(installation)?.get(id);
  }

  *all(): Iterable<LocalSession> {
    for (const sessions of this.byInstallation.values()) yield* sessions.values();
  }

  /** From here on the session is told what happens. */
  add(session: LocalSession, gate: GateState): void {
    let sessions = this.byInstallation.get(session.installation);
    if (!sessions) {
      sessions = new Map();
      this.byInstallation.set(session.installation, sessions);
    }
    sessions.set(session.id, session);
    this.tokens.set(session.token, (this.tokens.get(session.token) ?? 0) + 1);
    if (session.told !== '') this.options.telling.noteSent(session, gate, this.options.now());
  }

  /** Brings the sessions of an installation to what its gate says. */
  follow(record: GateRecord): void {
    const sessions = this.byInstallation.get(record.id);
    if (sessions) this.bring(record, sessions);
  }

  /** The same for one that has just come in, for what its welcome had no room for. */
  catchUp(session: LocalSession, { data: { gate, facts } }: GateRecord): void {
    this.options.telling.slots([session], gate, facts);
  }

  private bring({ id: installation, data: { gate, facts } }: GateRecord, sessions: Map<string, LocalSession>): void {
    if (EMPTY.has(gate.phase) && !this.empty(installation, sessions, gate, facts)) return;
    const standing = standingNotice(gate);
    if (standing) this.options.telling.logoff(installation, sessions.values(), gate, standing, facts);
    else if (gate.phase === 'open') this.options.telling.takenBack(sessions.values(), gate, facts);
    this.options.telling.slots(sessions.values(), gate, facts);
  }

  /** Logs off who may not be inside. False: not yet, late readers have the rest of their time; looked at again by the next sweep. */
  private empty(
    installation: string,
    sessions: Map<string, LocalSession>,
    gate: GateState,
    facts: InstallationFacts | undefined,
  ): boolean {
    const now = this.options.now();
    if (gate.phase === 'draining') {
      const { notice } = gate;
      this.options.telling.logoff(installation, olderThan(sessions, gate.epoch), gate, notice, facts);
      const lateMs = this.options.telling.latenessMs(installation, notice);
      const restMs = (notice.deadlineAt ?? now) + lateMs - now;
      if (lateMs > LATE_MS && restMs > 0 && restMs < LATE_MAX_MS) return false;
    }
    const words = this.lastWords();
    for (const session of sessions.values()) {
      const farewell = session.saving ? undefined : farewellFor(session, gate, now);
      if (farewell) this.dismiss(session, farewell, session.stream ? 'deadline' : 'lost', words);
    }
    return true;
  }

  /** The server ends the session. */
  end(session: LocalSession, farewell: Farewell): void {
    const words = this.lastWords();
    if (session.saving) this.saved(session);
    else if (farewell.reason === sessionV1.EndReason.READY) this.dismiss(session, farewell, 'ready', words);
    else {
      // Whose credential was revoked, or who is here twice, did not leave.
      this.close(session, words.to(session, farewell));
      this.remove(session, false);
    }
  }

  /** It is told that it is over; a client that saves is waited for. What became of it is known from here on. */
  private dismiss(session: LocalSession, farewell: Farewell, departure: Departure, words: LastWords): void {
    const { stream } = session;
    const bytes = words.to(session, farewell);
    if (!stream || !words.isWaitedFor(session, farewell)) {
      this.close(session, bytes);
      return this.depart(session, departure);
    }
    const { now, saveTimeoutMs, ledger } = this.options;
    stream.writeEncoded(bytes);
    session.stream = undefined;
    session.saving = { stream, until: now() + saveTimeoutMs };
    this.noteEnd(session, departure);
    ledger.expect(session);
  }

  /** The client has ended its side, its connection is gone, or its time to save is over. */
  private saved(session: LocalSession): void {
    this.close(session);
    this.remove(session);
  }

  /** The user logged off. */
  leave(session: LocalSession): void {
    this.close(session);
    this.depart(session, 'left');
  }

  /** It is over: the document goes, after a word on how it ended. */
  private depart(session: LocalSession, departure: Departure): void {
    if (this.find(session.installation, session.id) !== session) return;
    this.noteEnd(session, departure);
    this.remove(session);
  }

  private noteEnd(session: LocalSession, departure: Departure): void {
    const { ledger, known, now } = this.options;
    const gate = known(session.installation)?.data.gate;
    const drain = gate && drainOf(session, gate);
    if (drain) ledger.note(drain, departed(session, departure, now()));
  }

  /** `isOver` false: it only came back elsewhere. */
  private remove(session: LocalSession, isOver = true): void {
    if (!this.forget(session)) return;
    const { installation, id } = session;
    this.options.ledger.remove({ installation, id });
    if (isOver) this.options.over(session);
  }

  /** The connection is gone; the client may come back within the grace, unless it was saving. */
  lose(session: LocalSession, farewell?: Farewell): void {
    if (session.saving) return this.saved(session);
    if (session.stream === undefined || this.find(session.installation, session.id) !== session) return;
    this.close(session, farewell && this.lastWords().to(session, farewell));
    session.lostAt = this.options.now();
  }

  /** Those who can be asked to move. */
  *movable(): Iterable<LocalSession> {
    for (const session of this.all()) if (!session.saving) yield session;
  }

  /** Ends the streams of these; the documents stay, so that the clients can come back elsewhere. */
  move(sessions: Iterable<LocalSession>): void {
    const words = this.lastWords();
    for (const session of sessions) {
      this.close(session, words.to(session, FAREWELLS.move));
      this.forget(session);
    }
  }

  endRevoked(isRevoked: (token: string) => boolean): void {
    // Thousands of sessions may share one credential.
    const revoked = new Set([...this.tokens.keys()].filter(isRevoked));
    if (revoked.size === 0) return;
    const words = this.lastWords();
    for (const session of this.all()) {
      // Who saves cannot do anything any more.
      if (!revoked.has(session.token) || session.saving) continue;
      this.close(session, words.to(session, FAREWELLS.revoked));
      this.depart(session, 'lost');
    }
  }

  /** Everything that depends on time: silence, slow and noisy clients, the grace of lost ones, the time to save. */
  sweep(sinceMs: number): void {
    const { maxMessagesPerSecond } = this.options;
    const now = this.options.now();
    const maxHeard = maxMessagesPerSecond * Math.max(1, sinceMs / 1_000);
    for (const sessions of this.byInstallation.values()) {
      for (const session of sessions.values()) this.look(session, now, maxHeard);
    }
    for (const installation of this.byInstallation.keys()) {
      const record = this.options.known(installation);
      // A logoff that gave late readers, or exempt users, the rest of their time.
      const phase = record?.data.gate.phase;
      if (record && (phase === 'draining' || phase === 'confirming')) this.follow(record);
    }
  }

  private look(session: LocalSession, now: number, maxHeard: number): void {
    const { graceMs, silenceMs, maxQueuedBytes } = this.options;
    const { heard, stream, saving } = session;
    session.heard = 0;
    if (saving) {
      if (saving.until <= now) this.saved(session);
    } else if (!stream) {
      if (session.lostAt + graceMs <= now) this.depart(session, 'lost');
    } else if (stream.queuedBytes > maxQueuedBytes) this.lose(session, FAREWELLS.slow);
    else if (heard > maxHeard) this.lose(session, FAREWELLS.noisy);
    else if (session.lastHeardAt + silenceMs <= now) this.lose(session, FAREWELLS.silent);
  }

  private close(session: LocalSession, last?: Buffer): void {
    const stream = session.stream ?? session.saving?.stream;
    const isTold = session.saving !== undefined;
    session.stream = undefined;
    session.saving = undefined;
    if (!stream) return;
    if (last && !isTold) stream.writeEncoded(last);
    stream.end();
    session.connection.finish();
  }

  private lastWords(): LastWords {
    const { now, saveTimeoutMs, known } = this.options;
    return new LastWords({ now: now(), saveTimeoutMs, factsOf: (installation) => known(installation)?.data.facts });
  }

  private forget(session: LocalSession): boolean {
    const { installation, id, token } = session;
    const sessions = this.byInstallation.get(installation);
    if (sessions?.get(id) !== session) return false;
    sessions.delete(id);
    if (sessions.size === 0) this.byInstallation.delete(installation);
    const others = (this.tokens.get(token) ?? 1) - 1;
    if (others > 0) this.tokens.set(token, others);
    else this.tokens.delete(token);
    return true;
  }
}

function* olderThan(sessions: Sessions, epoch: number): Iterable<LocalSession> {
  for (const session of sessions.values()) if (session.epoch < epoch) yield session;
}

/** Undefined: it may stay. */
function farewellFor({ exempt, epoch }: LocalSession, gate: GateState, now: number): Farewell | undefined {
  if (!exempt || gate.phase === 'reopening') return epoch < gate.epoch ? FAREWELLS.deadline : undefined;
  return endsExempt(gate, now) ? FAREWELLS.install : undefined;
}

function departed(session: LocalSession, departure: Departure, at: number): Fact {
  const { session: id, user, displayName, host } = session;
  return {
    session: id,
    user,
    displayName,
    host,
    departure,
    endAt: at,
    ...(departure === 'ready' && { readyAt: at }),
  };
}
