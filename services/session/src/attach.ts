import { durationToMs, isPermitted, sessionV1, type Principal } from '@lastcall/contracts';
import {
  assertNever,
  checkRange,
  checkText,
  collect,
  HOUR_MS,
  isRejected,
  MINUTE_MS,
  randomId,
} from '@lastcall/kernel';
import type { RpcContext } from '@lastcall/runtime';
import type { Admissions } from './admissions.js';
import type { AttachLimits } from './attach-limits.js';
import type { Refusal } from './domain/admission.js';
import type { Gates } from './gates.js';
import type { Hellos } from './hellos.js';
import type { Ledger } from './ledger.js';
import { parseHello, type Hello } from './parse-hello.js';
import { FAREWELLS, type AttachStream, type LocalSession, type Roster } from './roster.js';
import type { Watch } from './watch.js';
import { refusedMessage, say } from './wire.js';

/*
 * One stream of a client, from the hello to its end. Whoever is refused is told why; whoever is inside is the roster's, which may end
 * the stream at any time.
 */

export interface AttachParts {
  readonly admissions: Admissions;
  readonly gates: Gates;
  readonly roster: Roster;
  readonly ledger: Ledger;
  readonly watch: Watch;
  readonly hellos: Hellos;
  readonly limits: AttachLimits;
  readonly now: () => number;
}

type Up = NonNullable<sessionV1.AttachRequest['message']>;
type Messages = AsyncIterator<sessionV1.AttachRequest>;

export function createAttach(parts: AttachParts) {
  return async (stream: AttachStream, { principal }: RpcContext): Promise<void> => {
    const messages = stream[Symbol.asyncIterator]();
    const first = await parts.hellos.first(messages);
    if (first === 'gone') return;
    const hello = first?.message?.$case === 'hello' ? parseHello(first.message.value) : undefined;
    if (!hello) return refuse(parts, stream, refusal('invalid', 'The first message must be the hello, in time.'));
    if (!('installation' in hello)) {
      const text = hello.map(({ field, description }) => `${field} ${description}`).join('; ');
      return refuse(parts, stream, refusal('invalid', text));
    }
    const denied = deniedFor(parts, principal, hello);
    if (denied) return refuse(parts, stream, denied);
    if (hello.firstStartCode !== '') return proveFirstStart(parts, stream, hello);
    await serve(parts, stream, messages, hello, principal?.token ?? '');
  };
}

function refusal(reason: Refusal['reason'], text: string): Refusal {
  return { reason, text, requiredVersion: '' };
}

function refuse({ now }: AttachParts, stream: AttachStream, why: Refusal): void {
  stream.write(say(refusedMessage(why), now()));
}

function deniedFor({ limits, now }: AttachParts, principal: Principal | undefined, hello: Hello): Refusal | undefined {
  const { path } = sessionV1.SessionServiceService.attach;
  const bound = principal?.installation;
  if (!isPermitted(path, principal, hello.installation) || (bound !== undefined && bound !== hello.installation)) {
    return refusal('not-permitted', `This credential is not for the installation ${hello.installation}.`);
  }
  if (limits.take(principal?.token ?? '', hello.user, hello.host, now())) return undefined;
  return refusal('too-many', 'There were too many attempts to log in; try again in a moment.');
}

async function proveFirstStart(parts: AttachParts, stream: AttachStream, hello: Hello): Promise<void> {
  const { host, version, firstStartCode: code } = hello;
  const result = await parts.gates.apply(hello.installation, ({ now: at }) => {
    return { type: 'prove-first-start', host, code, version, at };
  });
  if (isRejected(result)) {
    const reason = result.reason === 'WRONG_VERSION' ? 'wrong-version' : 'host-shut';
    return refuse(parts, stream, { reason, text: result.message, requiredVersion: result.facts['wanted'] ?? '' });
  }
  const value = {
    reason: sessionV1.EndReason.FIRST_START_DONE,
    text: `The first start of version ${version} on ${host} is proven.`,
    comeBack: false,
  };
  stream.write(say({ $case: 'ended', value }, parts.now()));
}

async function serve(
  parts: AttachParts,
  stream: AttachStream,
  messages: Messages,
  hello: Hello,
  token: string,
): Promise<void> {
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const admitted = await parts.admissions.admit({ hello, token, stream, finish: () => finish() });
  if ('refusal' in admitted) return refuse(parts, stream, admitted.refusal);
  const { session } = admitted;
  // The roster may end the session while the client says nothing.
  await Promise.race([finished, readAll(parts, session, messages)]);
}

async function readAll(parts: AttachParts, session: LocalSession, messages: Messages): Promise<void> {
  try {
    for (let next = await messages.next(); !next.done; next = await messages.next()) {
      if (!session.stream) return;
      session.lastHeardAt = parts.now();
      session.heard++;
      if (next.value.message) await hear(parts, session, session.stream, next.value.message);
    }
  } finally {
    // However the connection ended: without a goodbye the client may come back.
    parts.roster.lose(session);
  }
}

async function hear(parts: AttachParts, session: LocalSession, stream: AttachStream, message: Up): Promise<void> {
  switch (message.$case) {
    case 'heartbeat':
      stream.write(say({ $case: 'heartbeat', value: {} }, parts.now()));
      return;
    case 'acknowledgement':
      return acknowledge(parts, session, message.value.notice);
    case 'ready':
      if (session.told !== '') parts.roster.end(session, FAREWELLS.ready);
      return;
    case 'hold':
      stream.write(say(await askHold(parts, session, message.value), parts.now()));
      return;
    case 'goodbye':
      return parts.roster.leave(session);
    case 'hello':
      return; // Said once; a second one changes nothing.
    default:
      return assertNever(message);
  }
}

function acknowledge({ watch, ledger }: AttachParts, session: LocalSession, notice: string): void {
  if (notice === '' || notice !== session.told || session.acknowledged === notice) return;
  session.acknowledged = notice;
  const epoch = watch.known(session.installation)?.data.gate.epoch ?? 0;
  ledger.acknowledge(session.installation, epoch, notice, session.session);
}

async function askHold(
  { gates }: AttachParts,
  { installation, session, user }: LocalSession,
  request: sessionV1.HoldRequest,
): Promise<NonNullable<sessionV1.AttachResponse['message']>> {
  const durationMs = durationToMs(request.duration) ?? 0;
  const wrong = collect(
    checkText('reason', request.reason, { min: 1, max: 200, lines: false }),
    checkRange('duration', durationMs, MINUTE_MS, 4 * HOUR_MS, 'milliseconds (1 min to 4 h)'),
  );
  const hold = randomId('h');
  const result =
    wrong.length > 0
      ? undefined
      : await gates.apply(installation, ({ now: at }) => {
          const { reason } = request;
          return { type: 'hold', hold, session, user, reason, durationMs, notice: randomId('n'), at };
        });
  const text = wrong.map(({ field, description }) => `${field} ${description}`).join('; ');
  if (!result || isRejected(result)) {
    return { $case: 'holdDecision', value: { granted: false, text: result?.message ?? text, expiresAt: undefined } };
  }
  const granted = result.gate.phase === 'closing' ? result.gate.holds.find((h) => h.id === hold) : undefined;
  const expiresAt = granted && new Date(granted.expiresAt);
  return { $case: 'holdDecision', value: { granted: true, text: 'The logoff was moved for everybody.', expiresAt } };
}
