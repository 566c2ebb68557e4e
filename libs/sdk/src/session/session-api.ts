import type { Channel } from '../channel.js';
import type { Environment } from '../connection.js';
import type { Phase } from './session-state.js';
import type { EndReason, HoldAnswer, NoticeView, Refusal } from './session-words.js';

/* What a business application sees of its sessions. */

export interface AttachOptions extends SessionCallbacks {
  /** Login name, 1–200 characters. */
  readonly user: string;
  /** Version of this program (semver). */
  readonly version: string;
  /** Name to show; default: `user`. */
  readonly displayName?: string;
  /** BCP 47 language tag for texts; default en. */
  readonly language?: string;
  /** Default: LASTCALL_INSTALLATION. */
  readonly installation?: string;
  /** Host that the program runs on, as its agent knows it; default: LASTCALL_HOST, else none. */
  readonly host?: string;
  readonly clientKind?: 'desktop' | 'terminal' | 'web';
  /** Default: LASTCALL_FIRST_START_CODE, else none. */
  readonly firstStartCode?: string;
  /** To share one connection between many sessions, as a web application's server does. It stays open at the end. */
  readonly channel?: Channel;
  /** Where the defaults come from; default: the process's. */
  readonly env?: Environment;
}

export interface SessionCallbacks {
  /** The user is logged in (again, after a connection was lost). */
  onAttached?(session: string): void;
  /** Show this to the user. Called once for each notice. */
  onNotice?(notice: ShownNotice): void;
  /** The notice does not stand any more: take it away. `text` may be empty. */
  onNoticeWithdrawn?(notice: string, text: string): void;
  /** The user cannot log in now. Show the text; `refusal` says more, such as the version that is needed. */
  onRefused?(text: string, expectedAt: Date | undefined, refusal: Refusal): void;
  /** The user was shut out, and is in again. */
  onReopened?(): void;
  /**
   * The user is logged off: save open work, now. When `comeBack` is true the session waits for the reopening and logs in
   * again after the returned promise, unless the program ends, as it does when it is to be replaced itself.
   */
  onEnded?(reason: EndReason, text: string, comeBack: boolean): void | Promise<void>;
  /** One of these callbacks threw; default: a process warning. */
  onError?(error: unknown): void;
}

/** A notice as the application shows it. */
export interface ShownNotice {
  readonly id: string;
  readonly text: string;
  /** When the session will be ended; undefined: nothing will happen. */
  readonly deadline: Date | undefined;
  /** Version that will be installed; empty for none. */
  readonly version: string;
  /** Until the deadline by the server's clock, so that all countdowns agree; undefined without a deadline. */
  secondsLeft(): number | undefined;
  /** The user has read it. */
  acknowledge(): void;
}

export interface AttachedSession {
  readonly phase: Phase['at'];
  /** Notice that stands. */
  readonly notice: NoticeView | undefined;
  /** The server's clock, milliseconds since the epoch. */
  serverNow(): number;
  /** The user has read the notice; without an id: the standing one. */
  acknowledge(notice?: string): void;
  /** Open work is saved; the session may be ended before the deadline. */
  ready(): void;
  /** "Not now", for 1 min – 4 h. Answers within 10 s. */
  hold(reason: string, durationMs: number): Promise<HoldAnswer>;
  /** The user logs off. Resolves within 2 s, when the server knows, or cannot be reached. */
  goodbye(): Promise<void>;
  /** Resolves when the session is over for good. */
  readonly finished: Promise<EndReason>;
}
