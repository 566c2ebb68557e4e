import type { Failure, RunSpec } from '@lastcall/kernel';
import type { Words } from './phrases.js';

/*
 * The states of the gate. What it is told and what it says is in `gate-messages.ts`, the machine in `gate.ts`, the fold in
 * `gate-evolve.ts`.
 */

/** What a notice is about; each kind has its own templates. */
export type NoticeKind =
  'announcement' | 'moved' | 'cancelled' | 'logoff' | 'deadline-moved' | 'postponed' | 'back-again' | 'message';

/** A message to every session. Texts may be empty. */
export interface Notice {
  readonly id: string;
  readonly kind: NoticeKind;
  /** A person's own words; empty: the template of the kind says it. */
  readonly text: string;
  /** When sessions will be ended; absent for a message without consequence. */
  readonly deadlineAt?: number;
  /** When the run begins that is announced. */
  readonly startAt?: number;
  readonly sentAt: number;
  /** Version that will be installed, or has been; empty for none. */
  readonly version: string;
  readonly product: string;
  readonly reason: string;
  readonly whatsNew: string;
  /** It is about a maintenance window, not about an update; absent: it is not. */
  readonly maintenance?: MaintenanceWords;
}

/** What a notice says of a maintenance window. */
export interface MaintenanceWords {
  /** How long the gate stays shut after the logoff; absent before a run has begun. */
  readonly closedForMs?: number;
}

/** A user's "not now". */
export interface Hold {
  readonly id: string;
  readonly session: string;
  readonly user: string;
  readonly reason: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** A second person has not agreed yet: it moves nothing. */
  readonly awaitsApproval: boolean;
  /** Empty: nobody had to. */
  readonly approvedBy: string;
}

/** What became of one, for its owner. */
export interface HoldDecision {
  readonly hold: string;
  readonly session: string;
  readonly outcome: 'moved' | 'postponed' | 'denied';
  /** Of one that moved the logoff. */
  readonly expiresAt?: number;
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

/** A host that has another version than its installation. Nobody is let in there until it has caught up, and has stayed healthy. */
export interface LateHost {
  /** Why its last attempt failed; empty: none has. */
  readonly why: string;
  /** It is not tried again by itself: a person is needed. */
  readonly givenUp: boolean;
}

export type LateHosts = Readonly<Record<string, LateHost>>;

/** How the users left; whoever neither left nor was ended was lost. */
export interface DrainCounts {
  /** All whom the logoff was about: it was said to them, or is known how they ended. */
  readonly told: number;
  readonly acknowledged: number;
  /** Confirmed that they had read the notice. */
  readonly read: number;
  readonly left: number;
  /** Said that they were ready, among those that left. */
  readonly ready: number;
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
  /** Hosts that a failed run could not bring back, and what a person has to do. Absent: none. */
  readonly quarantine?: Readonly<Record<string, string>>;
  /** Absent: none. */
  readonly late?: LateHosts;
  /** The last runs that have been answered. */
  readonly over: readonly string[];
  /** Highest fence of those. */
  readonly fence: number;
  /** A person's last messages without consequence, in the order in which they were sent. Absent: none. */
  readonly messages?: readonly Notice[];
  /** The newest word about a planned run, or about one that is over. */
  readonly announcement?: Notice;
  /** The last notice that was taken back, and what to tell the users. */
  readonly withdrawn?: { readonly notice: string; readonly words: Words };
  /** What became of the holds of the last logoff, the newest last. */
  readonly holdDecisions?: readonly HoldDecision[];
  /** How long the gate was shut the last times, from the logoff to the reopening, the newest last; for estimates. */
  readonly shutTimesMs?: readonly number[];
}

interface Shut {
  readonly cause: Cause;
  readonly closedAt: number;
  /** Logoff, planned or done. Absent until the notice is sent. */
  readonly logoffAt?: number;
}

/** Nothing has been installed, or the install may be running. */
interface Leased extends Shut {
  /** Until when the run that shut the gate is believed to be alive; a person's gate has none. */
  readonly leaseUntil?: number;
}

/** Why a person has to look at a gate that stays shut. */
export type AlarmReason = 'lease-lost' | 'no-outcome';

/** All the others are gone. */
interface Emptied extends Leased {
  /** Exempt users who are inside are ended no earlier: it is what the first notice named. Absent: everybody had that time. */
  readonly exemptUntil?: number;
}

/** Answers of the drain that have to come by `giveUpAt`. */
interface Proving {
  readonly giveUpAt: number;
}

export type Phase =
  | { readonly phase: 'open' }
  /** Nobody new; nobody has been told yet. */
  | (Leased & { readonly phase: 'shutting'; readonly reactionTimeMs: number; readonly text: string })
  /** Nobody new; those inside have been told. */
  | (Leased & {
      readonly phase: 'closing';
      readonly notice: Notice;
      /** The deadline before holds moved it. */
      readonly baseDeadlineAt: number;
      readonly told: number;
      readonly holds: readonly Hold[];
      /** Since the notice; those that ended too. */
      readonly holdsGranted: number;
    })
  /** The reaction time is over: everybody is being logged off. */
  | (Leased &
      Proving & {
        readonly phase: 'draining';
        readonly notice: Notice;
        readonly holdsGranted: number;
      })
  /** Nobody inside. An update waits for its backup, a maintenance window for its end; a gate shut by hand waits for a person. */
  | (Emptied & {
      readonly phase: 'drained';
      /** When a maintenance window is over. Absent: it is none. */
      readonly reopenAt?: number;
    })
  /** The backup is there: exempt users leave, and zero is being proven again. */
  | (Emptied & Proving & { readonly phase: 'confirming' })
  /** The install may run. */
  | (Leased & { readonly phase: 'confirmed'; readonly alarm?: AlarmReason })
  /** The outcome is there: hosts come in as their first start is proven. */
  | (Shut & { readonly phase: 'reopening' })
  /** The run has been answered; a person has to open the gate. */
  | (Shut & { readonly phase: 'quarantined'; readonly failure: Failure });

export type GateState = Standing & Phase;
export type PhaseName = Phase['phase'];
export type GateIn<P extends PhaseName> = Extract<GateState, { phase: P }>;
export type ShutGate = Exclude<GateState, { phase: 'open' }>;
export type LeasedGate = Exclude<ShutGate, { phase: 'reopening' | 'quarantined' }>;

export const initialGate: GateState = {
  phase: 'open',
  epoch: 0,
  version: '',
  catalogVersion: '',
  firstStarts: {},
  over: [],
  fence: 0,
};

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
export function shutHostsOf({
  firstStarts,
  quarantine = {},
}: Pick<Standing, 'firstStarts' | 'quarantine'>): Readonly<Record<string, string>> {
  const shut = Object.entries(firstStarts).filter(([, start]) => start.state !== 'proven');
  const waiting = shut.map(([host, { state, reason }]): [string, string] => [
    host,
    state === 'waiting' ? 'It waits for its first start.' : reason,
  ]);
  return { ...Object.fromEntries(waiting), ...quarantine };
}

/** Hosts that have not caught up, and why not; for people. They are no part of the answer to a run: nobody waits for them. */
export function lateHostsOf({ late = {} }: Pick<Standing, 'late'>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(late).map(([host, { why, givenUp }]) => [host, whyLate(host, why, givenUp)]),
  );
}

