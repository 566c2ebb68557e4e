import { sessionV1 } from '@lastcall/contracts';
import type { ServerStream } from '@lastcall/runtime';
import { standingNotice, type GateState, type Notice } from './domain/gate-state.js';
import type { GateRecord } from './gates.js';
import type { Ledger } from './ledger.js';
import { encodeOnce, noticeToWire } from './wire.js';

/*
 * The sessions of this replica and their streams. Owns what is written down each stream and when a stream ends. Follows the states of
 * the gates: tells notices, takes them back, logs off. Time comes by `sweep`; a session has no timer.
 *
 * A session is attached (it has a stream) or lost (it may come back within the grace). Its document goes when it goes.
 */

export type AttachStream = ServerStream<sessionV1.AttachRequest, sessionV1.AttachResponse>;

export interface LocalSession {
  /** Of its document. */
  readonly id: string;
  readonly session: string;
  readonly installation: string;
  readonly user: string;
  readonly epoch: number;
  /** Credential that it came with. */
  readonly token: string;
  readonly createdAt: number;
  /** Undefined: the connection is lost. */
  stream: AttachStream | undefined;
  lastHeardAt: number;
  lostAt: number;
  /** Notice that it was told last; empty: none that stands. */
  told: string;
  /** Notice that it acknowledged last. */
  acknowledged: string;
  /** Message that it was sent last. */
  message: string;
  /** Messages since the last sweep. */
  heard: number;
  /** Ends the handler of the stream. */
  finish(): void;
}

export interface Farewell {
  readonly reason: sessionV1.EndReason;
  readonly text: string;
  readonly comeBack: boolean;
}

export interface RosterOptions {
  readonly ledger: Ledger;
  readonly now: () => number;
  readonly known: (installation: string) => GateRecord | undefined;
  readonly graceMs: number;
  readonly silenceMs: number;
  readonly maxQueuedBytes: number;
  readonly maxMessagesPerSecond: number;
}

export const FAREWELLS = {
  deadline: {
    reason: sessionV1.EndReason.DEADLINE,
    text: 'You are logged off now. You can log in again as soon as the gate is open.',
    comeBack: true,
  },
  silent: {
    reason: sessionV1.EndReason.CONNECTION,
    text: 'Nothing was heard of this program for too long.',
    comeBack: true,
  },
  slow: {
    reason: sessionV1.EndReason.CONNECTION,
    text: 'This program reads too slowly.',
    comeBack: true,
  },
  noisy: {
    reason: sessionV1.EndReason.CONNECTION,
    text: 'This program sends too many messages.',
    comeBack: true,
  },
  move: { reason: sessionV1.EndReason.MOVE, text: 'The server is going down; connect again.', comeBack: true },
  revoked: { reason: sessionV1.EndReason.REVOKED, text: 'The credential was revoked.', comeBack: false },
  replaced: {
    reason: sessionV1.EndReason.REPLACED,
    text: 'The session came back on another connection.',
    comeBack: false,
  },
  ready: {
    reason: sessionV1.EndReason.READY,
    text: 'Your work is saved and you are logged off. You can log in again as soon as the gate is open.',
    comeBack: true,
  },
} as const satisfies Record<string, Farewell>;

/** Phases in which nobody of an earlier epoch may be inside. */
const EMPTY: ReadonlySet<GateState['phase']> = new Set([
  'draining',
  'drained',
  'confirming',
  'confirmed',
  'reopening',
  'quarantined',
]);
/** A replica that told its sessions later than this gives them the rest of the reaction time. */
const LATE_MS = 250;
/** It never waits longer than this. */
const LATE_MAX_MS = 5_000;

export class Roster {
  private readonly byInstallation = new Map<string, Map<string, LocalSession>>();
  /** When this replica began to tell of a shutting, by installation. */
  private readonly tellings = new Map<string, { epoch: number; at: number }>();

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
  add(session: LocalSession): void {
    let sessions = this.byInstallation.get(session.installation);
    if (!sessions) {
      sessions = new Map();
      this.byInstallation.set(session.installation, sessions);
    }
    sessions.set(session.id, session);
  }

  /** Brings the sessions of an installation to what its gate says. */
  follow({ id: installation, data: { gate } }: GateRecord): void {
    const sessions = this.byInstallation.get(installation);
    if (!sessions) return;
    if (EMPTY.has(gate.phase)) return this.empty(installation, sessions, gate);
    const standing = standingNotice(gate);
    if (standing) this.tell(installation, sessions.values(), gate, standing);
    else if (gate.phase === 'open') this.takeBack(sessions.values(), gate);
    if (gate.message) this.send(sessions.values(), gate.message);
  }

  private tell(installation: string, sessions: Iterable<LocalSession>, gate: GateState, notice: Notice): void {
    const telling = this.tellings.get(installation);
    if (telling?.epoch !== gate.epoch) this.tellings.set(installation, { epoch: gate.epoch, at: this.options.now() });
    const bytes = encodeOnce({ $case: 'notice', value: noticeToWire(notice) }, this.options.now());
    for (const session of sessions) {
      if (session.told === notice.id) continue;
      session.told = notice.id;
      session.stream?.writeEncoded(bytes);
    }
  }

