import type { HostRole } from '@lastcall/kernel';

/*
 * What a release manifest says (design, section 10), as everybody behind the parser sees it.
 */

export type CommandName =
  'stop' | 'start' | 'health' | 'migrate' | 'firstStart' | 'backup' | 'restore' | 'verifyBackup';

/** Program and arguments, run in the folder of the version without a shell. */
export interface ManifestCommand {
  readonly run: readonly string[];
  readonly timeoutMs: number;
}

/** An address on this host that must answer 2xx. `${NAME}` stands for a variable of the host. */
export interface HttpHealthCheck {
  readonly http: string;
  readonly timeoutMs: number;
}

export interface RoleCommands {
  readonly stop?: ManifestCommand;
  readonly start?: ManifestCommand;
  readonly health?: ManifestCommand | HttpHealthCheck;
  readonly migrate?: ManifestCommand;
  readonly firstStart?: ManifestCommand;
  readonly backup?: ManifestCommand;
  readonly restore?: ManifestCommand;
  readonly verifyBackup?: ManifestCommand;
}

/** A question of the vendor to a host: exit code 0 passes. It changes nothing. */
export interface ManifestCheck extends ManifestCommand {
  /** Unique within the release. */
  readonly id: string;
  readonly role: HostRole;
  /** What is asked, for people. */
  readonly asks: string;
  /** What a person has to do when it does not pass. */
  readonly remedy: string;
}

/** What an operator can have done on hosts of its role. It may change the data; it is run once and never repeated by itself. */
export interface ManifestAction extends ManifestCommand {
  /** Unique within the release. */
  readonly id: string;
  /** What it does, for people. */
  readonly title: string;
  readonly role: HostRole;
}

export interface ManifestArtifact {
  readonly role: HostRole;
  /** `any`, `linux-x64`, … */
  readonly platform: string;
  /** Relative to the manifest, with `/`. */
  readonly directory: string;
}

export interface ReleaseManifest {
  readonly product: string;
  readonly version: string;
  readonly title: string;
  readonly notes: string;
  /** `oldest` is empty for any. */
  readonly updatesFrom: { readonly oldest: string; readonly required: readonly string[] };
  readonly artifacts: readonly ManifestArtifact[];
  /** 0 or empty: no demand. */
  readonly requires: {
    readonly os: readonly { readonly name: string; readonly version: string }[];
    readonly cpus: number;
    readonly memoryBytes: number;
    readonly stageFreeBytes: number;
    readonly backupFreeBytes: number;
    readonly ports: readonly number[];
    readonly agentVersion: string;
    readonly dataVersion: string;
  };
  readonly antivirus: {
    readonly folders: readonly string[];
    readonly files: readonly string[];
    readonly processes: readonly string[];
  };
  /** Absent for none. */
  readonly checks?: readonly ManifestCheck[];
  /** Absent for none. */
  readonly actions?: readonly ManifestAction[];
  readonly commands: Readonly<Partial<Record<HostRole, RoleCommands>>>;
}

/** One mistake. */
export interface ManifestProblem {
  /** From 1. */
  readonly line: number;
  /** `artifacts[0].role`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong and what is allowed. */
  readonly rule: string;
}

export type ParsedManifest =
  | { readonly ok: true; readonly manifest: ReleaseManifest }
  | { readonly ok: false; readonly problems: readonly ManifestProblem[] };
