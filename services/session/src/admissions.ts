import { Fault, randomId, randomSecret, sha256Hex } from '@lastcall/kernel';
import { attachmentId, BY_INSTALLATION, BY_SESSION, type Documents, type SessionDocument } from './documents.js';
import { mayResume, refusalFor, type Refusal } from './domain/admission.js';
import { standingNotice, type GateState, type Notice } from './domain/gate-state.js';
import { unknownInstallation } from './domain/installation.js';
import type { GateRecord, Gates } from './gates.js';
import type { Ledger } from './ledger.js';
import { resumeToken, type Hello } from './parse-hello.js';
import type { Presence } from './presence.js';
import type { Replacements } from './replacements.js';
import type { AttachStream, LocalSession, Roster } from './roster.js';
import type { SessionSettings } from './settings.js';
import type { Watch } from './watch.js';
import { say, welcomeMessage } from './wire.js';

/*
 * Letting clients in, in batches: read the gate, put the documents into the store, read the gate again, and take back what it does
 * not let in any more. A shutting writes the gate first and counts documents afterwards, so whoever was let in is counted, and
 * whoever is not counted is not let in; on any number of replicas.
 */

export interface Applicant {
  readonly hello: Hello;
  /** Id of the credential. */
  readonly token: string;
  readonly stream: AttachStream;
  /** Ends the handler of the stream. */
  finish(): void;
}

export type Admitted = { readonly session: LocalSession } | { readonly refusal: Refusal };

export interface Admissions {
  /** The session is welcomed and in the roster when this resolves. Throws a Fault when nobody can tell. */
  admit(applicant: Applicant): Promise<Admitted>;
  /** Whether a document is just being put into the store. */
  isUnderway(id: string): boolean;
}

export interface AdmissionsOptions {
  readonly documents: Documents;
  readonly gates: Gates;
  readonly watch: Watch;
  readonly roster: Roster;
  readonly ledger: Ledger;
  readonly presence: Presence;
  readonly settings: SessionSettings;
  readonly replacements: Replacements;
}

interface Entry {
  readonly applicant: Applicant;
  resolve(admitted: Admitted): void;
  reject(error: unknown): void;
}

interface Candidate extends Entry {
  readonly id: string;
  readonly data: SessionDocument;
  readonly secret: string;
  readonly before: { readonly id: string; readonly data: SessionDocument } | undefined;
}

const BATCH = 500;
/** A message is shown to who was away, not to who comes back the next day. */
const MESSAGE_STANDS_MS = 3_600_000;

export function createAdmissions(options: AdmissionsOptions): Admissions {
  const queues = new Map<string, Entry[]>();
  const underway = new Set<string>();

  async function work(installation: string, queue: Entry[]): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.splice(0, BATCH);
      try {
        await serve(options, underway, installation, batch);
      } catch (error) {
        for (const entry of batch) entry.reject(error);
      }
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
  };
}

async function serve(
  options: AdmissionsOptions,
  underway: Set<string>,
  installation: string,
  batch: readonly Entry[],
): Promise<void> {
  const { presence, documents } = options;
  await presence.hold();
  const { replica } = presence;
  const record = await options.gates.get(installation);
  const unknown = unknownInstallation(record?.data.facts, installation);
  if (!record || unknown !== undefined) {
    return refuseAll(batch, { reason: 'not-permitted', text: unknown ?? '', requiredVersion: '' });
  }
  options.watch.see(record);
  const candidates = await choose(options, record, replica, batch);
  if (candidates.length === 0) return;
  for (const { id } of candidates) underway.add(id);
  try {
    const existing = new Set(await documents.sessions.insertMany(candidates.map(({ id, data }) => ({ id, data }))));
    const inserted = candidates.filter(({ id }) => !existing.has(id));
    // Somebody else came back with the same token at the same moment; one of them wins, this one tries again.
    refuseAll(
      candidates.filter(({ id }) => existing.has(id)),
      tooMany('The session is just coming back elsewhere.'),
    );
    await letIn(options, installation, replica, inserted);
  } finally {
    for (const { id } of candidates) underway.delete(id);
  }
}

/** Refuses whom the gate does not let in now; answers the documents of the others. */
async function choose(
  { documents, settings, presence }: AdmissionsOptions,
  record: GateRecord,
  replica: string,
  batch: readonly Entry[],
): Promise<Candidate[]> {
  const { gate, facts } = record.data;
  const zone = facts?.timeZone ?? '';
  const where = { installation: record.id };
  let room = settings.maxSessionsPerInstallation;
  if (batch.some(({ applicant }) => !applicant.hello.resume)) {
    room -= await documents.sessions.count({ index: BY_INSTALLATION, where });
  }
  const now = presence.now();
  const chosen = await Promise.all(
    batch.map(async (entry): Promise<Candidate | undefined> => {
      const { hello } = entry.applicant;
      const before = await findBefore(documents, hello);
      if (before && mayResume(gate, hello, zone)) return comingBack(entry, before, replica, gate);
      const refusal = refusalFor(gate, hello, zone);
      if (refusal) entry.resolve({ refusal });
      return refusal ? undefined : comingNew(entry, replica, gate, now);
    }),
  );
  const candidates = chosen.filter((candidate) => candidate !== undefined);
  const excess = candidates.filter(({ before }) => !before).slice(Math.max(0, room));
  refuseAll(excess, tooMany(`${settings.maxSessionsPerInstallation} users are logged in, which is the limit here.`));
  return candidates.filter((candidate) => !excess.includes(candidate));
}

