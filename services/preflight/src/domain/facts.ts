import type { Failure, HostRole, RunHost } from '@lastcall/kernel';

/*
 * What hosts answered and what a release demands, as the checks need it. Undefined means that nobody could find out,
 * which is never the same as "no".
 */

export interface HostFacts {
  readonly os: string | undefined;
  readonly osVersion: string | undefined;
  readonly cpuCount: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly stageFreeBytes: number | undefined;
  readonly backupFreeBytes: number | undefined;
  /** What a backup needs while it is taken; undefined from agents that do not say it. */
  readonly backupNeededBytes?: number | undefined;
  readonly dataBytes: number | undefined;
  readonly agentVersion: string | undefined;
  /** Empty for none. */
  readonly installedVersion: string | undefined;
  /** The host's clock when it answered. */
  readonly clockAt: number | undefined;
  readonly antivirus: AntivirusFacts | undefined;
  readonly lastBackup: BackupFacts | undefined;
  readonly ports: readonly { readonly port: number; readonly usable: boolean }[] | undefined;
  readonly staged: boolean;
  readonly canBackUp: boolean | undefined;
  /** Ids of the volumes of the folders; undefined: an older agent does not say. */
  readonly volumes: Volumes | undefined;
  readonly dataFreeBytes: number | undefined;
  readonly vendorChecks: readonly VendorAnswer[] | undefined;
  /** None where the line to the services is plain text. */
  /** Undefined: an older agent does not say. */
  readonly addresses?: readonly string[] | undefined;
  readonly reached?: readonly ReachAnswer[];
  readonly certificates?: readonly {
    readonly whose: string;
    readonly expiresAt: number | undefined;
    readonly why: string;
  }[];
  /** Why a question could not be answered, by the field's name in the contract. */
  readonly unknown: Readonly<Record<string, string>>;
}

/** What shares an id shares its free bytes. */
export interface Volumes {
  readonly stage: string;
  readonly backup: string;
  readonly data: string;
}

/** What a check of the vendor came to; `unanswered`: it says nothing. */
export interface VendorAnswer {
  readonly id: string;
  readonly passed: boolean;
  readonly unanswered: boolean;
  readonly found: string;
}

/** Whether a port of another host was reached. */
export interface ReachAnswer {
  readonly host: string;
  readonly port: number;
  readonly reached: boolean;
  readonly found: string;
}

export interface AntivirusFacts {
  readonly product: string;
  readonly source: string;
  readonly exceptions: readonly { readonly kind: string; readonly value: string; readonly present: boolean }[];
}

export interface BackupFacts {
  readonly restorePoint: string;
  readonly takenAt: number;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly verified: boolean;
  readonly version: string;
  /** What it takes on the disk; absent from agents and documents that do not say it, as all that follows. */
  readonly storedBytes?: number;
  readonly keyId?: string;
  readonly verifiedAt?: number;
  readonly folder?: string;
}

/** What speaks for a backup that was made by somebody else. */
export interface BackupProof {
  readonly evidence:
    | { readonly kind: 'file'; readonly path: string; readonly sizeBytes: number; readonly sha256: string }
    | { readonly kind: 'sha256'; readonly sha256: string }
    | { readonly kind: 'command'; readonly command: string; readonly output: string };
  readonly reportedBy: string;
  readonly reportedAt: number;
}

/** 0 or empty: no demand. */
export interface Requirements {
  readonly version: string;
  readonly os: readonly { readonly os: string; readonly version: string }[];
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly stageFreeBytes: number;
  readonly backupFreeBytes: number;
  readonly ports: readonly number[];
  readonly agentVersion: string;
  readonly dataVersion: string;
  readonly antivirusFolders: readonly string[];
  readonly antivirusFiles: readonly string[];
  readonly antivirusProcesses: readonly string[];
  readonly treeBytes: number;
  readonly changesData: boolean;
  /** Absent for none. */
  readonly vendorChecks?: readonly VendorCheck[];
}

/** A question that the vendor wrote. */
export interface VendorCheck {
  readonly id: string;
  readonly role: HostRole;
  readonly asks: string;
  readonly remedy: string;
}

/** What came back from one host. */
export type HostAnswer =
  | { readonly kind: 'facts'; readonly facts: HostFacts; readonly at: number }
  | { readonly kind: 'failure'; readonly failure: Failure; readonly at: number };

/** What a report is about. */
export interface Occasion {
  readonly installation: string;
  readonly product: string;
  /** Empty when unknown. */
  readonly fromVersion: string;
  /** Undefined: no release is going to be installed; readiness for a backup, or for a command, is asked for. */
  readonly requirements: Requirements | undefined;
  readonly hosts: readonly RunHost[];
  readonly backupMode: 'take' | 'made-elsewhere';
  readonly backupMaxAgeMs: number;
  /** Newest proven backup that this service knows of. */
  readonly knownBackup: BackupFacts | undefined;
  /** Restore point that an older version's data is going to be brought back from; `backup` undefined: not known here. */
  readonly dataFrom?: { readonly restorePoint: string; readonly backup: BackupFacts | undefined };
  /** What the catalog says about the way to the release; absent where whoever opened the run has asked. */
  readonly way?: { readonly version: string; readonly isOpen: boolean; readonly reason: string };
  /** The server as others reach it, from what it said of itself before; absent: it has not yet. */
  readonly serverAddresses?: readonly string[];
  /** An action of the installed release is going to be run on these hosts: nothing is installed or backed up. */
  readonly isCommand?: boolean;
  /** Nobody is inside and every host has staged: what was put off until then is asked now. */
  readonly isLastLook?: boolean;
  /** Of the job that it is about; absent: none. */
  readonly overrides?: readonly Override[];
}

export type Verdict = 'passed' | 'failed' | 'unknown' | 'skipped';

/** A person's word that a check need not hold up the runs of a job, until a time. */
export interface Override {
  readonly override: string;
  readonly job: string;
  readonly check: string;
  /** Empty: any, and the installation as a whole. */
  readonly host: string;
  readonly reason: string;
  readonly expiresAt: number;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly revokedBy?: string;
  readonly revokedAt?: number;
}

/** One question with its evidence. */
export interface Check {
  readonly check: string;
  /** Empty for the installation as a whole. */
  readonly host: string;
  readonly verdict: Verdict;
  readonly asked: string;
  readonly found: string;
  /** Empty when nothing has to be done. */
  readonly remedy: string;
  readonly answeredAt: number;
  /** It does not block although it is not passed. */
  readonly override?: Override;
}

/** The host that has the data. */
export function serverOf(hosts: readonly RunHost[]): RunHost | undefined {
  return hosts.find((h) => h.role === 'server');
}

/** What the backup of a run starts from. */
export interface BackupBasis {
  /** There is nothing to back up. */
  readonly needless: boolean;
  /** Whether the update migrates data. */
  readonly changesData: boolean;
  /** The newest proven one, whether this service or the server knew of it. */
  readonly newest: BackupFacts | undefined;
}

export function newestBackup(backups: readonly (BackupFacts | undefined)[]): BackupFacts | undefined {
  return backups
    .filter((b) => b !== undefined)
    .filter((b) => b.verified && b.restorePoint !== '')
    .sort((a, b) => b.takenAt - a.takenAt)[0];
}
