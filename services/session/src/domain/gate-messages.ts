import type { Failure, RunOutcome, RunSpec } from '@lastcall/kernel';
import type { AlarmReason, Cause, DrainCounts, FirstStarts, HandMark, Hold, LateHosts, Notice } from './gate-state.js';
import type { HoldPolicy } from './installation.js';
import type { Words } from './phrases.js';

/*
 * What the gate is told, and what it says.
 */

/** A run ended before anything was installed. */
export type EarlyEnd = 'failed' | 'cancelled' | 'expired';

export type GateCommand =
  /** A run has staged everything, or has nothing to stage: shut the gate. */
  | { readonly type: 'shut'; readonly run: RunSpec; readonly leaseMs: number; readonly at: number }
  /** The run is alive. */
  | {
      readonly type: 'renew-lease';
      readonly run: string;
      readonly fence: number;
      readonly leaseMs: number;
      readonly at: number;
    }
  | {
      readonly type: 'shut-by-hand';
      readonly who: string;
      readonly reason: string;
      readonly reactionTimeMs: number;
      readonly at: number;
    }
  | { readonly type: 'tell'; readonly notice: string; readonly sessions: number; readonly at: number }
  /** The logoff is due. */
  | { readonly type: 'end'; readonly at: number; readonly giveUpAt: number }
  /** Sessions were counted in the store, after `at`. */
  | {
      readonly type: 'prove';
      readonly epoch: number;
      readonly sessions: number;
      readonly counts: DrainCounts;
      readonly at: number;
    }
  | { readonly type: 'note-backup'; readonly run: string; readonly at: number; readonly giveUpAt: number }
  /** `after`: what failed; an install that may be running is stopped by the installer's word only. */
  | {
      readonly type: 'fail';
      readonly run: RunSpec;
      readonly after: 'preflight' | 'staging' | 'backup' | 'cancel';
      readonly outcome: EarlyEnd;
      readonly failure: Failure;
      readonly at: number;
    }
  | {
      readonly type: 'update';
      readonly run: RunSpec;
      readonly absentHosts: readonly string[];
      /** One secret for each terminal server. */
      readonly codes: Readonly<Record<string, string>>;
      readonly giveUpAt: number;
      readonly at: number;
    }
  | { readonly type: 'roll-back'; readonly run: RunSpec; readonly failure: Failure; readonly at: number }
  /** `hosts`: that could not be brought back, and why. Empty: not known, so all of them. */
  | {
      readonly type: 'quarantine';
      readonly run: RunSpec;
      readonly failure: Failure;
      readonly hosts: Readonly<Record<string, string>>;
      readonly at: number;
    }
  /** A host of that run is back after all. */
  | { readonly type: 'release-host'; readonly run: RunSpec; readonly host: string; readonly at: number }
  /** A host begins to catch up with that run, or (`why`) has failed. */
  | {
      readonly type: 'note-late';
      readonly run: RunSpec;
      readonly host: string;
      readonly why: string;
      readonly givenUp: boolean;
    }
  /** A host has the version of that run and has stayed healthy. */
  | { readonly type: 'catch-up'; readonly run: RunSpec; readonly host: string }
  | {
      readonly type: 'prove-first-start';
      readonly host: string;
      readonly code: string;
      readonly version: string;
      readonly at: number;
    }
  /** `failure` absent: the command ran; the proof should be here or on its way. */
  | {
      readonly type: 'finish-first-start-order';
      readonly order: string;
      readonly failure?: Failure;
      readonly at: number;
      readonly settleMs: number;
    }
  /** Looks whether a time has passed by which somebody should have said something. */
  | ({ readonly type: 'expire'; readonly at: number } & Patience)
  | { readonly type: 'open-by-hand'; readonly who: string; readonly reason: string; readonly at: number }
  | {
      readonly type: 'hold';
      readonly hold: string;
      readonly session: string;
      readonly user: string;
      readonly reason: string;
      readonly durationMs: number;
      readonly limits: HoldPolicy;
      /** Id of the notice that names the moved deadline; the same below. */
      readonly notice: string;
      readonly at: number;
    }
  /** A second person agrees. */
  | {
      readonly type: 'approve-hold';
      readonly hold: string;
      readonly by: string;
      readonly notice: string;
      readonly at: number;
    }
  | {
      readonly type: 'release-hold';
      readonly hold: string;
      readonly reason: string;
      readonly notice: string;
      readonly at: number;
    }
  /** The session of its owner is over. */
  | { readonly type: 'drop-hold'; readonly session: string; readonly notice: string; readonly at: number }
  | { readonly type: 'learn-version'; readonly version: string }
  /** `apartMs`: not so soon after an announcement that stands, because not everybody has had that one. */
  | { readonly type: 'send-message'; readonly notice: Notice; readonly apartMs?: number };

