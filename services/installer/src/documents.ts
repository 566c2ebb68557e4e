import type { Failure, HostRole } from '@lastcall/kernel';
import type { Collection, CollectionSpec, Store } from '@lastcall/store';
import type { CatchUpState } from './domain/catch-up.js';
import type { CommandRunState } from './domain/command-run.js';
import type { HostQueue } from './domain/host-queue.js';
import type { JoinToken } from './domain/join-token.js';
import type { PlanState } from './domain/plan-state.js';

/*
 * What the installer keeps. Hosts and queues are two documents a host, because the one is written with each sign of life
 * and the other with each order.
 */

/** Who a host is and whether it is connected. */
export interface HostDocument {
  readonly installation: string;
  readonly host: string;
  readonly role: HostRole;
  readonly platform: string;
  readonly agentVersion: string;
  /** Raw Ed25519 key, base64. */
  readonly publicKey: string;
  /** The key that follows: accepted too, and alone as soon as a stream was opened with it. Base64. */
  readonly nextPublicKey?: string;
  /** When the host said that key. */
  readonly rotatedAt?: number;
  /** None of the keys is accepted. */
  readonly cutOff?: boolean;
  /** Id of the join token that it came with. */
  readonly token: string;
  /** Whether HostJoined has named a version; the first one that the host has is told then, runs tell the later ones. */
  readonly versionTold: boolean;
  /** 0: never connected. */
  readonly lastSeenAt: number;
  /** The stream that counts; absent when none does. */
  readonly stream?: string;
  /** Until then the stream counts as connected although nobody renewed it. */
  readonly leaseUntilAt?: number;
}

export interface HostProgress {
  readonly order: string;
  readonly step: string;
  readonly done: number;
  readonly total: number;
  /** For people. */
  readonly note?: string;
}

/** The last update of a host's agent. */
export interface AgentUpdate {
  readonly order: string;
  readonly version: string;
  /** Absent while it is under way. */
  readonly endedAt?: number;
  /** Absent when it succeeded. */
  readonly failure?: Failure;
}

/** What a host has to do and which version it has. */
export interface QueueDocument {
  readonly installation: string;
  readonly host: string;
  readonly queue: HostQueue;
  readonly progress?: HostProgress;
  readonly agentUpdate?: AgentUpdate;
  readonly dueAt?: number;
}

/** What is done for one run. Its id is the run's. */
export interface PlanDocument {
  readonly installation: string;
  readonly createdAt: number;
  readonly state: PlanState;
  /** Hosts that follow later, once the installation is updated. */
  readonly catchUps?: Readonly<Record<string, CatchUpState>>;
  readonly dueAt?: number;
}

/** The command of one run. Its id is the run's. */
export interface CommandRunDocument {
  readonly installation: string;
  readonly createdAt: number;
  readonly state: CommandRunState;
  readonly dueAt?: number;
}

/** Index of what is due, the same in each collection. */
export const DUE = 'due';
export const BY_INSTALLATION = 'by_installation';
/** Of all installations, by age. */
export const CREATED = 'created';

const hosts: CollectionSpec<HostDocument> = {
  name: 'hosts',
  fields: (d) => ({ installation: d.installation, host: d.host }),
  indexes: [{ name: BY_INSTALLATION, fields: ['installation', 'host'] }],
};

const queues: CollectionSpec<QueueDocument> = {
  name: 'queues',
  fields: (d) => ({ due_at: d.dueAt }),
  indexes: [{ name: DUE, fields: ['due_at'] }],
};

const plans: CollectionSpec<PlanDocument> = {
  name: 'plans',
  fields: (d) => ({ installation: d.installation, created_at: d.createdAt, due_at: d.dueAt }),
  indexes: [
    { name: BY_INSTALLATION, fields: ['installation', 'created_at'] },
    { name: CREATED, fields: ['created_at'] },
    { name: DUE, fields: ['due_at'] },
  ],
};

const commandRuns: CollectionSpec<CommandRunDocument> = {
  name: 'command_runs',
  fields: (d) => ({ due_at: d.dueAt }),
  indexes: [{ name: DUE, fields: ['due_at'] }],
};

const tokens: CollectionSpec<JoinToken> = {
  name: 'join_tokens',
  fields: (d) => ({ due_at: d.expiresAt }),
  indexes: [{ name: DUE, fields: ['due_at'] }],
};

export interface Documents {
  readonly hosts: Collection<HostDocument>;
  readonly queues: Collection<QueueDocument>;
  readonly plans: Collection<PlanDocument>;
  readonly commandRuns: Collection<CommandRunDocument>;
  readonly tokens: Collection<JoinToken>;
}

export async function openDocuments(store: Store): Promise<Documents> {
  return {
    hosts: await store.collection(hosts),
    queues: await store.collection(queues),
    plans: await store.collection(plans),
    commandRuns: await store.collection(commandRuns),
    tokens: await store.collection(tokens),
  };
}

/** Id of a host's documents; ids have no dots, and a slash would add a level to the source of its events. */
export function hostIdOf(installation: string, host: string): string {
  return `${installation}.${host}`;
}

export function isConnected({ stream, leaseUntilAt }: HostDocument, now: number): boolean {
  return stream !== undefined && (leaseUntilAt ?? 0) > now;
}

/** Base64. */
export function acceptedKeys({ publicKey, nextPublicKey, cutOff }: HostDocument): readonly string[] {
  if (cutOff) return [];
  return nextPublicKey === undefined ? [publicKey] : [publicKey, nextPublicKey];
}
