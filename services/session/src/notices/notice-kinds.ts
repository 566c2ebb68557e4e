import { sessionV1 } from '@lastcall/contracts';
import type { NoticeKind } from '../domain/gate-state.js';

/* Kinds of notices to and from the wire. */

const KINDS: Readonly<Record<NoticeKind, sessionV1.NoticeKind>> = {
  announcement: sessionV1.NoticeKind.ANNOUNCEMENT,
  moved: sessionV1.NoticeKind.MOVED,
  cancelled: sessionV1.NoticeKind.CANCELLED,
  logoff: sessionV1.NoticeKind.LOGOFF,
  'deadline-moved': sessionV1.NoticeKind.DEADLINE_MOVED,
  postponed: sessionV1.NoticeKind.POSTPONED,
  'back-again': sessionV1.NoticeKind.BACK_AGAIN,
  message: sessionV1.NoticeKind.MESSAGE,
};
const BACK = new Map(Object.entries(KINDS).map(([kind, wire]) => [wire, kind as NoticeKind]));

/** Absent in a notice that was stored before there were kinds. */
export function noticeKindToWire(kind: NoticeKind | undefined): sessionV1.NoticeKind {
  return kind === undefined ? sessionV1.NoticeKind.UNSPECIFIED : KINDS[kind];
}

/** Undefined: none that is known here. */
export function noticeKindFromWire(wire: sessionV1.NoticeKind): NoticeKind | undefined {
  return BACK.get(wire);
}
