import type { EventEnvelope } from '@lastcall/contracts';
import { isRejected, run as runDecider, type Rejected } from '@lastcall/kernel';
import type { Change, Document, StepContext } from '@lastcall/store';
import type { Documents, GateDocument } from './documents.js';
import { gate as machine, gateDueAt } from './domain/gate.js';
import { initialGate, type GateCommand, type GateEvent, type GateState } from './domain/gate-state.js';
import { newerFacts, type InstallationFacts } from './domain/installation.js';
import { eventsFor } from './gate-events.js';
import type { SessionSettings } from './settings.js';

/*
 * Gates in the store: one write is the new state, what it tells, its due time, and the mark of the event that led to it.
 */

export type GateRecord = Document<GateDocument>;
export type Heard = Pick<InstallationFacts, 'kind' | 'timeZone' | 'reactionTimeMs' | 'deleted'>;

export interface Applied {
  readonly gate: GateState;
  /** Empty: the command did not apply any more. */
  readonly events: readonly GateEvent[];
}

export interface Gates {
  get(installation: string): Promise<GateRecord | undefined>;
  apply(
    installation: string,
    command: (context: StepContext) => GateCommand,
    envelope?: EventEnvelope,
  ): Promise<Applied | Rejected>;
  /** What the catalog says of an installation. */
  hear(installation: string, heard: Partial<Heard> & { version: string }, envelope: EventEnvelope): Promise<void>;
}

type Result = { readonly applied: Applied; readonly record?: GateRecord } | Rejected;

/** `changed` is told of each write. */
export function createGates(
  { gates }: Documents,
  settings: SessionSettings,
  changed: (record: GateRecord) => void,
): Gates {
  function applied(
    id: string,
    current: GateDocument | undefined,
    commands: readonly GateCommand[],
    facts: InstallationFacts | undefined,
    { now, version }: StepContext,
  ): Change<GateDocument, Result> {
    const before = current?.gate ?? initialGate;
    let state = before;
    const events: GateEvent[] = [];
    for (const command of commands) {
      const decision = runDecider(machine, state, command);
      if (isRejected(decision)) return { keep: decision };
      state = decision.state;
      events.push(...decision.events);
    }
    if (events.length === 0 && facts === current?.facts) return { keep: { applied: { gate: state, events } } };
    const dueAt = gateDueAt(state, settings.gateOverdueGraceMs);
    const write: GateDocument = {
      ...(facts && { facts }),
      gate: state,
      changedAt: now,
      ...(dueAt !== undefined && { dueAt }),
    };
    const said = eventsFor(before, events);
    const record = { id, version: version + Math.max(1, said.length), data: write };
    return { write, events: said, result: { applied: { gate: state, events }, record } };
  }

  function settle(result: Result): Applied | Rejected {
    if (isRejected(result)) return result;
    if (result.record) changed(result.record);
    return result.applied;
  }

  return {
    get: (installation) => gates.get(installation),
    apply: async (installation, command, envelope) => {
      const step = (current: GateDocument | undefined, context: StepContext): Change<GateDocument, Result> =>
        applied(installation, current, [command(context)], current?.facts, context);
      if (!envelope) return settle(await gates.change(installation, step));
      const taken = await gates.take(installation, envelope, step);
      return taken.taken ? settle(taken.result) : { gate: initialGate, events: [] };
    },
    hear: async (installation, { version, ...heard }, envelope) => {
      const taken = await gates.take(installation, envelope, (current, context): Change<GateDocument, Result> => {
        const before = current?.facts ?? unheardOf;
        const facts = newerFacts(current?.facts, { ...before, ...heard, sequence: envelope.sequence });
        // Old news: neither the facts nor the version.
        if (facts === current?.facts) return { keep: { applied: { gate: current.gate, events: [] } } };
        const commands: GateCommand[] = version === '' ? [] : [{ type: 'learn-version', version }];
        return applied(installation, current, commands, facts, context);
      });
      if (taken.taken) settle(taken.result);
    },
  };
}

/** Until InstallationChanged has come: enough to let clients in, nothing that a person would miss. */
const unheardOf: InstallationFacts = {
  kind: 'multi-user',
  timeZone: 'UTC',
  reactionTimeMs: 300_000,
  deleted: false,
  sequence: 0,
};
