import { atToDate, sessionV1 } from '@lastcall/contracts';
import { checkId, invalid, isRejected, randomId, type Rejected } from '@lastcall/kernel';
import { nameOf, neededBy, notFound, type Approvals, type Prepared, type RpcHandlers } from '@lastcall/runtime';
import { countSessions } from './counting.js';
import type { Documents } from './documents.js';
import { expectedFirstStart } from './domain/first-starts.js';
import type { GateCommand } from './domain/gate-messages.js';
import { isLeased } from './domain/gate-state.js';
import { policyOf, unknownInstallation } from './domain/installation.js';
import type { GateRecord, Gates } from './gates.js';
import type { Keeper } from './keeper.js';
import { renderNotice } from './notices/render.js';
import type { Presence } from './presence.js';
import { reactionTimeOf, wrongText } from './requests.js';
import type { SessionSettings } from './settings.js';
import { gateToWire } from './wire.js';

/* The gate for operators. */

export interface GateParts {
  readonly documents: Documents;
  readonly gates: Gates;
  readonly keeper: Keeper;
  readonly presence: Presence;
  readonly approvals: Approvals;
  readonly settings: Pick<SessionSettings, 'gateLeaseMs'>;
}

type Methods = 'getGate' | 'closeGate' | 'openGate' | 'sendNotice' | 'renewGateLease' | 'getFirstStart';
type Handlers = Pick<RpcHandlers<typeof sessionV1.SessionServiceService>, Methods>;

export function gateHandlers(parts: GateParts): Handlers {
  const { closeGate, openGate } = sessionV1.SessionServiceService;
  return {
    getGate: async ({ name }) => answer(parts, await gateOf(parts, name)),
    closeGate: parts.approvals.guard(closeGate, (request) => prepareClosing(parts, request)),
    openGate: parts.approvals.guard(openGate, (request) => prepareOpening(parts, request)),
    renewGateLease: (request) => renewGateLease(parts, request),
    getFirstStart: (request) => getFirstStart(parts, request),
    sendNotice: (request) => sendNotice(parts, request),
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

function answer({ presence }: GateParts, record: GateRecord | Rejected): { gate: sessionV1.Gate } | Rejected {
  return isRejected(record) ? record : { gate: gateToWire(record.id, record.data, presence.now()) };
}

async function prepareClosing(
  parts: GateParts,
  request: sessionV1.CloseGateRequest,
): Promise<Prepared<sessionV1.CloseGateResponse> | Rejected> {
  const record = await gateOf(parts, request.name);
  if (isRejected(record)) return record;
  const { reason } = request;
  const wrong = wrongText('reason', reason);
  const asked = reactionTimeOf(request.reactionTime);
  if (isRejected(asked)) return wrong ? invalid([wrong, ...asked.violations]) : asked;
  if (wrong) return invalid([wrong]);
  const usualMs = record.data.facts?.reactionTimeMs ?? 0;
  const reactionTimeMs = asked.ms ?? usualMs;
  // Less time than people count on is a logoff by force.
  const actions = reactionTimeMs < usualMs ? ['logoff', 'gate'] : ['gate'];
  return prepared(record, actions, reason, (who) =>
    change(parts, record.id, (at) => ({ type: 'shut-by-hand', who, reason, reactionTimeMs, at })),
  );
}

async function prepareOpening(
  parts: GateParts,
  request: sessionV1.OpenGateRequest,
): Promise<Prepared<sessionV1.OpenGateResponse> | Rejected> {
  const record = await gateOf(parts, request.name);
  if (isRejected(record)) return record;
  const { reason } = request;
  const wrong = wrongText('reason', reason);
  if (wrong) return invalid([wrong]);
  return prepared(record, ['gate'], reason, (who) =>
    change(parts, record.id, (at) => ({ type: 'open-by-hand', who, reason, at })),
  );
}

/** `actions`: what it is, by the words of the installation's rule. */
export function prepared<Res>(
  { id: installation, data }: GateRecord,
  actions: readonly string[],
  reason: string,
  perform: Prepared<Res>['perform'],
): Prepared<Res> {
  const rule = data.facts?.secondPerson;
  return { installation, action: neededBy(rule, ...actions), rule, reason, perform };
}

async function renewGateLease(
  { gates, settings }: GateParts,
  { name, run, fence }: sessionV1.RenewGateLeaseRequest,
): Promise<sessionV1.RenewGateLeaseResponse | Rejected> {
  const parsed = nameOf('gate', name);
  if (isRejected(parsed)) return parsed;
  const wrong = checkId('run', run);
  if (wrong) return invalid([wrong]);
  const { gateLeaseMs: leaseMs } = settings;
  const result = await gates.apply(parsed.installation, ({ now: at }) => ({
    type: 'renew-lease',
    run,
    fence,
    leaseMs,
    at,
  }));
  if (isRejected(result)) return result;
  const until = isLeased(result.gate) ? result.gate.leaseUntil : undefined;
  return { leaseUntil: until === undefined ? undefined : atToDate(until) };
}

async function getFirstStart(
  parts: GateParts,
  { name, host }: sessionV1.GetFirstStartRequest,
): Promise<sessionV1.GetFirstStartResponse | Rejected> {
  const record = await gateOf(parts, name);
  if (isRejected(record)) return record;
  const wrong = checkId('host', host);
  if (wrong) return invalid([wrong]);
  const start = expectedFirstStart(record.data.gate, host);
  return isRejected(start) ? start : { code: start.code, version: start.version };
}

async function change(
  parts: GateParts,
  installation: string,
  command: (at: number) => GateCommand,
): Promise<{ gate: sessionV1.Gate } | Rejected> {
  const result = await parts.gates.apply(installation, ({ now }) => command(now));
  if (isRejected(result)) return result;
  await parts.keeper.advance(installation);
  return answer(parts, await knownGate(parts, installation));
}

async function sendNotice(
  parts: GateParts,
  request: sessionV1.SendNoticeRequest,
): Promise<sessionV1.SendNoticeResponse | Rejected> {
  const { parent } = request;
  const text = request.text.trim();
  const parsed = nameOf('installation', parent, 'parent');
  if (isRejected(parsed)) return parsed;
  const record = await knownGate(parts, parsed.installation);
  if (isRejected(record)) return record;
  const wrong = wrongText('text', text);
  if (wrong) return invalid([wrong]);
  const sessionCount = await countSessions(parts.documents, record.id);
  const id = randomId('n');
  const result = await parts.gates.apply(record.id, ({ now: sentAt }) => {
    const about = { version: '', product: '', reason: '', whatsNew: '' };
    return { type: 'send-message', notice: { id, kind: 'message', text, sentAt, ...about } };
  });
  if (isRejected(result)) return result;
  const { facts } = record.data;
  const message = result.gate.messages?.find((sent) => sent.id === id);
  return { notice: message && renderNotice(message, policyOf(facts).language, facts), sessionCount };
}
