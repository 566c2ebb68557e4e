import { HOUR_MS } from '@lastcall/kernel';
import type { BackupFacts, Check, HostAnswer, HostFacts, Occasion, Requirements } from '../domain/facts.js';
import { evaluate } from '../domain/evaluate.js';

/* An installation that is ready for an update, and what a test changes about it. */

export const AT = Date.UTC(2026, 10, 28, 22);

export const FACTS: HostFacts = {
  os: 'linux',
  osVersion: '6.1.0-18-amd64',
  cpuCount: 4,
  memoryBytes: 8 * 2 ** 30,
  stageFreeBytes: 10 * 2 ** 30,
  backupFreeBytes: 10 * 2 ** 30,
  dataBytes: 2 ** 20,
  agentVersion: '0.1.0',
  installedVersion: '11.0.0',
  clockAt: AT,
  antivirus: { product: 'none', source: '', exceptions: [] },
  lastBackup: undefined,
  ports: [{ port: 8080, usable: true }],
  staged: false,
  canBackUp: true,
  dataFreeBytes: 10 * 2 ** 30,
  volumes: { stage: '1', backup: '2', data: '3' },
  vendorChecks: [],
  addresses: ['10.0.0.5'],
  reached: [],
  certificates: [],
  unknown: {},
};

/** A host that could find nothing out. */
export const NOTHING_KNOWN: HostFacts = {
  os: undefined,
  osVersion: undefined,
  cpuCount: undefined,
  memoryBytes: undefined,
  stageFreeBytes: undefined,
  backupFreeBytes: undefined,
  dataBytes: undefined,
  agentVersion: undefined,
  installedVersion: undefined,
  clockAt: undefined,
  antivirus: undefined,
  lastBackup: undefined,
  ports: undefined,
  staged: false,
  canBackUp: undefined,
  dataFreeBytes: undefined,
  addresses: ['10.0.0.6'],
  volumes: undefined,
  vendorChecks: undefined,
  certificates: [{ whose: 'services', expiresAt: undefined, why: 'no answer' }],
  unknown: {},
};

export const DEMANDS: Requirements = {
  version: '11.1.0',
  os: [{ os: 'linux', version: '4.19' }],
  cpuCount: 2,
  memoryBytes: 2 ** 30,
  stageFreeBytes: 0,
  backupFreeBytes: 0,
  ports: [8080],
  agentVersion: '0.1.0',
  dataVersion: '11.0.0',
  antivirusFolders: [],
  antivirusFiles: [],
  antivirusProcesses: [],
  treeBytes: 2 ** 20,
  changesData: true,
};

export const OCCASION: Occasion = {
  installation: 'berlin',
  product: 'encore',
  fromVersion: '11.0.0',
  requirements: DEMANDS,
  hosts: [
    { host: 'server', role: 'server', mayFollowLater: false },
    { host: 'desk', role: 'workstation', mayFollowLater: true },
  ],
  backupMode: 'take',
  backupMaxAgeMs: 48 * HOUR_MS,
  knownBackup: undefined,
};

export function answerWith(facts: Partial<HostFacts> = {}): HostAnswer {
  return { kind: 'facts', facts: { ...FACTS, ...facts }, at: AT };
}

export function backupOf(hours: number, more: Partial<BackupFacts> = {}): BackupFacts {
  const takenAt = AT - hours * HOUR_MS;
  return { restorePoint: 'x', takenAt, sizeBytes: 1, sha256: '', verified: true, version: '11.0.0', ...more };
}

/** What is another way than in a ready installation. */
export interface Situation {
  readonly occasion?: Partial<Occasion>;
  /** `none`: no release is going to be installed. */
  readonly demands?: Partial<Requirements> | 'none';
  /** Of the server. */
  readonly facts?: Partial<HostFacts>;
  /** Of the workstation. */
  readonly desk?: Partial<HostFacts>;
}

export function reportOf({ occasion, demands, facts, desk }: Situation): readonly Check[] {
  const requirements = demands === 'none' ? undefined : { ...DEMANDS, ...demands };
  const whole = { ...OCCASION, requirements, ...occasion };
  return evaluate(whole, { server: answerWith(facts), desk: answerWith(desk) }, { askedAt: AT, at: AT }).checks;
}
