import { randomSecret, sha256Hex } from '@lastcall/kernel';
import type { Capacity } from './capacity.js';
import { newestAttachment } from './counting.js';
import { attachmentId, type Documents, type SessionDocument } from './documents.js';
import { isExempt, mayResume, refusalFor, type Applicant as Candidacy, type Refusal } from './domain/admission.js';
import type { GateState } from './domain/gate-state.js';
import { policyOf } from './domain/installation.js';
import type { Phrase } from './domain/phrases.js';
import type { GateRecord } from './gates.js';
import type { Ledger } from './ledger.js';
import type { AttachStream, LocalSession } from './local-session.js';
import type { Hello } from './parse-hello.js';
import type { Presence } from './presence.js';
import { lookUp } from './lookups.js';
import { sessionId } from './session-id.js';
import type { SessionSettings } from './settings.js';

/*
 * Who of those at the door may come in as the gate stands, and the documents that stand for them: a new session, or the one that came
 * before with the same token.
 */

export interface Applicant {
  readonly hello: Hello;
  /** Id of the credential, and to whom it was given. */
  readonly token: string;
  readonly subject: string;
  readonly stream: AttachStream;
  readonly connection: LocalSession['connection'];
}

export type Admitted = { readonly session: LocalSession } | { readonly refusal: Refusal };

/** Somebody who waits at the door. */
export interface Entry {
  readonly applicant: Applicant;
  resolve(admitted: Admitted): void;
  reject(error: unknown): void;
}

export interface Candidate extends Entry {
  readonly id: string;
  readonly data: SessionDocument;
  readonly secret: string;
  readonly before: { readonly id: string; readonly data: SessionDocument } | undefined;
}

export interface CandidatesOptions {
  readonly documents: Documents;
  readonly ledger: Ledger;
  readonly presence: Presence;
  readonly settings: Pick<SessionSettings, 'maxSessionsPerInstallation'>;
}

/** Refuses whom the gate does not let in now; answers the documents of the others. */
export async function chooseCandidates(
  options: CandidatesOptions,
  capacity: Capacity,
  record: GateRecord,
  replica: string,
  batch: readonly Entry[],
): Promise<Candidate[]> {
  const { settings, presence } = options;
  const { gate } = record.data;
  const now = presence.now();
  const back: Candidate[] = [];
  const fresh: Candidate[] = [];
  const judge = async (entry: Entry): Promise<void> => {
    const who = candidacyOf(entry.applicant.hello, record);
    const before = await findBefore(options, entry.applicant);
    if (before && isOvertaken(entry.applicant.hello, before.data)) {
      entry.resolve({ refusal: comingElsewhere });
      return;
    }
    if (before && mayResume(gate, who, now)) {
      back.push(comingBack(entry, before, who, replica, gate));
      return;
    }
    const refusal = refusalFor(gate, who, now);
    if (refusal) entry.resolve({ refusal });
    else fresh.push(comingNew(entry, who, replica, gate, now));
  };
  await lookUp(batch, judge);
  const room = fresh.length === 0 ? 0 : await capacity.roomFor(record.id, fresh.length);
  refuseAll(fresh.slice(room), tooMany({ phrase: 'full', max: settings.maxSessionsPerInstallation }));
  return [...onlyOne(back), ...fresh.slice(0, room)];
}

/** A client that has no answer gives its stream up and opens another one: whichever arrives first, the newer one is where it listens. */
function isOvertaken({ attempt }: Hello, { attempt: newest = 0 }: SessionDocument): boolean {
  return attempt !== 0 && attempt < newest;
}

/** Of those who come back as the same session at the same moment, the newest. */
function onlyOne(back: readonly Candidate[]): Candidate[] {
  const byAttempt = back.toSorted((a, b) => (a.data.attempt ?? 0) - (b.data.attempt ?? 0));
  const last = new Map(byAttempt.map((candidate) => [candidate.id, candidate]));
  refuseAll(
    back.filter((candidate) => last.get(candidate.id) !== candidate),
    comingElsewhere,
  );
  return [...last.values()];
}

type Who = Candidacy & { readonly exempt: boolean };

function candidacyOf({ host, version, user }: Hello, { data: { facts } }: GateRecord): Who {
  return { host, version, exempt: isExempt(user, policyOf(facts)) };
}

/** Only the same user of the same installation, with a credential of the same owner, and while the session is not over. */
async function findBefore({ documents, ledger }: CandidatesOptions, { hello, subject }: Applicant) {
  const { resume, installation, user } = hello;
  if (!resume) return undefined;
  let found = await newestAttachment(documents, installation, resume.session);
  if (found && ledger.isGoing(found.id)) {
    // It may have been taken back before it was welcomed: the one before it is the session then.
    await ledger.flush();
    found = await newestAttachment(documents, installation, resume.session);
  }
  if (found?.data.user !== user) return undefined;
  if ((found.data.subject ?? subject) !== subject || ledger.isGoing(found.id)) return undefined;
  return found.data.secretHash === sha256Hex(resume.secret) ? { ...found, secret: resume.secret } : undefined;
}

type Before = NonNullable<Awaited<ReturnType<typeof findBefore>>>;

function comingBack(entry: Entry, before: Before, { exempt }: Who, replica: string, gate: GateState): Candidate {
  const { id, data: old, secret } = before;
  const { displayName, language, host, version, clientKind, attempt } = entry.applicant.hello;
  const { subject } = entry.applicant;
  const attachment = old.attachment + 1;
  // Who was inside when the gate was shut stays one of those who are logged off.
  const epoch = gate.phase === 'shutting' || gate.phase === 'closing' ? old.epoch : gate.epoch;
  const who = { displayName, language, host, version, clientKind, subject, exempt, attempt };
  const data = { ...old, ...who, attachment, replica, epoch };
  return { ...entry, id: attachmentId(old.session, attachment), data, secret, before: { id, data: old } };
}

function comingNew(entry: Entry, { exempt }: Who, replica: string, gate: GateState, createdAt: number): Candidate {
  const { installation, user, displayName, language, host, version, clientKind, attempt } = entry.applicant.hello;
  const { subject } = entry.applicant;
  const session = sessionId(createdAt);
  const secret = randomSecret();
  const who = { installation, session, user, displayName, language, host, version, clientKind, subject, exempt };
  const data = { ...who, attempt, attachment: 1, secretHash: sha256Hex(secret), replica };
  const { epoch, messages = [] } = gate;
  const letIn = { epoch, createdAt, messagesUpTo: messages.at(-1)?.id ?? '' };
  return { ...entry, id: attachmentId(session, 1), data: { ...data, ...letIn }, secret, before: undefined };
}

export const comingElsewhere = tooMany({ phrase: 'coming-back' });

function tooMany(words: Phrase): Refusal {
  return { reason: 'too-many', words, requiredVersion: '' };
}

export function refuseAll(entries: readonly Entry[], refusal: Refusal): void {
  for (const entry of entries) entry.resolve({ refusal });
}
