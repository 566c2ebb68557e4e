import type { Failure } from '@lastcall/kernel';

/*
 * Orders and their answers as plain values. They survive JSON, so the journal holds them as they are.
 */

export type OrderAction =
  | {
      readonly kind: 'collect-facts';
      readonly product: string;
      readonly version: string;
      readonly reach?: ReachTarget | undefined;
    }
  | { readonly kind: 'stage-release'; readonly product: string; readonly version: string }
  | { readonly kind: 'take-backup'; readonly product: string; readonly restorePoint: string }
  | { readonly kind: 'install-release'; readonly product: string; readonly version: string }
  /** To an older version. `restorePoint` is empty when the data stays as it is; the same below. */
  | {
      readonly kind: 'downgrade-release';
      readonly product: string;
      readonly version: string;
      readonly restorePoint: string;
    }
  | {
      readonly kind: 'roll-back-release';
      readonly product: string;
      readonly version: string;
      readonly restorePoint: string;
      /** Only stop and swap; absent in journals of older agents. */
      readonly keepStopped?: boolean;
    }
  | { readonly kind: 'watch-health'; readonly product: string; readonly version: string; readonly durationMs: number }
  | { readonly kind: 'start-client-once'; readonly product: string; readonly version: string; readonly code: string }
  | { readonly kind: 'restore-backup'; readonly product: string; readonly restorePoint: string }
  | { readonly kind: 'verify-backup'; readonly product: string; readonly restorePoint: string }
  | { readonly kind: 'delete-backups'; readonly product: string; readonly restorePoints: readonly string[] }
  /** Of the installed release, which has to be this one. */
  | { readonly kind: 'run-command'; readonly product: string; readonly version: string; readonly command: string }
  /** The agent's own program. */
  | { readonly kind: 'update-agent'; readonly version: string }
  /** An order that this agent cannot read: of a newer edge, or with a wrong field. It is answered, never begun. */
  | { readonly kind: 'unusable'; readonly reason: string; readonly message: string };

export type ActionKind = OrderAction['kind'];

/** Product of the agent's own releases. */
export const AGENT_PRODUCT = 'lastcall-agent';

export interface Order {
  readonly order: string;
  readonly installation: string;
  readonly host: string;
  readonly run: string;
  /** W3C trace context of its run; absent: it has none. */
  readonly traceparent?: string;
  /** 0: it changes nothing, or was given on the host itself; no fence applies. */
  readonly fence: number;
  /** Milliseconds since the epoch; 0: none. */
  readonly deadlineAt: number;
  readonly action: OrderAction;
}

const LOCAL = 'local-';

/** Id of an order that was given on the host itself; the services have never heard of it. */
export function localOrderId(unique: string): string {
  return `${LOCAL}${unique}`;
}

export function isLocal(order: string): boolean {
  return order.startsWith(LOCAL);
}

export interface OrderResult {
  readonly failure?: Failure;
  /** Empty for none. */
  readonly installedVersion: string;
  readonly finishedAt: number;
  readonly evidence?: Evidence;
}

export interface StepEvidence {
  readonly step: Step;
  readonly durationMs: number;
}

export type Evidence =
  | { readonly kind: 'facts'; readonly facts: HostFacts }
  | { readonly kind: 'backup'; readonly backup: BackupEvidence }
  | {
      readonly kind: 'stage';
      readonly downloadedBytes: number;
      readonly reusedBytes: number;
      readonly fileCount: number;
    }
  | {
      readonly kind: 'install';
      readonly steps: readonly StepEvidence[];
      readonly dataChanged: boolean;
      readonly leftOvers?: readonly LeftOver[];
    }
  | { readonly kind: 'command'; readonly output: string; readonly durationMs: number };

/** A process of the version before that its stop command had left running. */
export interface LeftOver {
  readonly pid: number;
  readonly command: string;
  readonly foundBy: string;
  readonly ended: 'asked' | 'killed';
}

export interface BackupEvidence {
  readonly restorePoint: string;
  readonly takenAt: number;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly verified: boolean;
  readonly version: string;
  /** What it takes on the disk; absent in what older agents have recorded, as all that follows. */
  readonly storedBytes?: number;
  /** Of the key that it is encrypted with. */
  readonly keyId?: string;
  readonly verifiedAt?: number;
  readonly folder?: string;
}

