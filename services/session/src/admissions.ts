import { Fault } from '@lastcall/kernel';
import {
  chooseCandidates,
  comingElsewhere,
  refuseAll,
  type Admitted,
  type Applicant,
  type Candidate,
  type Entry,
} from './candidates.js';
import { Capacity } from './capacity.js';
import type { Documents } from './documents.js';
import { mayResume, refusalFor } from './domain/admission.js';
import { unknownInstallation } from './domain/installation.js';
import type { GateRecord, Gates } from './gates.js';
import type { Ledger } from './ledger.js';
import type { Presence } from './presence.js';
import type { SessionSettings } from './settings.js';
import type { Watch } from './watch.js';
import type { Welcomes } from './welcomes.js';

/*
 * Letting clients in, in batches: read the gate, put the documents into the store, read the gate again, and take back what it does
 * not let in any more. A shutting writes the gate first and counts documents afterwards, so whoever was let in is counted, and
 * whoever is not counted is not let in; on any number of replicas.
 */

export interface Admissions {
  /** The session is welcomed and in the roster when this resolves. Throws a Fault when nobody can tell. */
  admit(applicant: Applicant): Promise<Admitted>;
  /** Whether a document is just being put into the store. */
  isUnderway(id: string): boolean;
  /** Nobody is let in any more: this replica goes down, and others are there. */
  close(): void;
}

export interface AdmissionsOptions {
  readonly documents: Documents;
  readonly gates: Gates;
  readonly watch: Watch;
  readonly ledger: Ledger;
  readonly presence: Presence;
  readonly settings: SessionSettings;
  readonly welcomes: Welcomes;
}

const BATCH = 500;
/** When many come, a moment's wait makes one write of many: the disk is asked so often and no more. */
const GATHER_MS = 25;
const MANY = 4;

export function createAdmissions(options: AdmissionsOptions): Admissions {
  const queues = new Map<string, Entry[]>();
  const underway = new Set<string>();
  const { documents, presence, settings } = options;
  const capacity = new Capacity(documents, settings.maxSessionsPerInstallation, () => presence.now());
  let isClosed = false;

  async function work(installation: string, queue: Entry[]): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.splice(0, BATCH);
      try {
        if (isClosed) throw new Fault('this replica is going down');
        await serve(options, capacity, underway, installation, batch);
      } catch (error) {
        for (const entry of batch) entry.reject(error);
      }
      if (batch.length >= MANY && queue.length < BATCH) await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    }
    queues.delete(installation);
  }

  return {
    admit: (applicant) =>
      new Promise((resolve, reject) => {
        const entry = { applicant, resolve, reject };
        const { installation } = applicant.hello;
        const queue = queues.get(installation);
        if (queue) {
          queue.push(entry);
          return;
        }
        const created = [entry];
        queues.set(installation, created);
        void work(installation, created);
      }),
    isUnderway: (id) => underway.has(id),
    close: () => {
      isClosed = true;
    },
  };
}

async function serve(
  options: AdmissionsOptions,
  capacity: Capacity,
  underway: Set<string>,
  installation: string,
  batch: readonly Entry[],
): Promise<void> {
  const { presence } = options;
  await presence.hold();
  const { replica } = presence;
  const record = await options.gates.get(installation);
  const unknown = unknownInstallation(record?.data.facts, installation);
  if (!record || unknown !== undefined) {
    return refuseAll(batch, { reason: 'not-permitted', words: unknown ?? '', requiredVersion: '' });
  }
  options.watch.see(record);
  const candidates = await chooseCandidates(options, capacity, record, replica, batch);
  if (candidates.length === 0) return;
  for (const { id } of candidates) underway.add(id);
  try {
    const existing = new Set(await insert(options, candidates));
    // Somebody else came back with the same token at the same moment; one of them wins, this one tries again.
    refuseAll(
      candidates.filter(({ id }) => existing.has(id)),
      comingElsewhere,
    );
    await letIn(
      options,
      installation,
      replica,
      candidates.filter(({ id }) => !existing.has(id)),
    );
  } finally {
    for (const { id } of candidates) underway.delete(id);
  }
}

async function insert(options: AdmissionsOptions, candidates: readonly Candidate[]): Promise<readonly string[]> {
  try {
    return await options.documents.sessions.insertMany(candidates.map(({ id, data }) => ({ id, data })));
  } catch (error) {
    // Some may be there all the same. One that came back may be somebody else's; a new one is nobody's.
    for (const candidate of candidates) if (!candidate.before) takeBack(options, candidate);
    throw error;
  }
}

/** The second look at the gate. From it to the welcome nothing waits. */
async function letIn(
  options: AdmissionsOptions,
  installation: string,
  replica: string,
  candidates: readonly Candidate[],
): Promise<void> {
  const { gates, watch, presence, welcomes } = options;
  let record: GateRecord | undefined;
  try {
    record = await gates.get(installation);
    if (!record) throw new Fault(`the gate of ${installation} is gone`);
    if (!presence.isValid() || presence.replica !== replica) throw new Fault('this replica has lost its lease');
  } catch (error) {
    for (const candidate of candidates) takeBack(options, candidate);
    throw error;
  }
  watch.see(record);
  const { gate } = record.data;
  for (const candidate of candidates) {
    const who = { ...candidate.data, exempt: candidate.data.exempt ?? false };
    const stays = candidate.before && mayResume(gate, who, presence.now());
    const refusal = stays ? undefined : refusalFor(gate, who, presence.now());
    if (refusal) {
      takeBack(options, candidate);
      candidate.resolve({ refusal });
    } else candidate.resolve({ session: welcomes.welcome(candidate, record) });
  }
  // It may have changed between the reading and here; then they were told nothing yet.
  welcomes.caughtUp(record);
}

function takeBack({ ledger }: AdmissionsOptions, { id, data }: Candidate): void {
  ledger.remove({ installation: data.installation, id });
}
