import type { Collection, CollectionSpec, Store } from '@lastcall/store';
import type { GateState } from './domain/gate-state.js';
import type { InstallationFacts } from './domain/installation.js';

/*
 * What the session service keeps. A gate an installation; a document for each attachment of a session to a replica; a lease a
 * replica; and tallies, which are only ever added and tell how users took a notice.
 *
 * Who owns an attachment: the replica named in it, while its lease lasts. Nobody else removes it. That is what makes the proof of
 * zero exact: what is not in the store has no stream.
 */

export interface GateDocument {
  /** Absent until the catalog has told of the installation. */
  readonly facts?: InstallationFacts;
  /** Sequence at which the catalog said the version that the gate has heard last. */
  readonly versionSequence?: number;
  readonly gate: GateState;
  readonly changedAt: number;
  readonly dueAt?: number;
}

export interface SessionDocument {
  readonly installation: string;
  readonly session: string;
  /** Grows each time the client comes back. */
  readonly attachment: number;
  readonly user: string;
  readonly displayName: string;
  readonly host: string;
  readonly version: string;
  readonly clientKind: string;
  /** SHA-256 of the secret in the resume token. */
  readonly secretHash: string;
  readonly replica: string;
  /** Of the gate when the session was let in: a shutting ends those of lower epochs. */
  readonly epoch: number;
  readonly createdAt: number;
}

export interface TallyDocument {
  readonly installation: string;
  readonly epoch: number;
  /** Notice that the sessions acknowledged. */
  readonly notice: string;
  readonly acknowledged: readonly string[];
  /** Sessions that ended by themselves after the notice. */
  readonly left: number;
  /** Sessions that were ended at the deadline. */
  readonly ended: number;
  readonly createdAt: number;
}

export interface ReplicaDocument {
  readonly renewedAt: number;
  readonly leaseUntil: number;
}

export const DUE = 'due';
export const CHANGED = 'changed';
export const BY_INSTALLATION = 'by_installation';
export const BY_USER = 'by_user';
export const BY_HOST = 'by_host';
export const BY_SESSION = 'by_session';
export const BY_REPLICA = 'by_replica';
export const BY_EPOCH = 'by_epoch';
export const CREATED = 'created';
export const LEASE = 'lease';

const gates: CollectionSpec<GateDocument> = {
  name: 'gates',
  fields: ({ changedAt, dueAt }) => ({ changed_at: changedAt, due_at: dueAt }),
  indexes: [
    { name: CHANGED, fields: ['changed_at'] },
    { name: DUE, fields: ['due_at'] },
  ],
};

const sessions: CollectionSpec<SessionDocument> = {
  name: 'sessions',
  fields: ({ installation, session, attachment, user, host, replica, createdAt }) => ({
    installation,
    session,
    attachment,
    user,
    host,
    replica,
    created_at: createdAt,
  }),
  indexes: [
    { name: BY_INSTALLATION, fields: ['installation', 'created_at'] },
    { name: BY_USER, fields: ['installation', 'user', 'created_at'] },
    { name: BY_HOST, fields: ['installation', 'host', 'created_at'] },
    { name: BY_SESSION, fields: ['session', 'attachment'] },
    { name: BY_REPLICA, fields: ['replica', 'installation'] },
  ],
};

const tallies: CollectionSpec<TallyDocument> = {
  name: 'tallies',
  fields: ({ installation, epoch, createdAt }) => ({ installation, epoch, created_at: createdAt }),
  indexes: [
    { name: BY_EPOCH, fields: ['installation', 'epoch'] },
    { name: CREATED, fields: ['created_at'] },
  ],
};

const replicas: CollectionSpec<ReplicaDocument> = {
  name: 'replicas',
  fields: ({ leaseUntil }) => ({ lease_until: leaseUntil }),
  indexes: [{ name: LEASE, fields: ['lease_until'] }],
};

export interface Documents {
  readonly gates: Collection<GateDocument>;
  readonly sessions: Collection<SessionDocument>;
  readonly tallies: Collection<TallyDocument>;
  readonly replicas: Collection<ReplicaDocument>;
}

export async function openDocuments(store: Store): Promise<Documents> {
  return {
    gates: await store.collection(gates),
    sessions: await store.collection(sessions),
    tallies: await store.collection(tallies),
    replicas: await store.collection(replicas),
  };
}

/** Two attachments of one session never have the same number, whoever takes it. */
export function attachmentId(session: string, attachment: number): string {
  return `${session}.${attachment}`;
}
