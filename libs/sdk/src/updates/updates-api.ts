import type { Environment } from '../connection.js';

/*
 * What an application on a single seat sees of its updates. The values come from the agent program as they are here.
 */

/** Where an update stands. `paused`, `ready`, `resting` and `stuck` wait for somebody. */
export type UpdatePhase =
  | 'resting'
  | 'backing-up'
  | 'downloading'
  /** Asked for, or because of `problem`; what has arrived is kept. */
  | 'paused'
  /** Downloaded and verified: only the restart is left. */
  | 'ready'
  /** The fresh backup of the restart. */
  | 'saving'
  /** The application is stopped, replaced, started, checked. */
  | 'installing'
  | 'going-back'
  /** Even the way back failed; `problem` says why. `resume` tries it again. */
  | 'stuck';

/** Why something stands still or failed. */
export interface UpdateProblem {
  /** UPPER_SNAKE_CASE, for programs. */
  readonly reason: string;
  /** One sentence for people. */
  readonly message: string;
}

/** Where the seat's update stands. */
export interface UpdateState {
  readonly phase: UpdatePhase;
  /** Empty for none. */
  readonly installedVersion: string;
  /** Id of the installation that this host follows; undefined on a seat of its own. */
  readonly follows?: string;
  /** The update in hand; undefined when resting. */
  readonly update?: {
    readonly version: string;
    readonly fromVersion: string;
    readonly title: string;
    readonly notes: string;
    /** Why no backup is taken. */
    readonly skipBackup?: string;
  };
  /** Of `ready`: what was said about the restart. */
  readonly when?: 'not-said' | 'next-start' | 'later';
  readonly problem?: UpdateProblem;
  /** The last update that ended. */
  readonly last?: {
    readonly version: string;
    readonly fromVersion: string;
    /** `gone-back`: the old version and its data are there again. `replaced`: another version was begun instead. */
    readonly result: 'updated' | 'gone-back' | 'not-begun' | 'replaced';
    /** ISO 8601, UTC. */
    readonly at: string;
    /** Newest backup of it; empty for none. */
    readonly restorePoint: string;
    readonly skipBackup?: string;
    readonly problem?: UpdateProblem;
  };
}

/** One step, or bytes of the download. */
export interface UpdateProgress {
  /** `backup`, `download`, `stop`, `migrate`, … */
  readonly step: string;
  /** Bytes; only of the download. */
  readonly done?: number;
  readonly total?: number;
  /** Of the last seconds; 0 while unknown. */
  readonly bytesPerSecond?: number;
  /** Undefined while unknown. */
  readonly secondsLeft?: number;
}

/** Answer of `updates.check()`. */
export interface SeatUpdateCheck {
  /** Empty for none. */
  readonly installedVersion: string;
  /** Newest release that the seat may take now. */
  readonly release: { readonly version: string; readonly title: string; readonly notes: string } | undefined;
  /** Why there is none, or why it is not the newest; empty when it is the newest. */
  readonly reason: string;
  /** Why this very version was taken back here before; empty when it was not tried. */
  readonly triedBefore: string;
}

/** Of `openUpdates`. */
export interface UpdatesOptions {
  /** Data folder of the agent on this computer. Default: LASTCALL_SEAT. */
  readonly folder?: string | undefined;
  /** Default: `process.env`. */
  readonly env?: Environment | undefined;
  /** Program and arguments of the agent; default: the one that set the seat up. */
  readonly program?: readonly string[] | undefined;
  /** At each change, and once at the beginning. */
  readonly onState?: (state: UpdateState) => void;
  /** A few times a second. */
  readonly onProgress?: (progress: UpdateProgress) => void;
}

/** Of `updates.begin`. */
export interface BeginUpdate {
  /** Default: the newest that the seat may take. */
  readonly version?: string | undefined;
  /** Why no backup is wanted, 1 to 500 characters; recorded. Default: backups are taken. */
  readonly skipBackup?: string | undefined;
}

/**
 * The updates of a single seat, or of a host of an installation (`state.follows`). Each call resolves when it waits again and rejects with a
 * CallError: `unavailable` when the signed files, the services or the agent cannot be reached, `failedPrecondition` when it is refused,
 * `permissionDenied` when this user may not ask the agent of this host.
 */
export interface Updates {
  /** As last heard; undefined before the first call. */
  readonly state: UpdateState | undefined;
  /** The state as it is now. */
  refresh(): Promise<UpdateState>;
  /** What is new, and its notes. */
  check(): Promise<SeatUpdateCheck>;
  /**
   * On a host of an installation: brings it to the installation's version, the application stopped and started on the way; resolves resting, and
   * `last` says how it ended. `pause` and `restart` are refused there.
   *
   * On a seat of its own: backs up and downloads. Goes on where an update of the same version stands. Resolves ready, paused, or resting: nothing was newer, or the backup failed (`last`).
   */
  begin(options?: BeginUpdate): Promise<UpdateState>;
  /** Breaks `begin` or `resume` off; both resolve then. */
  pause(): Promise<UpdateState>;
  /** Goes on with what stands still or was cut off. */
  resume(): Promise<UpdateState>;
  /**
   * Of what is ready. `now`: a fresh backup, then the application is stopped by the release's own command, replaced, started and checked; save
   * open work before. An application that is still there afterwards hears how it went.
   */
  restart(when: 'now' | 'next-start' | 'later'): Promise<UpdateState>;
  /**
   * First thing in an application's start, before any login: installs what was put off to it, and ends what was cut off; a host that has another
   * version than its installation is brought to that. `restarted`: this process is of the version before and has to end. Never rejects: an
   * application must start.
   */
  atStart(): Promise<'go-on' | 'restarted'>;
  /** Lets the agent program go: a download is broken off and kept, an install goes on to its end first. */
  close(): Promise<void>;
}
