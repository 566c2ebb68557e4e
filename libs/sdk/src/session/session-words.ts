/*
 * What the session edge says, as plain values: enum names instead of numbers, instants in milliseconds of the server's clock.
 */

/** Why a user is not let in, for programs. */
export type RefusalReason =
  | 'gate-shut' // wait for the reopening
  | 'wrong-version' // this program is older or newer than the installation: restart it
  | 'host-shut' // this host waits for its first start, or for a person
  | 'invalid'
  | 'not-permitted'
  | 'too-many'
  | 'unknown'; // one of a newer server

/** Why a session is over. */
export type EndReason =
  | 'deadline' // the reaction time is over
  | 'connection'
  | 'move'
  | 'revoked'
  | 'first-start-done'
  | 'replaced'
  | 'ready'
  | 'install' // of an exempt user: the install is going to start
  | 'goodbye' // this side said goodbye
  | 'refused' // it never began, and waiting does not help
  | 'unknown';

/** What a notice is about. */
export type NoticeKind =
  | 'announcement' // a run is planned
  | 'moved' // the planned run begins at another time
  | 'cancelled' // the planned run does not take place
  | 'logoff' // everybody is logged off at the deadline
  | 'deadline-moved' // the same, at another time because of a hold
  | 'postponed' // the run was postponed because of holds
  | 'back-again' // the update is done: what is new
  | 'message' // a person's own words
  | 'unknown'; // one of a newer server

/** A message to the user. */
export interface NoticeView {
  readonly id: string;
  readonly kind: NoticeKind;
  /** Plain text in the user's language, up to 4,000 characters. */
  readonly text: string;
  /** `https://…` for more; empty: none. */
  readonly link: string;
  /** When the session will be ended, by the server's clock; undefined: nothing will happen. */
  readonly deadlineAt: number | undefined;
  /** When the run begins that is announced, by the server's clock; undefined unless it is about one. */
  readonly startAt: number | undefined;
  /** Version that will be installed, or has been; empty for none. */
  readonly version: string;
}

/** Why a user is not let in. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** For the user: why, until when, what happens next. */
  readonly text: string;
  /** Since when the gate is shut, by the server's clock; undefined: it is not, or unknown. */
  readonly closedAt: number | undefined;
  /** Until when: an estimate, by the server's clock. */
  readonly expectedAt: number | undefined;
  /** Version that the client must have; empty: any. */
  readonly requiredVersion: string;
}

/** Answer to "not now". */
export interface HoldAnswer {
  readonly granted: boolean;
  /** It counts when a second person has agreed; `onHoldDecided` tells. */
  readonly awaitsApproval: boolean;
  /** Why not, or until when. */
  readonly text: string;
  /** When it ends by itself, by the server's clock. */
  readonly expiresAt: number | undefined;
}

/** What this user may do. */
export interface SessionRights {
  /** May be inside while the gate is shut, until the install starts. */
  readonly exempt: boolean;
  /** Longest hold that can be asked for; undefined: none can. */
  readonly longestHoldMs: number | undefined;
}

/** What came down the stream. */
export type Incoming =
  | {
      readonly kind: 'welcome';
      readonly session: string;
      readonly resumeToken: string;
      readonly heartbeatMs: number;
      readonly rights: SessionRights;
      readonly notice: NoticeView | undefined;
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'notice'; readonly notice: NoticeView }
  | { readonly kind: 'notice-withdrawn'; readonly notice: string; readonly text: string }
  | {
      readonly kind: 'ended';
      readonly reason: EndReason;
      readonly text: string;
      readonly comeBack: boolean;
      /** How long the server waits for this side to save; absent: it does not. */
      readonly saveWithinMs?: number | undefined;
    }
  /** `hold`: its id; empty: there is none, or the server is an older one. */
  | { readonly kind: 'hold-answer'; readonly answer: HoldAnswer; readonly hold: string }
  | { readonly kind: 'heartbeat-reply' }
  | { readonly kind: 'sign-of-life' };
