import { isPermitted, sessionV1, type Principal } from '@lastcall/contracts';
import { isRejected } from '@lastcall/kernel';
import type { Admissions } from './admissions.js';
import type { AttachLimits } from './attach-limits.js';
import type { Refusal } from './domain/admission.js';
import { ended } from './farewells.js';
import type { Gates } from './gates.js';
import type { Hearing } from './hearing.js';
import type { Hellos } from './hellos.js';
import type { AttachStream } from './local-session.js';
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
    return refusal('not-permitted', `This credential is not for the installation ${installation}.`);
  }
  if (limits.take({ token: principal?.token ?? '', installation, user, host }, now())) return undefined;
  return refusal('too-many', 'There were too many attempts to log in; try again in a moment.');
}

/** The hello, or why it is none. */
export function readHello(message: sessionV1.AttachRequest['message']): Hello | Refusal {
  if (message?.$case !== 'hello') return refusal('invalid', 'The first message must be the hello.');
  const hello = parseHello(message.value);
  if ('installation' in hello) return hello;
  return refusal('invalid', hello.map(({ field, description }) => `${field} ${description}`).join('; '));
}

/** It may be the server that is slow: the client tries again. */
export const noHello = refusal('too-many', 'The first message must be the hello, in time. Try again in a moment.');

export function refusal(reason: Refusal['reason'], text: string): Refusal {
  return { reason, text, requiredVersion: '' };
}

export function refuse(stream: AttachStream, why: Refusal, now: number): void {
  stream.write(say(refusedMessage(why), now));
}

/** A client that was started once to prove that it runs. It has no session. */
export async function proveFirstStart({ gates, now }: AttachParts, stream: AttachStream, hello: Hello): Promise<void> {
  const { host, version, firstStartCode: code } = hello;
  const result = await gates.apply(hello.installation, ({ now: at }) => {
    return { type: 'prove-first-start', host, code, version, at };
  });
  if (isRejected(result)) {
    const reason = result.reason === 'WRONG_VERSION' ? 'wrong-version' : 'host-shut';
    return refuse(stream, { reason, text: result.message, requiredVersion: result.facts['wanted'] ?? '' }, now());
  }
  const value = {
    reason: sessionV1.EndReason.FIRST_START_DONE,
    text: `The first start of version ${version} on ${host} is proven.`,
    comeBack: false,
  };
  stream.write(say(ended(value), now()));
}
