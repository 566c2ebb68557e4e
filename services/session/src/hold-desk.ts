import { atToDate, durationToMs, type sessionV1 } from '@lastcall/contracts';
import {
  checkRange,
  checkText,
  collect,
  HOUR_MS,
  invalid,
  isRejected,
  MINUTE_MS,
  randomId,
  type Rejected,
} from '@lastcall/kernel';
import { newestAttachment } from './counting.js';
import type { Documents } from './documents.js';
import type { GateState, Hold, HoldDecision } from './domain/gate-state.js';
import { decisionFor, decisionOn, waitingHold } from './domain/hold-decisions.js';
import { policyOf } from './domain/installation.js';
import type { Phrase } from './domain/phrases.js';
import type { Applied, GateRecord, Gates } from './gates.js';
import type { LocalSession } from './local-session.js';
import { textOf } from './notices/phrase-text.js';
import { say } from './wire.js';

/*
 * What a session asks and hears of its hold: granted, refused, or waiting for a second person. Whoever waits hears the second decision
 * where it is when that comes; who was away then hears it when it comes back, at whichever replica.
 */

export interface HoldDeskOptions {
  readonly gates: Gates;
  readonly documents: Pick<Documents, 'sessions'>;
  readonly known: (installation: string) => GateRecord | undefined;
  /** Whether the attachment is one of this replica, connected or lost for a moment. */
  isHere(installation: string, id: string): boolean;
  readonly now: () => number;
}

interface Waiting {
  readonly session: LocalSession;
  readonly hold: string;
}

export class HoldDesk {
  private readonly waiting = new Map<string, Map<string, Waiting>>();

  constructor(private readonly options: HoldDeskOptions) {}

  async ask(session: LocalSession, request: sessionV1.HoldRequest): Promise<void> {
    const hold = randomId('h');
    const result = await this.apply(session, hold, request);
    if (isRejected(result)) return this.refuse(session, whyNot(result));
    await this.dropIfOver(session);
    const asked = holdIn(result.gate, hold);
    if (!asked) return this.tell(session, { granted: true, phrase: 'hold-postponed', hold });
    const { expiresAt, awaitsApproval } = asked;
    if (!awaitsApproval) return this.tell(session, { granted: true, phrase: 'hold-moved', hold, expiresAt });
    this.tell(session, { granted: false, phrase: 'hold-waits', hold, expiresAt, awaitsApproval });
    this.await({ session, hold });
    // It may have been decided while its owner was looked for.
    const record = this.options.known(session.installation);
    if (record) this.follow(record);
  }

  /** No hold came of what was asked. */
  refuse(session: LocalSession, why: Phrase): void {
    this.say(session, { granted: false, text: this.textOf(session, why) });
  }

  private async apply(
    { installation, session, user }: LocalSession,
    hold: string,
    { reason, duration }: sessionV1.HoldRequest,
  ): Promise<Applied | Rejected> {
    const durationMs = durationToMs(duration) ?? 0;
    const wrong = collect(
      checkText('reason', reason, { min: 1, max: 200, lines: false }),
      checkRange('duration', durationMs, MINUTE_MS, 4 * HOUR_MS, 'milliseconds (1 min to 4 h)'),
    );
    if (wrong.length > 0) return invalid(wrong);
    const notice = randomId('n');
    return this.options.gates.apply(installation, ({ now: at }, facts) => {
      const limits = policyOf(facts).holds;
      return { type: 'hold', hold, session, user, reason, durationMs, limits, notice, at };
    });
  }

  /** Whoever left while it was decided on has a hold that nobody ends. Not who has come back elsewhere. */
  private async dropIfOver({ installation, session, id }: LocalSession): Promise<void> {
    const { gates, documents } = this.options;
    if (this.options.isHere(installation, id)) return;
    const newest = await newestAttachment(documents, installation, session);
    if (newest && newest.id !== id) return;
    const notice = randomId('n');
    await gates.apply(installation, ({ now: at }) => ({ type: 'drop-hold', session, notice, at }));
  }

  private await(waiting: Waiting): void {
    const { installation, id } = waiting.session;
    const here = this.waiting.get(installation) ?? new Map<string, Waiting>();
    this.waiting.set(installation, here.set(id, waiting));
  }

  /** A session has come back: what it waits for is said here from now on, and what was decided is said again. */
  welcomeBack(session: LocalSession, gate: GateState): void {
    const waits = waitingHold(gate, session.session);
    if (waits) return this.await({ session, hold: waits.id });
    const decided = decisionFor(gate, session.session);
    if (decided && isNews(decided, gate)) this.tellDecided(session, decided);
  }

  /** Tells those whose hold has been decided on. */
  follow({ id: installation, data: { gate } }: Pick<GateRecord, 'id' | 'data'>): void {
    const here = this.waiting.get(installation);
    for (const [id, { session, hold }] of here ?? []) {
      const decided = decisionOn(gate, hold);
      if (!decided && waitingHold(gate, session.session)?.id === hold) continue;
      here?.delete(id);
      if (decided) this.tellDecided(session, decided);
    }
    if (here?.size === 0) this.waiting.delete(installation);
  }

  private tellDecided(session: LocalSession, { hold, outcome, expiresAt }: HoldDecision): void {
    this.tell(session, { granted: outcome !== 'denied', phrase: `hold-${outcome}`, hold, expiresAt });
  }

  private tell(session: LocalSession, { phrase, expiresAt, ...decision }: Told): void {
    const text = this.textOf(session, { phrase });
    this.say(session, { ...decision, text, expiresAt: expiresAt === undefined ? undefined : atToDate(expiresAt) });
  }

  private textOf({ installation, language }: LocalSession, phrase: Phrase): string {
    return textOf(phrase, language, this.options.known(installation)?.data.facts);
  }

  private say(session: LocalSession, decision: Partial<sessionV1.HoldDecision>): void {
    const value = { ...UNDECIDED, ...decision };
    session.stream?.write(say({ $case: 'holdDecision', value }, this.options.now()));
  }
}

const UNDECIDED: sessionV1.HoldDecision = {
  granted: false,
  text: '',
  expiresAt: undefined,
  awaitsApproval: false,
  hold: '',
};

interface Told {
  readonly granted: boolean;
  readonly phrase: 'hold-postponed' | 'hold-moved' | 'hold-waits' | 'hold-denied';
  readonly hold: string;
  readonly expiresAt?: number | undefined;
  readonly awaitsApproval?: boolean;
}

function whyNot({ reason, facts }: Rejected): Phrase {
  switch (reason) {
    case 'TOO_MANY_HOLDS':
      return { phrase: 'hold-too-many', max: Number(facts['max'] ?? 0) };
    case 'HOLD_AT_LIMIT':
      return { phrase: 'hold-at-limit' };
    case 'HOLD_TOO_SHORT':
      return { phrase: 'hold-too-short' };
    case 'HOLDS_NOT_ALLOWED':
      return { phrase: 'hold-not-allowed' };
    case 'NO_LOGOFF_PLANNED':
      return { phrase: 'hold-no-logoff' };
    default:
      return { phrase: 'hold-wrong' };
  }
}

/** What was decided while a logoff is ahead, or why there is none; not that one was moved which is over. */
function isNews({ outcome }: HoldDecision, { phase }: GateState): boolean {
  return outcome === 'postponed' ? phase === 'open' : phase === 'closing';
}

function holdIn(gate: GateState, id: string): Hold | undefined {
  return gate.phase === 'closing' ? gate.holds.find((hold) => hold.id === id) : undefined;
}