export interface AntivirusException {
  readonly kind: 'folder' | 'file' | 'process';
  readonly value: string;
  readonly present: boolean;
}

export interface AntivirusFacts {
  readonly product: string;
  readonly exceptions: readonly AntivirusException[];
  readonly source: string;
}

/** A host whose ports are to be reached from this one, under one of its addresses. */
export interface ReachTarget {
  readonly host: string;
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
}

export interface ReachFact {
  readonly host: string;
  readonly port: number;
  readonly reached: boolean;
  readonly found: string;
}

/** What a check of the vendor came to. `unanswered`: it could not be run, or did not end in time. */
export interface VendorCheckFact {
  readonly id: string;
  readonly passed: boolean;
  readonly unanswered: boolean;
  readonly found: string;
}

/** Until when a certificate is valid, or why nobody could find out. */
export interface CertificateFact {
  readonly whose: string;
  readonly expiresAt?: number;
  readonly why: string;
}

/** What could not be found out is absent here and named in `unknown`, by its name in the contract. */
export interface HostFacts {
  readonly os: string;
  readonly osVersion: string;
  readonly architecture: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly stageFreeBytes?: number;
  readonly backupFreeBytes?: number;
  readonly backupNeededBytes?: number;
  readonly dataBytes?: number;
  readonly agentVersion: string;
  readonly installedVersion: string;
  readonly clockAt: number;
  readonly antivirus?: AntivirusFacts;
  readonly lastBackup?: BackupEvidence;
  readonly ports: readonly { readonly port: number; readonly usable: boolean }[];
  readonly unknown: Readonly<Record<string, string>>;
  readonly staged: boolean;
  readonly canBackUp: boolean;
  /** Ids of the volumes of the folders, by `stage`, `backup` and `data`. */
  readonly volumes?: Readonly<Record<string, string>>;
  readonly dataFreeBytes?: number;
  readonly vendorChecks?: readonly VendorCheckFact[];
  readonly certificates?: readonly CertificateFact[];
  readonly addresses?: readonly string[];
  readonly reached?: readonly ReachFact[];
}

export type Step =
  | 'facts'
  | 'metadata'
  | 'download'
  | 'build'
  | 'backup'
  | 'prove'
  | 'seal'
  | 'read-back'
  | 'remove'
  | 'verify'
  | 'stop'
  | 'clear'
  | 'swap'
  | 'migrate'
  | 'restore'
  | 'start'
  | 'health'
  | 'settle'
  | 'first-start'
  | 'command'
  | 'try-out'
  | 'take-over';

/** `total` is 0 where nothing is counted. */
export type OnLocalStep = (step: Step, done: number, total: number) => void;

/** What a step does twice may be wrong: when it was broken off, its order fails. */
export function mayRepeat(step: Step): boolean {
  return step !== 'command';
}

/** The steps of an action, in order. Each that may be repeated is: that is how a crash is survived. */
export function planOf(action: OrderAction): readonly Step[] {
  switch (action.kind) {
    case 'collect-facts':
      return ['facts'];
    case 'stage-release':
      return ['metadata', 'download', 'build'];
    case 'take-backup':
      return ['backup', 'prove', 'seal'];
    case 'install-release':
      return ['verify', 'stop', 'clear', 'swap', 'migrate', 'start', 'health'];
    case 'downgrade-release':
      return action.restorePoint === ''
        ? ['verify', 'stop', 'clear', 'swap', 'start', 'health']
        : ['verify', 'stop', 'clear', 'swap', 'restore', 'migrate', 'start', 'health'];
    case 'roll-back-release':
      if (action.keepStopped) return ['stop', 'clear', 'swap'];
      return action.restorePoint === ''
        ? ['stop', 'clear', 'swap', 'start', 'health']
        : ['stop', 'clear', 'swap', 'restore', 'start', 'health'];
    case 'watch-health':
      return ['settle'];
    case 'start-client-once':
      return ['first-start'];
    case 'restore-backup':
      return ['stop', 'clear', 'restore', 'migrate', 'start', 'health'];
    case 'verify-backup':
      return ['read-back'];
    case 'delete-backups':
      return ['remove'];
    case 'run-command':
      return ['command'];
    case 'update-agent':
      return ['metadata', 'download', 'build', 'try-out', 'take-over'];
    case 'unusable':
      return [];
  }
}