  private takeBack(sessions: Iterable<LocalSession>, { withdrawn }: GateState): void {
    for (const session of sessions) {
      if (session.told === '') continue;
      const text = withdrawn?.notice === session.told ? withdrawn.text : '';
      const value = { notice: session.told, text };
      session.told = '';
      session.stream?.writeEncoded(encodeOnce({ $case: 'noticeWithdrawn', value }, this.options.now()));
    }
  }

  private send(sessions: Iterable<LocalSession>, message: Notice): void {
    const bytes = encodeOnce({ $case: 'notice', value: noticeToWire(message) }, this.options.now());
    for (const session of sessions) {
      if (session.message === message.id || session.createdAt > message.sentAt) continue;
      session.message = message.id;
      session.stream?.writeEncoded(bytes);
    }
  }

  /** Logs off who was inside before the gate was shut. */
  private empty(installation: string, sessions: Map<string, LocalSession>, gate: GateState): void {
    const now = this.options.now();
    if (gate.phase === 'draining') {
      const { notice } = gate;
      this.tell(installation, olderThan(sessions, gate.epoch), gate, notice);
      const toldAt = this.tellings.get(installation)?.at ?? now;
      const lateMs = toldAt - notice.sentAt;
      const restMs = (notice.deadlineAt ?? now) + lateMs - now;
      // Looked at again by the next sweep.
      if (lateMs > LATE_MS && restMs > 0 && restMs < LATE_MAX_MS) return;
    }
    const bytes = encodeOnce({ $case: 'ended', value: FAREWELLS.deadline }, now);
    for (const session of [...olderThan(sessions, gate.epoch)]) {
      const attached = session.stream !== undefined;
      this.close(session, bytes);
      this.forget(session);
      const { id } = session;
      this.options.ledger.remove({ installation, epoch: gate.epoch, id, ...(attached && { fate: 'ended' as const }) });
    }
  }

  /** The server ends the session. */
  end(session: LocalSession, farewell: Farewell): void {
    const { READY } = sessionV1.EndReason;
    this.close(session, encodeOnce({ $case: 'ended', value: farewell }, this.options.now()));
    this.depart(session, farewell.reason === READY);
  }

  /** The user logged off. */
  leave(session: LocalSession): void {
    this.close(session);
    this.depart(session, true);
  }

  private depart(session: LocalSession, byItself: boolean): void {
    if (!this.forget(session)) return;
    const { installation, id } = session;
    const gate = this.options.known(installation)?.data.gate;
    const counts = byItself && gate?.phase === 'closing' && session.epoch < gate.epoch;
    const epoch = gate?.epoch ?? 0;
    this.options.ledger.remove({ installation, epoch, id, ...(counts && { fate: 'left' as const }) });
  }

  /** The connection is gone; the client may come back within the grace. */
  lose(session: LocalSession, farewell?: Farewell): void {
    if (session.stream === undefined || this.find(session.installation, session.id) !== session) return;
    this.close(session, farewell && encodeOnce({ $case: 'ended', value: farewell }, this.options.now()));
    session.lostAt = this.options.now();
  }

  /** Ends every stream; the documents stay, so that the clients can come back elsewhere. */
  moveAll(): void {
    const bytes = encodeOnce({ $case: 'ended', value: FAREWELLS.move }, this.options.now());
    for (const session of [...this.all()]) {
      this.close(session, bytes);
      this.forget(session);
    }
  }

  endRevoked(isRevoked: (token: string) => boolean): void {
    // Thousands of sessions may share one credential.
    const revoked = new Set([...new Set([...this.all()].map(({ token }) => token))].filter(isRevoked));
    if (revoked.size === 0) return;
    for (const session of [...this.all()]) if (revoked.has(session.token)) this.end(session, FAREWELLS.revoked);
  }

  /** Everything that depends on time: silence, slow and noisy clients, the grace of lost ones. */
  sweep(sinceMs: number): void {
    const { graceMs, silenceMs, maxQueuedBytes, maxMessagesPerSecond } = this.options;
    const now = this.options.now();
    const maxHeard = maxMessagesPerSecond * Math.max(1, sinceMs / 1_000);
    for (const session of [...this.all()]) {
      const { heard, stream } = session;
      session.heard = 0;
      if (!stream) {
        if (session.lostAt + graceMs <= now) this.depart(session, false);
      } else if (stream.queuedBytes > maxQueuedBytes) this.lose(session, FAREWELLS.slow);
      else if (heard > maxHeard) this.lose(session, FAREWELLS.noisy);
      else if (session.lastHeardAt + silenceMs <= now) this.lose(session, FAREWELLS.silent);
    }
    // A logoff that gave late readers the rest of their time.
    for (const installation of this.byInstallation.keys()) {
      const record = this.options.known(installation);
      if (record?.data.gate.phase === 'draining') this.follow(record);
    }
  }

  private close(session: LocalSession, last?: Buffer): void {
    const { stream } = session;
    session.stream = undefined;
    if (!stream) return;
    if (last) stream.writeEncoded(last);
    stream.end();
    session.finish();
  }

  private forget(session: LocalSession): boolean {
    const sessions = this.byInstallation.get(session.installation);
    if (sessions?.get(session.id) !== session) return false;
    sessions.delete(session.id);
    if (sessions.size === 0) this.byInstallation.delete(session.installation);
    return true;
  }
}

function* olderThan(sessions: ReadonlyMap<string, LocalSession>, epoch: number): Iterable<LocalSession> {
  for (const session of sessions.values()) if (session.epoch < epoch) yield session;
}