/** How long silence is borne. */
export interface Patience {
  /** After the run's own deadline. */
  readonly overdueGraceMs: number;
  /**
   * Whether whoever asks has looked at the store without failure for as long as a lease lasts. Otherwise it may be the store that was
   * away, not the run, and leases do not run out.
   */
  readonly leaseWatched: boolean;
}

/** How a run is answered. */
export interface Answer {
  readonly run: RunSpec;
  readonly outcome: RunOutcome;
  readonly failure?: Failure;
  /** Who ended a maintenance window before its time, and why. Absent: nobody. */
  readonly openedBy?: string;
}

export type GateEvent =
  | {
      readonly type: 'shut';
      readonly cause: Cause;
      readonly epoch: number;
      readonly reactionTimeMs: number;
      readonly text: string;
      readonly leaseUntil?: number;
      readonly at: number;
    }
  | { readonly type: 'lease-renewed'; readonly leaseUntil: number }
  | { readonly type: 'hand-marked'; readonly mark: HandMark }
  | { readonly type: 'told'; readonly notice: Notice; readonly sessions: number }
  | { readonly type: 'hold-asked'; readonly hold: Hold }
  | { readonly type: 'hold-granted'; readonly hold: Hold }
  | { readonly type: 'hold-released'; readonly hold: string }
  | { readonly type: 'deadline-moved'; readonly notice: Notice; readonly sessions: number }
  | { readonly type: 'ending-begun'; readonly giveUpAt: number; readonly at: number }
  | {
      readonly type: 'drained';
      readonly counts: DrainCounts;
      /** How many were granted. */
      readonly holds: number;
      /** Of a maintenance window: when it is over. */
      readonly reopenAt?: number;
      readonly at: number;
    }
  | { readonly type: 'backup-noted'; readonly giveUpAt: number }
  | { readonly type: 'confirmed' }
  | { readonly type: 'drain-failed'; readonly failure: Failure }
  | { readonly type: 'version-set'; readonly version: string; readonly superseded?: string }
  | { readonly type: 'catalog-heard'; readonly version: string; readonly isNews: boolean }
  | { readonly type: 'first-starts-asked'; readonly run: RunSpec; readonly starts: FirstStarts }
  | { readonly type: 'first-start-proven'; readonly host: string }
  | { readonly type: 'first-start-given-up'; readonly host: string; readonly reason: string }
  | { readonly type: 'first-start-settling'; readonly host: string; readonly giveUpAt: number }
  /** The gate opens, unless a person wants it shut. */
  | { readonly type: 'reopened'; readonly words: Words; readonly at: number }
  | { readonly type: 'quarantined'; readonly failure: Failure }
  | { readonly type: 'hosts-quarantined'; readonly hosts: Readonly<Record<string, string>> }
  | { readonly type: 'hosts-released'; readonly hosts: readonly string[] }
  /** All of them. */
  | { readonly type: 'late-noted'; readonly late: LateHosts }
  | { readonly type: 'alarm-raised'; readonly reason: AlarmReason }
  /** The one answer to the end of a run; epoch 0 when the gate had not been shut for it. */
  | { readonly type: 'answered'; readonly answer: Answer; readonly epoch: number; readonly closedAt?: number }
  | { readonly type: 'opened-by-hand'; readonly who: string; readonly reason: string }
  | { readonly type: 'message-sent'; readonly notice: Notice };
