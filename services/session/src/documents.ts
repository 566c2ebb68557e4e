import type { Collection, CollectionSpec, Store } from '@lastcall/store';
import type { Fact } from './domain/attendance.js';
import type { GateState } from './domain/gate-state.js';
import type { History } from './domain/history.js';
import type { InstallationFacts } from './domain/installation.js';

/*
 * What the session service keeps. A gate an installation; a document for each attachment of a session to a replica; a lease a
 * replica; sheets, which are only ever added and tell what became of the users of a logoff; and a history an installation, of numbers.
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
  /** Of the client, as its hello said it. Absent where an older replica wrote the document. */
  readonly attempt?: number;
  readonly user: string;
  readonly displayName: string;
  readonly host: string;
  readonly version: string;
  readonly clientKind: string;
  /** As the client said it; absent where an older replica wrote the document. */
  readonly language?: string;
  /** Of the credential: nobody else comes back as this session. Absent as above. */
  readonly subject?: string;
  /** One of those who may be inside while the gate is shut; decided when the session was let in. Absent: no. */
  readonly exempt?: boolean;
  /** SHA-256 of the secret in the resume token. */
  readonly secretHash: string;
  readonly replica: string;
  /** Of the gate when the session was let in: a shutting ends those of lower epochs. */
  readonly epoch: number;
  readonly createdAt: number;
  /** Of `LetIn`. */
  readonly messagesUpTo?: string;
}

/** Up to a thousand facts of one logoff, of one replica. */
export interface SheetDocument {
  readonly installation: string;
  readonly epoch: number;
  /** Empty: a person shut the gate. */
  readonly run: string;
  readonly facts: readonly Fact[];
  readonly createdAt: number;
  /** Then nobody asks any more. */
  readonly keepUntil: number;
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
export const EXEMPT = 'exempt';
export const BY_EPOCH = 'by_epoch';
export const BY_RUN = 'by_run';
export const KEPT = 'kept';
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
  fields: ({ installation, session, attachment, user, host, replica, exempt, createdAt }) => ({
    installation,
    session,
    attachment,
    user,
    host,
    replica,
    exempt: exempt || undefined,
    created_at: createdAt,
  }),
  indexes: [
    { name: BY_INSTALLATION, fields: ['installation', 'created_at'] },
    { name: BY_USER, fields: ['installation', 'user', 'created_at'] },
    { name: BY_HOST, fields: ['installation', 'host', 'created_at'] },
    { name: BY_SESSION, fields: ['installation', 'session', 'attachment'] },
    { name: BY_REPLICA, fields: ['replica', 'installation'] },
    { name: EXEMPT, fields: ['installation', 'exempt', 'session'] },
  ],
};

const sheets: CollectionSpec<SheetDocument> = {
  name: 'sheets',
  fields: ({ installation, epoch, run, createdAt, keepUntil }) => ({
    installation,
    epoch,
    run: run || undefined,
    created_at: createdAt,
    keep_until: keepUntil,
  }),
  indexes: [
    { name: BY_EPOCH, fields: ['installation', 'epoch', 'created_at'] },
    { name: BY_RUN, fields: ['installation', 'run'] },
    { name: KEPT, fields: ['keep_until'] },
  ],
};

const replicas: CollectionSpec<ReplicaDocument> = {
  name: 'replicas',
  fields: ({ leaseUntil }) => ({ lease_until: leaseUntil }),
  indexes: [{ name: LEASE, fields: ['lease_until'] }],
};

const histories: CollectionSpec<History> = {
  name: 'histories',
  fields: ({ dueAt }) => ({ due_at: dueAt }),
  indexes: [{ name: DUE, fields: ['due_at'] }],
};

export interface Documents {
  readonly gates: Collection<GateDocument>;
  readonly sessions: Collection<SessionDocument>;
  readonly sheets: Collection<SheetDocument>;
  readonly replicas: Collection<ReplicaDocument>;
  readonly histories: Collection<History>;
}

export async function openDocuments(store: Store): Promise<Documents> {
  return {
    gates: await store.collection(gates),
    sessions: await store.collection(sessions),
    sheets: await store.collection(sheets),
    replicas: await store.collection(replicas),
    histories: await store.collection(histories),
  };
}

/** Two attachments of one session never have the same number, whoever takes it. */
export function attachmentId(session: string, attachment: number): string {
  return `${session}.${attachment}`;
}
