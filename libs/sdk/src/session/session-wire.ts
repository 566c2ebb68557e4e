import { durationToMs, sessionV1 } from '@lastcall/contracts';
import { CODE, type CallError } from '../call-error.js';
import type { EndReason, Incoming, NoticeKind, NoticeView, Refusal, RefusalReason } from './session-words.js';

/* The session edge's messages, narrowed once. */

const REFUSALS: Readonly<Record<number, RefusalReason>> = {
  [sessionV1.RefusalReason.GATE_SHUT]: 'gate-shut',
  [sessionV1.RefusalReason.WRONG_VERSION]: 'wrong-version',
  [sessionV1.RefusalReason.HOST_SHUT]: 'host-shut',
  [sessionV1.RefusalReason.INVALID]: 'invalid',
  [sessionV1.RefusalReason.NOT_PERMITTED]: 'not-permitted',
  [sessionV1.RefusalReason.TOO_MANY]: 'too-many',
};

const ENDS: Readonly<Record<number, EndReason>> = {
  [sessionV1.EndReason.DEADLINE]: 'deadline',
  [sessionV1.EndReason.CONNECTION]: 'connection',
  [sessionV1.EndReason.MOVE]: 'move',
  [sessionV1.EndReason.REVOKED]: 'revoked',
  [sessionV1.EndReason.FIRST_START_DONE]: 'first-start-done',
  [sessionV1.EndReason.REPLACED]: 'replaced',
  [sessionV1.EndReason.READY]: 'ready',
  [sessionV1.EndReason.INSTALL]: 'install',
};

const KINDS: Readonly<Record<number, NoticeKind>> = {
  [sessionV1.NoticeKind.ANNOUNCEMENT]: 'announcement',
  [sessionV1.NoticeKind.MOVED]: 'moved',
  [sessionV1.NoticeKind.CANCELLED]: 'cancelled',
  [sessionV1.NoticeKind.LOGOFF]: 'logoff',
  [sessionV1.NoticeKind.DEADLINE_MOVED]: 'deadline-moved',
  [sessionV1.NoticeKind.POSTPONED]: 'postponed',
  [sessionV1.NoticeKind.BACK_AGAIN]: 'back-again',
  [sessionV1.NoticeKind.MESSAGE]: 'message',
};

const DEFAULT_HEARTBEAT_MS = 20_000;

/** A message of a newer server that is not known here is a sign of life. */
export function parseAttachResponse({ message }: sessionV1.AttachResponse): Incoming {
  switch (message?.$case) {
    case 'welcome':
      return welcome(message.value);
    case 'refused':
      return { kind: 'refused', refusal: parseRefused(message.value) };
    case 'notice':
      return { kind: 'notice', notice: parseNotice(message.value) };
    case 'noticeWithdrawn':
      return { kind: 'notice-withdrawn', notice: message.value.notice, text: message.value.text };
    case 'ended': {
      const { reason, text, comeBack } = message.value;
      const saveWithinMs = durationToMs(message.value.saveWithin);
      return { kind: 'ended', reason: ENDS[reason] ?? 'unknown', text, comeBack, saveWithinMs };
    }
    case 'holdDecision': {
      const { granted, awaitsApproval, text, expiresAt, hold } = message.value;
      return { kind: 'hold-answer', answer: { granted, awaitsApproval, text, expiresAt: expiresAt?.getTime() }, hold };
    }
    case 'heartbeat':
      return { kind: 'heartbeat-reply' };
    case undefined:
      return { kind: 'sign-of-life' };
  }
}

function welcome(value: sessionV1.Welcome): Incoming {
  return {
    kind: 'welcome',
    session: value.session,
    resumeToken: value.resumeToken,
    heartbeatMs: durationToMs(value.heartbeatInterval) ?? DEFAULT_HEARTBEAT_MS,
    rights: { exempt: value.exempt, longestHoldMs: durationToMs(value.longestHold) },
    notice: value.notice && parseNotice(value.notice),
  };
}

export function parseNotice(notice: sessionV1.Notice): NoticeView {
  const { text, link, version } = notice;
  const [deadlineAt, startAt] = [notice.deadline?.getTime(), notice.startTime?.getTime()];
  return { id: notice.notice, kind: KINDS[notice.kind] ?? 'unknown', text, link, deadlineAt, startAt, version };
}

function parseRefused(refused: sessionV1.Refused): Refusal {
  return {
    reason: REFUSALS[refused.reason] ?? 'unknown',
    text: refused.text,
    closedAt: refused.closedAt?.getTime(),
    expectedAt: refused.expectedAt?.getTime(),
    requiredVersion: refused.requiredVersion,
  };
}

const REFUSING_CODES: Readonly<Record<number, RefusalReason>> = {
  [CODE.invalidArgument]: 'invalid',
  [CODE.notFound]: 'not-permitted',
  [CODE.permissionDenied]: 'not-permitted',
  [CODE.unauthenticated]: 'not-permitted',
  [CODE.resourceExhausted]: 'too-many',
};

/** What there is to know after an update, said by the gate that let everybody in; empty: nothing. */
export function newsIn(gate: sessionV1.Gate | undefined): string {
  const notice = gate?.notice && parseNotice(gate.notice);
  return notice?.kind === 'back-again' ? notice.text : '';
}

/** A stream that ended with a status that a person has to know of; undefined: the connection failed, come back. */
export function refusalOf(error: CallError): Refusal | undefined {
  const reason = REFUSING_CODES[error.code];
  return reason && { reason, text: error.message, closedAt: undefined, expectedAt: undefined, requiredVersion: '' };
}

type Saying = NonNullable<sessionV1.AttachRequest['message']>;

/** One message up the stream. */
export function say(message: Saying): sessionV1.AttachRequest {
  return { message };
}
