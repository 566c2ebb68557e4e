import { atToDate, type sessionV1 } from '@lastcall/contracts';
import { invalid, isRejected, orThrow, randomId, RejectedError, type Rejected } from '@lastcall/kernel';
import { nameOf, notFound, type RpcContext, type RpcHandlers } from '@lastcall/runtime';
import { BY_INSTALLATION, type Documents } from './documents.js';
import { refusalFor } from './domain/admission.js';
import type { GateCommand } from './domain/gate-state.js';
import { unknownInstallation } from './domain/installation.js';
import type { GateRecord, Gates } from './gates.js';
import type { Keeper } from './keeper.js';
import type { Presence } from './presence.js';
import { reactionTimeOf, wrongText } from './requests.js';
import type { Watch } from './watch.js';
import { gateToWire, noticeToWire } from './wire.js';

/* The gate for operators, and the wait for its reopening for clients. */

export interface GateParts {
  readonly documents: Documents;
  readonly gates: Gates;
  readonly keeper: Keeper;
  readonly watch: Watch;
  readonly presence: Presence;
}

type Methods = 'waitForReopening' | 'getGate' | 'closeGate' | 'openGate' | 'sendNotice';
type Handlers = Pick<RpcHandlers<typeof sessionV1.SessionServiceService>, Methods>;

export function gateHandlers(parts: GateParts): Handlers {
  return {
    getGate: async ({ name }) => answer(await gateOf(parts, name)),
    closeGate: (request, context) => closeGate(parts, request, context),
    openGate: (request, context) => openGate(parts, request, context),
    sendNotice: (request) => sendNotice(parts, request),
    waitForReopening: (request, context) => waitForReopening(parts, request, context),
  };
}

/** The gate of an installation that the catalog has told of. */
export async function knownGate(
  { gates }: Pick<GateParts, 'gates'>,
  installation: string,
): Promise<GateRecord | Rejected> {
  const record = await gates.get(installation);
  const unknown = unknownInstallation(record?.data.facts, installation);
  return record && unknown === undefined ? record : notFound('installation', `installations/${installation}`);
}

async function gateOf(parts: GateParts, name: string): Promise<GateRecord | Rejected> {
  const parsed = nameOf('gate', name);
  return isRejected(parsed) ? parsed : knownGate(parts, parsed.installation);
}

function answer(record: GateRecord | Rejected): { gate: sessionV1.Gate } | Rejected {
  return isRejected(record) ? record : { gate: gateToWire(record.id, record.data) };
}

async function closeGate(
  parts: GateParts,
  request: sessionV1.CloseGateRequest,
  { principal }: RpcContext,
): Promise<sessionV1.CloseGateResponse | Rejected> {
  const record = await gateOf(parts, request.name);
  if (isRejected(record)) return record;
  const { reason } = request;
  const wrong = wrongText('reason', reason);
  const asked = reactionTimeOf(request.reactionTime);
  if (isRejected(asked)) return wrong ? invalid([wrong, ...asked.violations]) : asked;
  if (wrong) return invalid([wrong]);
  const reactionTimeMs = asked.ms ?? record.data.facts?.reactionTimeMs ?? 0;
  const who = principal?.subject ?? '';
  return change(parts, record.id, (at) => ({ type: 'shut-by-hand', who, reason, reactionTimeMs, at }));
}

async function openGate(
  parts: GateParts,
  request: sessionV1.OpenGateRequest,
  { principal }: RpcContext,
): Promise<sessionV1.OpenGateResponse | Rejected> {
  const record = await gateOf(parts, request.name);
  if (isRejected(record)) return record;
  const { reason } = request;
  const wrong = wrongText('reason', reason);
  if (wrong) return invalid([wrong]);
  const who = principal?.subject ?? '';
  return change(parts, record.id, (at) => ({ type: 'open-by-hand', who, reason, at }));
}

async function change(
  parts: GateParts,
  installation: string,
  command: (at: number) => GateCommand,
): Promise<{ gate: sessionV1.Gate } | Rejected> {
  const result = await parts.gates.apply(installation, ({ now }) => command(now));
  if (isRejected(result)) return result;
  await parts.keeper.advance(installation);
  return answer(await knownGate(parts, installation));
}

async function sendNotice(
  parts: GateParts,
  { parent, text }: sessionV1.SendNoticeRequest,
): Promise<sessionV1.SendNoticeResponse | Rejected> {
  const parsed = nameOf('installation', parent, 'parent');
  if (isRejected(parsed)) return parsed;
  const record = await knownGate(parts, parsed.installation);
  if (isRejected(record)) return record;
  const wrong = wrongText('text', text);
  if (wrong) return invalid([wrong]);
  const where = { installation: record.id };
  const sessionCount = await parts.documents.sessions.count({ index: BY_INSTALLATION, where });
  const id = randomId('n');
  const result = await parts.gates.apply(record.id, ({ now: sentAt }) => {
    return { type: 'send-message', notice: { id, text, sentAt, version: '' } };
  });
  if (isRejected(result)) return result;
  return { notice: result.gate.message && noticeToWire(result.gate.message), sessionCount };
}

async function* waitForReopening(
  parts: GateParts,
  { name, host }: sessionV1.WaitForReopeningRequest,
  { signal }: RpcContext,
): AsyncIterable<sessionV1.WaitForReopeningResponse> {
  const { watch, presence } = parts;
  const { installation } = orThrow(nameOf('installation', name));
  watch.see(orThrow(await knownGate(parts, installation)));
  let told = -1;
  let toldAt = 0;
  while (!signal.aborted) {
    // Asked for before the look, so that a change between the two is not missed.
    const changed = watch.next(installation);
    const record = watch.known(installation);
    if (!record) throw new RejectedError(notFound('installation', name));
    const { gate, facts } = record.data;
    // The version is the client's to know; it is checked when it attaches.
    const open = refusalFor(gate, { host, version: gate.version }, facts?.timeZone ?? '') === undefined;
    const now = presence.now();
    if (open || (record.version !== told && now - toldAt >= 1_000)) {
      [told, toldAt] = [record.version, now];
      yield { gate: gateToWire(installation, record.data), open, serverTime: atToDate(now) };
    }
    if (open) return;
    await changed;
  }
}
