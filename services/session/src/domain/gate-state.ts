import type { Failure, RunOutcome, RunSpec } from '@lastcall/kernel';

/*
 * The words of the gate: its states, what it is told and what it says. The machine is in `gate.ts`, the fold in `gate-evolve.ts`.
 */

/** A message to every session. */
export interface Notice {
  readonly id: string;
  readonly text: string;
  /** When sessions will be ended; absent for a message without consequence. */
  readonly deadlineAt?: number;
  readonly sentAt: number;
  /** Version that will be installed; empty for none. */
  readonly version: string;
}

/** A user's "not now". */
export interface Hold {
  readonly id: string;
  readonly session: string;
  readonly user: string;
  readonly reason: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Who shut the gate. */
export type Cause =
  | { readonly by: 'run'; readonly run: RunSpec }
  | { readonly by: 'hand'; readonly who: string; readonly reason: string };

/** A person wants the gate shut until a person opens it; outlives the runs that pass meanwhile. */
export interface HandMark {
  readonly who: string;
  readonly reason: string;
  readonly closedAt: number;
  readonly reactionTimeMs: number;
}

/** The proof that a terminal server's client runs. Its host is shut while it is not proven. */
export interface FirstStart {
  readonly state: 'waiting' | 'proven' | 'given-up';
  readonly order: string;
  /** For one use; the client presents it when it attaches. */
  readonly code: string;
  /** Version that the client must have. */
  readonly version: string;
  readonly run: RunSpec;
  readonly giveUpAt: number;
  /** Why it was given up; empty otherwise. */
  readonly reason: string;
}

export type FirstStarts = Readonly<Record<string, FirstStart>>;

/** How the users left; what became of the others is reckoned from it. */
export interface DrainCounts {
  readonly acknowledged: number;
  readonly left: number;
  readonly ended: number;
}

/** What is there in every state. */
export interface Standing {
  /** Grows each time the gate is shut. */
  readonly epoch: number;
  /** Version that clients must have; empty: any. */
  readonly version: string;
  /** What the catalog said last. */
  readonly catalogVersion: string;
  /** Version before an update that the catalog has not told yet: hearing it once more is old news. */
  readonly superseded?: string | undefined;
  readonly hand?: HandMark;
  readonly firstStarts: FirstStarts;
  /** The last runs that have been answered. */
  readonly over: readonly string[];
  /** Highest fence of those. */
  readonly fence: number;
  /** The last message without consequence. */
  readonly message?: Notice;
  /** The last notice that was taken back, and what to tell the users. */
  readonly withdrawn?: { readonly notice: string; readonly text: string };
  /** How long the gate was shut the last time, from the logoff to the reopening; for estimates. */
  readonly lastShutMs?: number;
}

interface Shut {
  readonly cause: Cause;
  readonly closedAt: number;
  /** Logoff, planned or done. Absent until the notice is sent. */
  readonly logoffAt?: number;
}

/** Answers of the drain that have to come by `giveUpAt`. */
interface Proving {
  readonly giveUpAt: number;
}

export type Phase =
  | { readonly phase: 'open' }
  /** Nobody new; nobody has been told yet. */
  | (Shut & { readonly phase: 'shutting'; readonly reactionTimeMs: number; readonly text: string })
  /** Nobody new; those inside have been told. */
  | (Shut & {
      readonly phase: 'closing';
      readonly notice: Notice;
      /** The deadline before holds moved it. */
      readonly baseDeadlineAt: number;
      readonly told: number;
      readonly holds: readonly Hold[];
    })
  /** The reaction time is over: everybody is being logged off. */
  | (Shut & Proving & { readonly phase: 'draining'; readonly notice: Notice; readonly told: number })
  /** Nobody inside. A run waits for its backup; a gate shut by hand waits for a person. */
  | (Shut & { readonly phase: 'drained' })
  /** The backup is there: zero is being proven again. */
  | (Shut & Proving & { readonly phase: 'confirming' })
  /** The install may run. */
  | (Shut & { readonly phase: 'confirmed'; readonly overdue: boolean })
  /** The outcome is there: hosts come in as their first start is proven. */
  | (Shut & { readonly phase: 'reopening' })
  /** The run has been answered; a person has to open the gate. */
  | (Shut & { readonly phase: 'quarantined'; readonly failure: Failure });

export type GateState = Standing & Phase;
export type PhaseName = Phase['phase'];
export type GateIn<P extends PhaseName> = Extract<GateState, { phase: P }>;
export type ShutGate = Exclude<GateState, { phase: 'open' }>;

export const initialGate: GateState = {
  phase: 'open',
  epoch: 0,
  version: '',
  catalogVersion: '',
  firstStarts: {},
  over: [],
  fence: 0,
};

/** A run ended before anything was installed. */
export type EarlyEnd = 'failed' | 'cancelled' | 'expired';

export type GateCommand =
  /** A run has staged everything: shut the gate. */
  | { readonly type: 'shut'; readonly run: RunSpec; readonly at: number }
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
  | { readonly type: 'quarantine'; readonly run: RunSpec; readonly failure: Failure; readonly at: number }
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
  | { readonly type: 'expire'; readonly at: number; readonly overdueGraceMs: number }
  | { readonly type: 'open-by-hand'; readonly who: string; readonly reason: string; readonly at: number }
  | {
      readonly type: 'hold';
      readonly hold: string;
      readonly session: string;
      readonly user: string;
      readonly reason: string;
      readonly durationMs: number;
      /** Id of the notice that names the moved deadline. */
      readonly notice: string;
      readonly at: number;
    }
  | { readonly type: 'release-hold'; readonly hold: string; readonly notice: string; readonly at: number }
  | { readonly type: 'learn-version'; readonly version: string }
  | { readonly type: 'send-message'; readonly notice: Notice };

/** How a run is answered. */
export interface Answer {
  readonly run: RunSpec;
  readonly outcome: RunOutcome;
  readonly failure?: Failure;
}

export type GateEvent =
  | {
      readonly type: 'shut';
      readonly cause: Cause;
      readonly epoch: number;
      readonly reactionTimeMs: number;
      readonly text: string;
      readonly at: number;
    }
  | { readonly type: 'hand-marked'; readonly mark: HandMark }
  | { readonly type: 'told'; readonly notice: Notice; readonly sessions: number }
  | { readonly type: 'hold-granted'; readonly hold: Hold }
  | { readonly type: 'hold-released'; readonly hold: string }
  | { readonly type: 'deadline-moved'; readonly notice: Notice; readonly sessions: number }
  | { readonly type: 'ending-begun'; readonly giveUpAt: number; readonly at: number }
  | { readonly type: 'drained'; readonly counts: DrainCounts; readonly told: number; readonly at: number }
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
  | { readonly type: 'reopened'; readonly text: string; readonly at: number }
  | { readonly type: 'quarantined'; readonly failure: Failure }
  | { readonly type: 'alarm-raised' }
  /** The one answer to the end of a run; epoch 0 when the gate had not been shut for it. */
  | { readonly type: 'answered'; readonly answer: Answer; readonly epoch: number; readonly closedAt?: number }
  | { readonly type: 'opened-by-hand'; readonly who: string; readonly reason: string }
  | { readonly type: 'message-sent'; readonly notice: Notice };

/** The notice that stands, in any state. */
export function standingNotice(gate: GateState): Notice | undefined {
  return gate.phase === 'closing' ? gate.notice : undefined;
}

/** The run that holds the gate. */
export function holderOf(gate: GateState): RunSpec | undefined {
  if (gate.phase === 'open' || gate.phase === 'quarantined' || gate.cause.by !== 'run') return undefined;
  return gate.cause.run;
}

export function isOver(gate: GateState, run: string): boolean {
  return gate.over.includes(run);
}

/** Hosts that stay shut, and why. */
export function shutHostsOf({ firstStarts }: Pick<Standing, 'firstStarts'>): Readonly<Record<string, string>> {
  const shut = Object.entries(firstStarts).filter(([, start]) => start.state !== 'proven');
  return Object.fromEntries(
    shut.map(([host, { state, reason }]) => [host, state === 'waiting' ? 'It waits for its first start.' : reason]),
  );
}

/** Whether a person is needed. */
export function hasAlarm(gate: GateState): boolean {
  if (gate.phase === 'quarantined' || (gate.phase === 'confirmed' && gate.overdue)) return true;
  return Object.values(gate.firstStarts).some((start) => start.state === 'given-up');
}
