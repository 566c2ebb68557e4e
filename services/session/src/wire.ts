import { atToDate, formatName, msToDuration, sessionV1 } from '@lastcall/contracts';
import type { GateDocument, SessionDocument } from './documents.js';
import { expectedOpenAt, whyShut, type Refusal, type RefusalReason } from './domain/admission.js';
import {
  hasAlarm,
  holderOf,
  isLeased,
  lateHostsOf,
  shutHostsOf,
  standingNotice,
  type GateState,
  type Hold,
  type PhaseName,
} from './domain/gate-state.js';
import { policyOf } from './domain/installation.js';
import { textOf } from './notices/phrase-text.js';
import { renderNotice } from './notices/render.js';

/* Values of the session service to the wire. */

/** What operators read. */
const ENGLISH = 'en';

const STATES: Readonly<Record<PhaseName, sessionV1.GateState>> = {
  open: sessionV1.GateState.OPEN,
  shutting: sessionV1.GateState.CLOSING,
  closing: sessionV1.GateState.CLOSING,
  draining: sessionV1.GateState.CLOSING,
  drained: sessionV1.GateState.CLOSED,
  confirming: sessionV1.GateState.CLOSED,
  confirmed: sessionV1.GateState.CLOSED,
  quarantined: sessionV1.GateState.CLOSED,
  reopening: sessionV1.GateState.REOPENING,
};

const REFUSALS: Readonly<Record<RefusalReason, sessionV1.RefusalReason>> = {
  'gate-shut': sessionV1.RefusalReason.GATE_SHUT,
  'wrong-version': sessionV1.RefusalReason.WRONG_VERSION,
  'host-shut': sessionV1.RefusalReason.HOST_SHUT,
  invalid: sessionV1.RefusalReason.INVALID,
  'not-permitted': sessionV1.RefusalReason.NOT_PERMITTED,
  'too-many': sessionV1.RefusalReason.TOO_MANY,
};

function date(at: number | undefined): Date | undefined {
  return at === undefined ? undefined : atToDate(at);
}

export function gateStateToWire(gate: GateState): sessionV1.GateState {
  return STATES[gate.phase];
}

export function gateToWire(
  installation: string,
  { gate, facts }: Pick<GateDocument, 'gate' | 'facts'>,
  now: number,
  /** Of the notice; default: the installation's. */
  language = policyOf(facts).language,
): sessionV1.Gate {
  const notice = standingNotice(gate);
  const alarm = hasAlarm(gate);
  const shutHosts = { ...shutHostsOf(gate), ...lateHostsOf(gate) };
  return {
    name: formatName('gate', { installation }),
    state: gateStateToWire(gate),
    epoch: gate.epoch,
    run: holderOf(gate)?.run ?? '',
    reason: reasonOf(gate, facts),
    closedAt: date(gate.phase === 'open' ? undefined : gate.closedAt),
    expectedAt: date(expectedOpenAt(gate, now)),
    version: gate.version,
    shutHosts,
    alarm,
    notice: notice && renderNotice(notice, language, facts),
    leaseUntil: date(isLeased(gate) ? gate.leaseUntil : undefined),
  };
}

/** For operators, who are told more than users. */
function reasonOf(gate: GateState, facts: GateDocument['facts']): string {
  if (gate.phase === 'quarantined') return textOf([whyShut(gate), gate.failure.message], ENGLISH, facts);
  const shutHosts = Object.keys({ ...shutHostsOf(gate), ...lateHostsOf(gate) }).join(', ');
  return textOf(whyShut(gate), ENGLISH, facts) || (hasAlarm(gate) ? `Hosts that stay shut: ${shutHosts}` : '');
}

/** How a session is doing. */
export interface SessionView {
  readonly lastSeenAt: number;
  readonly lost: boolean;
  /** How its user took the standing notice. */
  readonly received: boolean;
  readonly read: boolean;
}

export function sessionToWire(document: SessionDocument, view: SessionView): sessionV1.Session {
  const { installation, session, user, displayName, host, version, clientKind, createdAt } = document;
  const { lastSeenAt, lost, received, read } = view;
  return {
    name: formatName('session', { installation, session }),
    user,
    displayName,
    host,
    version,
    createTime: atToDate(createdAt),
    lastSeenTime: atToDate(lastSeenAt),
    acknowledged: received,
    clientKind,
    read,
    lost,
  };
}

export function holdToWire(installation: string, hold: Hold): sessionV1.Hold {
  const { id, session, user, reason, createdAt, expiresAt, awaitsApproval, approvedBy } = hold;
  return {
    name: formatName('hold', { installation, hold: id }),
    session,
    user,
    reason,
    expiresAt: atToDate(expiresAt),
    awaitsApproval,
    approvedBy,
    createTime: atToDate(createdAt),
  };
}

type Said = NonNullable<sessionV1.AttachResponse['message']>;

/** One message down a stream. */
export function say(message: Said, now: number): sessionV1.AttachResponse {
  return { serverTime: atToDate(now), message };
}

/** The same, encoded for many streams. */
export function encodeOnce(message: Said, now: number): Buffer {
  return sessionV1.SessionServiceService.attach.responseSerialize(say(message, now));
}

/** `text`: its words. */
export function refusedMessage({ reason, closedAt, expectedAt, requiredVersion }: Refusal, text: string): Said {
  const times = { closedAt: date(closedAt), expectedAt: date(expectedAt) };
  return { $case: 'refused', value: { reason: REFUSALS[reason], text, ...times, requiredVersion } };
}

export function welcomeMessage(welcome: {
  readonly session: string;
  readonly resumeToken: string;
  readonly gate: GateState;
  readonly notice: sessionV1.Notice | undefined;
  readonly heartbeatIntervalMs: number;
  readonly resumeGraceMs: number;
  /** Undefined: holds are not possible. */
  readonly longestHoldMs: number | undefined;
  readonly exempt: boolean;
}): Said {
  const { session, resumeToken, gate, notice, heartbeatIntervalMs, resumeGraceMs, longestHoldMs, exempt } = welcome;
  return {
    $case: 'welcome',
    value: {
      session,
      resumeToken,
      gate: gateStateToWire(gate),
      notice,
      heartbeatInterval: msToDuration(heartbeatIntervalMs),
      resumeGrace: msToDuration(resumeGraceMs),
      longestHold: longestHoldMs === undefined ? undefined : msToDuration(longestHoldMs),
      exempt,
    },
  };
}
