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
import type { GateState, Hold } from './domain/gate-state.js';
import { policyOf } from './domain/installation.js';
import type { Applied, GateRecord, Gates } from './gates.js';
import type { LocalSession } from './local-session.js';
import { say } from './wire.js';

/*
 * What a session asks and hears of its hold: granted, refused, or waiting for a second person. Whoever waits hears the second decision
 * on the same stream; who has come back elsewhere meanwhile sees it by the notice that moves the deadline.
 */

type Said = NonNullable<sessionV1.AttachResponse['message']>;

export interface HoldDeskOptions {
  readonly gates: Gates;
  readonly documents: Pick<Documents, 'sessions'>;
  /** Whether the attachment is one of this replica, connected or lost for a moment. */
  isHere(installation: string, id: string): boolean;
  readonly now: () => number;
}

interface Waiting {
  readonly session: LocalSession;
  readonly hold: string;
}

const MOVED = 'The logoff was moved for everybody.';
const POSTPONED = 'The update is postponed; you can go on working.';

export class HoldDesk {
  private readonly waiting = new Map<string, Map<string, Waiting>>();

  constructor(private readonly options: HoldDeskOptions) {}

  async ask(session: LocalSession, request: sessionV1.HoldRequest): Promise<Said> {
    const hold = randomId('h');
    const result = await this.apply(session, hold, request);
    if (isRejected(result)) return decision(false, result.message);
    await this.dropIfOver(session);
    const asked = holdIn(result.gate, hold);
    if (!asked) return decision(true, POSTPONED);
    if (!asked.awaitsApproval) return decision(true, MOVED, asked);
    this.await({ session, hold });
    return decision(false, 'A second person has to agree; you are told as soon as that is decided.', asked);
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

  /** Tells those whose hold has been decided on. */
  follow({ id: installation, data: { gate } }: Pick<GateRecord, 'id' | 'data'>): void {
    const here = this.waiting.get(installation);
    for (const [id, { session, hold }] of here ?? []) {
      const decided = decidedIn(gate, hold);
      if (!decided) continue;
      here?.delete(id);
      session.stream?.write(say(decided, this.options.now()));
    }
    if (here?.size === 0) this.waiting.delete(installation);
  }
}

/** Undefined: it still waits. */
function decidedIn(gate: GateState, id: string): Said | undefined {
  const hold = holdIn(gate, id);
  if (hold) return hold.awaitsApproval ? undefined : decision(true, MOVED, hold);
  return gate.phase === 'open'
    ? decision(true, POSTPONED)
    : decision(false, 'Nobody has agreed; the logoff stays as it is.');
}

function holdIn(gate: GateState, id: string): Hold | undefined {
  return gate.phase === 'closing' ? gate.holds.find((hold) => hold.id === id) : undefined;
}

function decision(granted: boolean, text: string, hold?: Hold): Said {
  const expiresAt = hold && atToDate(hold.expiresAt);
  const value = { granted, text, expiresAt, awaitsApproval: hold?.awaitsApproval ?? false };
  return { $case: 'holdDecision', value };
}
