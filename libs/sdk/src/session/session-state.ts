import type { EndReason, HoldAnswer, Incoming, NoticeView, Refusal, SessionRights } from './session-words.js';

/* State, commands and events of the session machine (`session-machine.ts`). */

export type Phase =
  | { readonly at: 'idle' }
  /** The stream is open and the hello sent; no answer yet. */
  | { readonly at: 'connecting'; readonly attempt: number; readonly until: number }
  | {
      readonly at: 'attached';
      readonly session: string;
      readonly heartbeatMs: number;
      readonly heartbeatAt: number;
      /** Attempt that led here. */
      readonly attempt: number;
      /** A connection that is lost before counts as one more failed attempt. */
      readonly steadyAt: number;
      /** When the server is given up unless it says something. */
      readonly silentAt: number;
    }
  /** Nothing is open. */
  | { readonly at: 'backing-off'; readonly attempt: number; readonly until: number; readonly then: 'attach' | 'wait' }
  /** The gate is shut for us; the server tells when it opens. */
  | { readonly at: 'waiting'; readonly attempt: number; readonly until: number }
  /** The session is over, and it is meant to come back; the application saves its work. */
  | { readonly at: 'leaving'; readonly until: number }
  | { readonly at: 'finished'; readonly reason: EndReason };

export interface SessionState {
  readonly phase: Phase;
  /** To come back as the same session; empty: as a new one. */
  readonly resumeToken: string;
  /** Ids of the notices that were shown, newest last. */
  readonly shown: readonly string[];
  /** Ids of those that the user confirmed. */
  readonly read: readonly string[];
  /** Newest notice; one with a deadline stands until it is withdrawn, replaced by another or carried out. */
  readonly standing: NoticeView | undefined;
  readonly rights: SessionRights;
  /** What the application was told last, while it is shut out. */
  readonly refusal: Refusal | undefined;
  /** Whether the application was told that it is shut out, so that it is told when that is over. */
  readonly shutOut: boolean;
  /** What is new, from the stream that told of the reopening. */
  readonly news: string;
  /** Ids of the holds that were answered, newest last, and of those that wait for a second person. */
  readonly holds: readonly string[];
  readonly waitingHolds: readonly string[];
  /** Open work is saved; said again after a reconnection. */
  readonly ready: boolean;
}

export type SessionCommand =
  | { readonly kind: 'start'; readonly now: number }
  | { readonly kind: 'hear'; readonly now: number; readonly random: number; readonly message: Incoming }
  /** The attach stream ended without a last word. */
  | { readonly kind: 'lose'; readonly now: number; readonly random: number; readonly refusal: Refusal | undefined }
  /** WaitForReopening said that the gate is open for us. */
  | { readonly kind: 'let-in'; readonly now: number; readonly random: number; readonly news: string }
  | { readonly kind: 'lose-wait'; readonly now: number; readonly random: number }
  | { readonly kind: 'tick'; readonly now: number; readonly random: number }
  /** The application has dealt with the end of the session. */
  | { readonly kind: 'leave'; readonly now: number; readonly random: number }
  | { readonly kind: 'acknowledge'; readonly notice: string }
  | { readonly kind: 'be-ready' }
  | { readonly kind: 'ask-hold'; readonly reason: string; readonly durationMs: number }
  | { readonly kind: 'say-goodbye' };

export type SessionEvent =
  | { readonly kind: 'connecting'; readonly attempt: number; readonly until: number; readonly resumeToken: string }
  | {
      readonly kind: 'attached';
      readonly session: string;
      readonly resumeToken: string;
      readonly heartbeatMs: number;
      readonly rights: SessionRights;
      readonly now: number;
    }
  /** The user was shut out and is in again. */
  | { readonly kind: 'reopened'; readonly news: string }
  | { readonly kind: 'heard'; readonly now: number }
  | { readonly kind: 'heartbeat-due'; readonly now: number }
  /** `asNews`: the application was told the same with `reopened`. */
  | { readonly kind: 'notice-shown'; readonly notice: NoticeView; readonly asNews: boolean }
  | { readonly kind: 'notice-withdrawn'; readonly notice: string; readonly text: string }
  /** To be said to the server now. */
  | { readonly kind: 'acknowledgement-due'; readonly notice: string; readonly read: boolean }
  | { readonly kind: 'notice-read'; readonly notice: string }
  | { readonly kind: 'ready-said'; readonly now: boolean }
  | { readonly kind: 'hold-asked'; readonly reason: string; readonly durationMs: number }
  | { readonly kind: 'hold-answered'; readonly answer: HoldAnswer; readonly hold: string }
  /** There is no connection to ask for it. */
  | { readonly kind: 'hold-unsaid' }
  /** A second person has decided. */
  | { readonly kind: 'hold-decided'; readonly answer: HoldAnswer; readonly hold: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'news-heard'; readonly news: string }
  | { readonly kind: 'waiting'; readonly attempt: number; readonly until: number }
  | { readonly kind: 'backed-off'; readonly attempt: number; readonly until: number; readonly then: 'attach' | 'wait' }
  /**
   * `saveUntil`: how long the application may take to save its work before the session goes on without it. `saveWithinMs`: how long the
   * server waits for this side of the stream to end, and nothing is installed meanwhile; undefined: it does not.
   */
  | {
      readonly kind: 'ended';
      readonly reason: EndReason;
      readonly text: string;
      readonly comeBack: boolean;
      readonly saveUntil: number;
      readonly saveWithinMs: number | undefined;
    }
  | { readonly kind: 'goodbye-said' }
  | { readonly kind: 'finished'; readonly reason: EndReason };
