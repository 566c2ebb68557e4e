import { atToDate, type sessionV1 } from '@lastcall/contracts';
import { collect, invalid, orThrow, RejectedError } from '@lastcall/kernel';
import { nameOf, notFound, type RpcContext, type RpcHandlers } from '@lastcall/runtime';
import { refusalFor, whyShut } from './domain/admission.js';
import { policyOf } from './domain/installation.js';
import { standingAnnouncement } from './domain/slots.js';
import type { GateRecord, Gates } from './gates.js';
import { textOf } from './notices/phrase-text.js';
import { renderNotice } from './notices/render.js';
import { checkTag } from './parse-hello.js';
import { checkHostIfSaid } from './requests.js';
import type { Presence } from './presence.js';
import type { Ramp } from './ramp.js';
import { knownGate } from './rpc-gate.js';
import type { Watch } from './watch.js';
import { gateToWire } from './wire.js';

/*
 * The wait for the reopening. Whoever waits is told now and then how the gate stands, and goes when it is open for them and their turn
 * has come.
 */

export interface ReopeningParts {
  readonly gates: Gates;
  readonly watch: Watch;
  readonly presence: Presence;
  readonly ramp: Ramp;
}

type Handlers = Pick<RpcHandlers<typeof sessionV1.SessionServiceService>, 'waitForReopening'>;
type Answer = sessionV1.WaitForReopeningResponse;

/** How often one who waits is told. */
const TOLD_EVERY_MS = 1_000;

export function reopeningHandlers(parts: ReopeningParts): Handlers {
  return { waitForReopening: (request, context) => waitForReopening(parts, request, context) };
}

async function* waitForReopening(
  parts: ReopeningParts,
  { name, host, language }: sessionV1.WaitForReopeningRequest,
  { signal }: RpcContext,
): AsyncIterable<Answer> {
  const { watch, presence, ramp } = parts;
  const { installation } = orThrow(nameOf('installation', name));
  const wrong = collect(checkTag('language', language), checkHostIfSaid(host));
  if (wrong.length > 0) throw new RejectedError(invalid(wrong));
  watch.see(orThrow(await knownGate(parts, installation)));
  let told = -1;
  let toldAt = 0;
  while (!signal.aborted) {
    // Asked for before the look, so that a change between the two is not missed.
    const changed = watch.next(installation);
    let record = known(watch, installation, name);
    if (isOpen(record, host)) {
      await ramp.turn(installation, policyOf(record.data.facts).reopeningRampMs);
      // It may have been shut again while the others went.
      record = known(watch, installation, name);
      if (isOpen(record, host)) {
        yield answer(record, true, language, presence.now());
        return;
      }
    }
    const now = presence.now();
    if (record.version !== told && now - toldAt >= TOLD_EVERY_MS) {
      [told, toldAt] = [record.version, now];
      yield answer(record, false, language, now);
    }
    await changed;
  }
}

function known(watch: Watch, installation: string, name: string): GateRecord {
  const record = watch.known(installation);
  if (!record) throw new RejectedError(notFound('installation', name));
  return record;
}

/** The version is the client's to know; it is checked when it attaches. */
function isOpen({ data: { gate } }: GateRecord, host: string): boolean {
  return refusalFor(gate, { host, version: gate.version }) === undefined;
}

/** In the language of whoever waits. The last word says what is new, if the gate was shut for an update. */
function answer({ id, data }: GateRecord, open: boolean, said: string, now: number): Answer {
  const { gate, facts } = data;
  const language = said || policyOf(facts).language;
  const news = open ? standingAnnouncement(gate, now) : undefined;
  const shown = gateToWire(id, data, now, language);
  const notice = news?.kind === 'back-again' ? renderNotice(news, language, facts) : shown.notice;
  const reason = open ? shown.reason : textOf(whyShut(gate), language, facts);
  return { gate: { ...shown, notice, reason }, open, serverTime: atToDate(now) };
}
