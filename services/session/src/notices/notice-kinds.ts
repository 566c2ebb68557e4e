import { sessionPolicyV1 } from '@lastcall/contracts';
import type { NoticeKind } from '../domain/gate-state.js';

/* Kinds of notices to and from the wire. */

const KINDS: Readonly<Record<NoticeKind, sessionPolicyV1.NoticeKind>> = {
  announcement: sessionPolicyV1.NoticeKind.ANNOUNCEMENT,
  moved: sessionPolicyV1.NoticeKind.MOVED,
  cancelled: sessionPolicyV1.NoticeKind.CANCELLED,
  logoff: sessionPolicyV1.NoticeKind.LOGOFF,
  'deadline-moved': sessionPolicyV1.NoticeKind.DEADLINE_MOVED,
  postponed: sessionPolicyV1.NoticeKind.POSTPONED,
  'back-again': sessionPolicyV1.NoticeKind.BACK_AGAIN,
  message: sessionPolicyV1.NoticeKind.MESSAGE,
};
const BACK = new Map(Object.entries(KINDS).map(([kind, wire]) => [wire, kind as NoticeKind]));

/** Absent in a notice that was stored before there were kinds. */
export function noticeKindToWire(kind: NoticeKind | undefined): sessionPolicyV1.NoticeKind {
  return kind === undefined ? sessionPolicyV1.NoticeKind.UNSPECIFIED : KINDS[kind];
}

/** Undefined: none that is known here. */
export function noticeKindFromWire(wire: sessionPolicyV1.NoticeKind): NoticeKind | undefined {
  return BACK.get(wire);
}