function whyLate(host: string, why: string, givenUp: boolean): string {
  if (why === '') return 'It has to catch up with the version of its installation.';
  if (!givenUp)
    return `It could not be updated (${why}); that is tried again when it is switched on the next time, or asked for there.`;
  return `It could not be updated (${why}). An administrator has to look at it and then release it: lastcall host release-quarantine ${host}.`;
}

/** Whether quarantine shuts out everybody: nobody can work without the host that has the data, and no name means any of them. */
export function isForAll({ hosts }: RunSpec, quarantined: readonly string[]): boolean {
  const holder = hosts.find(({ role }) => role === 'server') ?? hosts[0];
  return quarantined.length === 0 || (holder !== undefined && quarantined.includes(holder.host));
}

/** Whether a person is needed. */
export function hasAlarm(gate: GateState): boolean {
  if (gate.phase === 'quarantined' || (gate.phase === 'confirmed' && gate.alarm !== undefined)) return true;
  if (Object.keys(gate.quarantine ?? {}).length > 0) return true;
  if (Object.values(gate.late ?? {}).some(({ givenUp }) => givenUp)) return true;
  return Object.values(gate.firstStarts).some((start) => start.state === 'given-up');
}

/** Whether a run that dies meanwhile leaves it to the gate to open or to raise the alarm. */
export function isLeased(gate: GateState): gate is LeasedGate {
  return gate.phase !== 'open' && gate.phase !== 'reopening' && gate.phase !== 'quarantined';
}

/** How long it usually takes from the logoff to the reopening: the middle one of the last times. Undefined: not known. */
export function usualShutMs({ shutTimesMs = [] }: Pick<Standing, 'shutTimesMs'>): number | undefined {
  const sorted = [...shutTimesMs].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
