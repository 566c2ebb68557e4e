import type { Channel } from '../channel.js';
import type { Environment } from '../connection.js';
import type { Phase } from './session-state.js';
import type { SessionProblem } from './session-problem.js';
import type { EndReason, HoldAnswer, NoticeKind, NoticeView, Refusal } from './session-words.js';

/* What a business application sees of its sessions. */

export interface AttachOptions extends SessionCallbacks {
  /** Login name, 1–200 characters. */
  readonly user: string;
  /** Version of this program (semver). */
  readonly version: string;
  /** Name to show; default: `user`. */
  readonly displayName?: string;
  /** BCP 47 language tag for texts, which there are in English and German; default: the installation's. */
  readonly language?: string;
  /** Default: LASTCALL_INSTALLATION. */
  readonly installation?: string;
  /** Host that the program runs on, as its agent knows it; default: LASTCALL_HOST, else none. */
  readonly host?: string;
  readonly clientKind?: 'desktop' | 'terminal' | 'web';
  /** Default: LASTCALL_FIRST_START_CODE, else none. */
  readonly firstStartCode?: string;
  /**
   * To share one connection between many sessions, as a web application's server does. It stays open at the end, and keeps the
   * program running unless it was opened with `keepAlive: false`.
   */
  readonly channel?: Channel;
  /**
   * True: the program runs until the session is over. Default: the session keeps nothing running, except for a first start, whose
   * program has nothing else to do.
   */
  readonly keepAlive?: boolean;
  /** Where the defaults come from; default: the process's. */
  readonly env?: Environment;
}

/**
 * What an application is told, one call after the other. All of them can be left out: the session is kept, users of this program are
 * logged off and come back all the same. One that throws goes to `onError` and changes nothing.
 */
export interface SessionCallbacks {
  /** The user is logged in (again, after a connection was lost). */
  onAttached?(session: string): void;
  /** Show this to the user. Called once for each notice. */
  onNotice?(notice: ShownNotice): void;
  /** The notice does not stand any more: take it away. `text` may be empty. */
  onNoticeWithdrawn?(notice: string, text: string): void;
  /**
   * So many seconds are left until the user is logged off: once with the notice, then each full minute, and each second of the last
   * minute down to 0. By the server's clock: all users see the same number at the same moment.
   */
  onCountdown?(secondsLeft: number, notice: ShownNotice): void;
  /** The user cannot log in now. Show the text; `refusal` says more, such as the version that is needed. */
  onRefused?(text: string, expectedAt: Date | undefined, refusal: Refusal): void;
  /** The user was shut out, and is in again. `whatsNew` is for the user, and may be empty. */
  onReopened?(whatsNew: string): void;
  /**
   * The user is logged off: save open work, now. The server waits with the backup, or the install, until the returned promise has settled,
   * for 10 s unless it is set up otherwise; what is saved later is in no backup. Where the logoff came while the connection was lost, it
   * does not wait. When `comeBack` is true the session waits for the reopening and logs in again after the promise, or after 5 minutes,
   * unless the program ends, as it does when it is to be replaced itself.
   */
  onLogoff?(reason: EndReason, text: string, comeBack: boolean): void | Promise<void>;
  /** A second person has decided on a hold that awaited approval. */
  onHoldDecided?(answer: HoldAnswer): void;
  /** Something is wrong that the user need not know: see `problem.code`. Default: a process warning with that code. */
  onError?(problem: SessionProblem): void;
}

/** A notice as the application shows it. */
export interface ShownNotice {
  readonly id: string;
  readonly kind: NoticeKind;
  /** Plain text. */
  readonly text: string;
  /** `https://…` for more; empty: none. */
  readonly link: string;
  /** When the session will be ended, by the server's clock; undefined: nothing will happen. */
  readonly deadline: Date | undefined;
  /** When the run begins that is announced, by the server's clock; undefined unless it is about one. */
  readonly startTime: Date | undefined;
  /** Version that will be installed, or has been; empty for none. */
  readonly version: string;
  /** Until the deadline by the server's clock, so that all countdowns agree; undefined without a deadline. */
  secondsLeft(): number | undefined;
  /** The user has read it. */
  acknowledge(): void;
}

/** A user who is logged in, or waits to be. No method of it throws or rejects. */
export interface AttachedSession {
  readonly phase: Phase['at'];
  /** Notice that stands. */
  readonly notice: NoticeView | undefined;
  /** This user may be inside while the gate is shut, until the install starts. */
  readonly exempt: boolean;
  /** Longest hold that can be asked for now; undefined: none can. */
  readonly longestHoldMinutes: number | undefined;
  /** The server's clock, milliseconds since the epoch. */
  serverNow(): number;
  /** The user has read the notice; without an id: the standing one. */
  acknowledge(notice?: string): void;
  /** Open work is saved; the session may be ended before the deadline. */
  ready(): void;
  /** "Not now", because of `reason` (1–200 characters), for 1–240 minutes. Answers within 10 s; never rejected. */
  hold(reason: string, minutes: number): Promise<HoldAnswer>;
  /** The user logs off. Resolves within 2 s, when the server knows, or cannot be reached. */
  goodbye(): Promise<void>;
  /** Resolves when the session is over for good. Waiting for it does not keep the program running. */
  readonly finished: Promise<EndReason>;
}
