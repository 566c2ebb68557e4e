/*
 * What the session edge says, as plain values: enum names instead of numbers, instants in milliseconds of the server's clock.
 */

export type RefusalReason =
  | 'gate-shut' // wait for the reopening
  | 'wrong-version' // this program is older or newer than the installation: restart it
  | 'host-shut' // this host waits for its first start, or for a person
  | 'invalid'
  | 'not-permitted'
  | 'too-many'
  | 'unknown'; // one of a newer server

export type EndReason =
  | 'deadline' // the reaction time is over
  | 'connection'
  | 'move'
  | 'revoked'
  | 'first-start-done'
  | 'replaced'
  | 'ready'
  | 'goodbye' // this side said goodbye
  | 'refused' // it never began, and waiting does not help
  | 'unknown';

/** A message to the user. */
export interface NoticeView {
  readonly id: string;
  readonly text: string;
  /** When the session will be ended, by the server's clock; undefined: nothing will happen. */
  readonly deadlineAt: number | undefined;
  /** Version that will be installed; empty for none. */
  readonly version: string;
}

export interface Refusal {
  readonly reason: RefusalReason;
  /** For the user: why, until when, what happens next. */
  readonly text: string;
  /** An estimate, by the server's clock. */
  readonly expectedAt: number | undefined;
  /** Version that the client must have; empty: any. */
  readonly requiredVersion: string;
}

export interface HoldAnswer {
  readonly granted: boolean;
  /** Why not, or until when. */
  readonly text: string;
  readonly expiresAt: number | undefined;
}

/** What came down the stream. */
export type Incoming =
  | {
      readonly kind: 'welcome';
      readonly session: string;
      readonly resumeToken: string;
      readonly heartbeatMs: number;
      readonly notice: NoticeView | undefined;
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'notice'; readonly notice: NoticeView }
  | { readonly kind: 'notice-withdrawn'; readonly notice: string; readonly text: string }
  | { readonly kind: 'ended'; readonly reason: EndReason; readonly text: string; readonly comeBack: boolean }
  | { readonly kind: 'hold-answer'; readonly answer: HoldAnswer }
  | { readonly kind: 'sign-of-life' };
