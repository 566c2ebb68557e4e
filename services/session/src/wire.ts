import { atToDate, formatName, msToDuration, sessionV1 } from '@lastcall/contracts';
import type { GateDocument, SessionDocument } from './documents.js';
import { expectedOpenAt, whyShut, type Refusal, type RefusalReason } from './domain/admission.js';
import {
  hasAlarm,
  holderOf,
  shutHostsOf,
  standingNotice,
  type GateState,
  type Hold,
  type Notice,
  type PhaseName,
} from './domain/gate-state.js';

/* Values of the session service to the wire. */

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

export function gateToWire(installation: string, { gate }: Pick<GateDocument, 'gate'>): sessionV1.Gate {
  const notice = standingNotice(gate);
  const alarm = hasAlarm(gate);
  const shutHosts = { ...shutHostsOf(gate) };
  return {
    name: formatName('gate', { installation }),
    state: gateStateToWire(gate),
    epoch: gate.epoch,
    run: holderOf(gate)?.run ?? '',
    reason: whyShut(gate) || (alarm ? `Hosts that stay shut: ${Object.keys(shutHosts).join(', ')}` : ''),
    closedAt: date(gate.phase === 'open' ? undefined : gate.closedAt),
    expectedAt: date(expectedOpenAt(gate)),
    version: gate.version,
    shutHosts,
    alarm,
    notice: notice && noticeToWire(notice),
  };
}

export function noticeToWire({ id, text, deadlineAt, sentAt, version }: Notice): sessionV1.Notice {
  return { notice: id, text, deadline: date(deadlineAt), sentAt: atToDate(sentAt), version };
}

export function sessionToWire(
  { installation, session, user, displayName, host, version, clientKind, createdAt }: SessionDocument,
  lastSeenAt: number,
  acknowledged: boolean,
): sessionV1.Session {
  return {
    name: formatName('session', { installation, session }),
    user,
    displayName,
    host,
    version,
    createTime: atToDate(createdAt),
    lastSeenTime: atToDate(lastSeenAt),
    acknowledged,
    clientKind,
  };
}

export function holdToWire(installation: string, { id, session, user, reason, expiresAt }: Hold): sessionV1.Hold {
  return {
    name: formatName('hold', { installation, hold: id }),
    session,
    user,
    reason,
    expiresAt: atToDate(expiresAt),
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

export function refusedMessage({ reason, text, closedAt, expectedAt, requiredVersion }: Refusal): Said {
  const times = { closedAt: date(closedAt), expectedAt: date(expectedAt) };
  return { $case: 'refused', value: { reason: REFUSALS[reason], text, ...times, requiredVersion } };
}

export function welcomeMessage(welcome: {
  session: string;
  resumeToken: string;
  gate: GateState;
  notice: Notice | undefined;
  heartbeatIntervalMs: number;
}): Said {
  const { session, resumeToken, gate, notice, heartbeatIntervalMs } = welcome;
  return {
    $case: 'welcome',
    value: {
      session,
      resumeToken,
      gate: gateStateToWire(gate),
      notice: notice && noticeToWire(notice),
      heartbeatInterval: msToDuration(heartbeatIntervalMs),
    },
  };
}