async function findBefore({ sessions }: Documents, { resume, installation, user }: Hello) {
  if (!resume) return undefined;
  const { items } = await sessions.query({
    index: BY_SESSION,
    where: { session: resume.session },
    order: 'descending',
    limit: 1,
  });
  const [found] = items;
  if (!found || found.data.installation !== installation || found.data.user !== user) return undefined;
  return found.data.secretHash === sha256Hex(resume.secret) ? { ...found, secret: resume.secret } : undefined;
}

type Before = NonNullable<Awaited<ReturnType<typeof findBefore>>>;

function comingBack(entry: Entry, { id, data: old, secret }: Before, replica: string, gate: GateState): Candidate {
  const { hello } = entry.applicant;
  const { displayName, host, version, clientKind } = hello;
  const attachment = old.attachment + 1;
  // Who was inside when the gate was shut stays one of those who are logged off.
  const epoch = gate.phase === 'shutting' || gate.phase === 'closing' ? old.epoch : gate.epoch;
  const data = { ...old, displayName, host, version, clientKind, attachment, replica, epoch };
  return { ...entry, id: attachmentId(old.session, attachment), data, secret, before: { id, data: old } };
}

function comingNew(entry: Entry, replica: string, { epoch }: GateState, createdAt: number): Candidate {
  const { installation, user, displayName, host, version, clientKind } = entry.applicant.hello;
  const session = randomId('s');
  const secret = randomSecret();
  const who = { installation, session, user, displayName, host, version, clientKind };
  const data = { ...who, attachment: 1, secretHash: sha256Hex(secret), replica, epoch, createdAt };
  return { ...entry, id: attachmentId(session, 1), data, secret, before: undefined };
}

/** The second look at the gate. From it to the welcome nothing waits. */
async function letIn(
  options: AdmissionsOptions,
  installation: string,
  replica: string,
  candidates: readonly Candidate[],
): Promise<void> {
  const { gates, watch, presence } = options;
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
  const zone = record.data.facts?.timeZone ?? '';
  for (const candidate of candidates) {
    const { hello } = candidate.applicant;
    const { gate } = record.data;
    const refusal = candidate.before && mayResume(gate, hello, zone) ? undefined : refusalFor(gate, hello, zone);
    if (refusal) {
      takeBack(options, candidate);
      candidate.resolve({ refusal });
    } else welcome(options, candidate, gate);
  }
  const newest = watch.known(installation);
  // It may have changed between the reading and here; then they were told nothing yet.
  if (newest && newest.version > record.version) options.roster.follow(newest);
}

function takeBack({ ledger }: AdmissionsOptions, { id, data }: Candidate): void {
  ledger.remove({ installation: data.installation, epoch: data.epoch, id });
}

function welcome(options: AdmissionsOptions, candidate: Candidate, gate: GateState): void {
  const { roster, presence, settings } = options;
  const { applicant, id, data, secret, before } = candidate;
  const now = presence.now();
  const standing = standingNotice(gate);
  const notice = standing ?? (before && missedMessage(gate, data.createdAt, now));
  const session: LocalSession = {
    id,
    session: data.session,
    installation: data.installation,
    user: data.user,
    epoch: before ? data.epoch : gate.epoch,
    token: applicant.token,
    createdAt: data.createdAt,
    stream: applicant.stream,
    lastHeardAt: now,
    lostAt: 0,
    told: standing?.id ?? '',
    acknowledged: '',
    message: before && standing ? '' : (gate.message?.id ?? ''),
    heard: 0,
    finish: () => applicant.finish(),
  };
  const token = resumeToken(data.session, secret);
  const { heartbeatIntervalMs } = settings;
  const message = welcomeMessage({ session: data.session, resumeToken: token, gate, notice, heartbeatIntervalMs });
  applicant.stream.write(say(message, now));
  roster.add(session);
  if (before) options.replacements.replaced(before.data.replica, data.installation, before.id);
  candidate.resolve({ session });
}

function missedMessage({ message }: GateState, createdAt: number, now: number): Notice | undefined {
  return message && message.sentAt >= createdAt && message.sentAt > now - MESSAGE_STANDS_MS ? message : undefined;
}

function tooMany(text: string): Refusal {
  return { reason: 'too-many', text: `${text} Try again in a moment.`, requiredVersion: '' };
}

function refuseAll(entries: readonly Entry[], refusal: Refusal): void {
  for (const entry of entries) entry.resolve({ refusal });
}
