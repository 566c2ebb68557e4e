import { isPermitted, sessionV1, type Principal } from '@lastcall/contracts';
import { isRejected, type Rejected } from '@lastcall/kernel';
import type { Admissions } from './admissions.js';
import type { AttachLimits } from './attach-limits.js';
import type { Refusal } from './domain/admission.js';
import type { Words } from './domain/phrases.js';
import { ended, type Farewell } from './farewells.js';
import type { GateRecord, Gates } from './gates.js';
import type { Hearing } from './hearing.js';
import type { Hellos } from './hellos.js';
import type { AttachStream } from './local-session.js';
import { textOf } from './notices/phrase-text.js';
import { parseHello, type Hello } from './parse-hello.js';
import type { Roster } from './roster.js';
import { refusedMessage, say } from './wire.js';

/*
 * The door: what is looked at before a hello is put before the gate, and how somebody is told that they are not let in.
 */

export interface AttachParts {
  readonly admissions: Admissions;
  readonly gates: Gates;
  readonly roster: Roster;
  readonly hearing: Hearing;
  readonly hellos: Hellos;
  readonly limits: AttachLimits;
  readonly known: (installation: string) => GateRecord | undefined;
  readonly now: () => number;
}

/** Why this hello is not even looked at; undefined: it is. */
export function deniedFor(
  { limits, now }: AttachParts,
  principal: Principal | undefined,
  { installation, user, host }: Hello,
): Refusal | undefined {
  const { path } = sessionV1.SessionServiceService.attach;
  const bound = principal?.installation;
  if (!isPermitted(path, principal, installation) || (bound !== undefined && bound !== installation)) {
    return refusal('not-permitted', { phrase: 'other-installation', installation });
  }
  if (limits.take({ token: principal?.token ?? '', installation, user, host }, now())) return undefined;
  return refusal('too-many', { phrase: 'too-many-attempts' });
}

/** The hello, or why it is none. */
export function readHello(message: sessionV1.AttachRequest['message']): Hello | Refusal {
  if (message?.$case !== 'hello') return refusal('invalid', { phrase: 'hello-missing' });
  const hello = parseHello(message.value);
  if ('installation' in hello) return hello;
  return refusal('invalid', hello.map(({ field, description }) => `${field} ${description}`).join('; '));
}

/** It may be the server that is slow: the client tries again. */
export const noHello = refusal('too-many', { phrase: 'hello-late' });

export function refusal(reason: Refusal['reason'], words: Words): Refusal {
  return { reason, words, requiredVersion: '' };
}

/** In the language of the hello; where none was understood, in English. */
export function refuse({ known, now }: AttachParts, stream: AttachStream, why: Refusal, hello?: Hello): void {
  const facts = hello && known(hello.installation)?.data.facts;
  stream.write(say(refusedMessage(why, textOf(why.words, hello?.language ?? '', facts)), now()));
}

/** A client that was started once to prove that it runs. It has no session. */
export async function proveFirstStart(parts: AttachParts, stream: AttachStream, hello: Hello): Promise<void> {
  const { gates, known, now } = parts;
  const { installation, host, version, firstStartCode: code, language } = hello;
  const result = await gates.apply(installation, ({ now: at }) => {
    return { type: 'prove-first-start', host, code, version, at };
  });
  if (isRejected(result)) return refuse(parts, stream, firstStartRefusal(result, version), hello);
  const proven: Farewell = {
    reason: sessionV1.EndReason.FIRST_START_DONE,
    words: { phrase: 'first-start-proven', version, host },
    comeBack: false,
  };
  stream.write(say(ended(proven, textOf(proven.words, language, known(installation)?.data.facts)), now()));
}

function firstStartRefusal({ reason, facts }: Rejected, version: string): Refusal {
  const wanted = facts['wanted'] ?? '';
  return reason === 'WRONG_VERSION'
    ? { ...refusal('wrong-version', { phrase: 'first-start-version', version, wanted }), requiredVersion: wanted }
    : refusal('host-shut', { phrase: 'first-start-unknown' });
}
