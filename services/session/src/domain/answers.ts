import { closedForOf, type Failure, type RunSpec } from '@lastcall/kernel';
import type { Answer, GateEvent } from './gate-messages.js';
import { holderOf, type GateState, type Notice, type ShutGate } from './gate-state.js';
import type { Words } from './phrases.js';

/*
 * The one answer to the end of a run, and what goes with it: the gate opens, and users are told.
 */

/** The gate, if this run holds it. */
export function heldBy(gate: GateState, { run }: RunSpec): ShutGate | undefined {
  return gate.phase !== 'open' && holderOf(gate)?.run === run ? gate : undefined;
}

export function answered(gate: GateState, answer: Answer): GateEvent {
  const holds = holderOf(gate)?.run === answer.run.run;
  return {
    type: 'answered',
    answer,
    epoch: holds ? gate.epoch : 0,
    ...(holds && gate.phase !== 'open' && { closedAt: gate.closedAt }),
  };
}

/** The answer to a run, and the gate opens. */
export function reopen(gate: ShutGate, answer: Answer, at: number): GateEvent[] {
  // While a person wants it shut nobody could come back.
  const news = gate.hand && answer.outcome === 'succeeded' ? [] : newsOf(answer, at);
  return [answered(gate, answer), { type: 'reopened', words: takenBack(answer), at }, ...news];
}

/** Nothing was installed and nothing will be. */
export function failDrain(
  gate: ShutGate,
  run: RunSpec,
  outcome: 'failed' | 'expired' | 'postponed',
  why: Failure,
  at: number,
): GateEvent[] {
  return [{ type: 'drain-failed', failure: why }, ...reopen(gate, { run, outcome, failure: why }, at)];
}

function takenBack({ run, outcome }: Answer): Words {
  if (outcome === 'succeeded') return '';
  if (closedForOf(run) !== undefined)
    return { phrase: outcome === 'postponed' ? 'maintenance-postponed' : 'maintenance-off' };
  return { phrase: outcome === 'postponed' ? 'run-postponed' : 'run-off' };
}

/** What users are told when a run is over, beside what is taken back. */
export function newsOf({ run, outcome, failure }: Answer, sentAt: number): GateEvent[] {
  const kind = outcome === 'succeeded' ? 'back-again' : outcome === 'postponed' ? 'postponed' : undefined;
  if (!kind) return [];
  const reason = failure?.facts['reason'] ?? '';
  // One of each kind a run; deciding it again makes the same one.
  const notice: Notice = { id: `${run.run}.${kind}`, kind, text: '', sentAt, ...aboutRun(run), reason };
  return [{ type: 'message-sent', notice }];
}

/** What a notice says of the run that it is about. */
export function aboutRun(run: RunSpec | undefined): Pick<Notice, 'product' | 'version' | 'whatsNew' | 'maintenance'> {
  const closedForMs = run && closedForOf(run);
  const maintenance = closedForMs === undefined ? {} : { maintenance: { closedForMs } };
  return { product: run?.product ?? '', version: run?.toVersion ?? '', whatsNew: run?.whatsNew ?? '', ...maintenance };
}
