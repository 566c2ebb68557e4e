import type { EventEnvelope } from '@lastcall/contracts';
import { Fault, isRejected, run as runDecider, type Rejected } from '@lastcall/kernel';
import type { Change, Document, StepContext } from '@lastcall/store';
import type { Documents, GateDocument } from './documents.js';
import { gateDueAt } from './domain/expiry.js';
import type { GateCommand, GateEvent } from './domain/gate-messages.js';
import { gate as machine } from './domain/gate.js';
import { hasAlarm, initialGate, type GateState } from './domain/gate-state.js';
import { newerFacts, type InstallationFacts } from './domain/installation.js';
import { eventsFor } from './gate-events.js';
import type { SessionSettings } from './settings.js';

/*
 * Gates in the store: one write is the new state, what it tells, its due time, and the mark of the event that led to it.
 */

export type GateRecord = Document<GateDocument>;

/** What the catalog says of an installation; each part only where the event has it. */
export interface Heard {
  readonly settings?: Omit<InstallationFacts, 'sequence'>;
  /** Empty: not known. */
  readonly version?: string;
}

export interface Applied {
  readonly gate: GateState;
  /** Empty: the command did not apply any more. */
  readonly events: readonly GateEvent[];
}

export interface Gates {
  get(installation: string): Promise<GateRecord | undefined>;
  apply(
    installation: string,
    /** `facts`: what is known of the installation at that moment. */
    command: (context: StepContext, facts: InstallationFacts | undefined) => GateCommand,
    envelope?: EventEnvelope,
  ): Promise<Applied | Rejected>;
  /** What the catalog says of an installation. */
  hear(installation: string, heard: Heard, envelope: EventEnvelope): Promise<void>;
}

type Result = { readonly applied: Applied; readonly record?: GateRecord } | Rejected;
type Catalogued = Pick<GateDocument, 'facts' | 'versionSequence'>;

/** `changed` is told of each write that somebody may have to hear of, `failed` when the store did not carry one out. */
export function createGates(
  { gates }: Documents,
  { gateOverdueGraceMs }: Pick<SessionSettings, 'gateOverdueGraceMs'>,
  changed: (record: GateRecord) => void,
  failed: () => void = () => undefined,
): Gates {
  function settle(result: Result): Applied | Rejected {
    if (isRejected(result)) return result;
    if (result.record) changed(result.record);
    return result.applied;
  }

  return {
    get: (installation) => gates.get(installation),
    apply: async (installation, command, envelope) => {
      const step = (current: GateDocument | undefined, context: StepContext): Change<GateDocument, Result> =>
        changeOf(installation, current, command(context, current?.facts), current ?? {}, context, gateOverdueGraceMs);
      try {
        if (!envelope) return settle(await gates.change(installation, step));
        const taken = await gates.take(installation, envelope, step);
        return taken.taken ? settle(taken.result) : NOTHING;
      } catch (error) {
        if (error instanceof Fault) failed();
        throw error;
      }
    },
    hear: async (installation, heard, envelope) => {
      const taken = await gates.take(installation, envelope, (current, context): Change<GateDocument, Result> => {
        const { command, ...catalogued } = catalogueAfter(current, heard, envelope.sequence);
        return changeOf(installation, current, command, catalogued, context, gateOverdueGraceMs);
      });
      if (taken.taken) settle(taken.result);
    },
  };
}

/** The event was taken in before. */
const NOTHING: Applied = { gate: initialGate, events: [] };

/** What is newer than what is known; each part has its own sequence, because not every event has both. */
function catalogueAfter(
  current: GateDocument | undefined,
  { settings, version }: Heard,
  sequence: number,
): Catalogued & { readonly command: GateCommand | undefined } {
  const facts = settings ? newerFacts(current?.facts, { ...settings, sequence }) : current?.facts;
  const isNews = version !== undefined && sequence > (current?.versionSequence ?? 0);
  const versionSequence = isNews ? sequence : current?.versionSequence;
  return {
    ...(facts && { facts }),
    ...(versionSequence !== undefined && { versionSequence }),
    command: isNews ? { type: 'learn-version', version } : undefined,
  };
}

function changeOf(
  id: string,
  current: GateDocument | undefined,
  command: GateCommand | undefined,
  { facts, versionSequence }: Catalogued,
  { now, version }: StepContext,
  overdueGraceMs: number,
): Change<GateDocument, Result> {
  const before = current?.gate ?? initialGate;
  const decision = command ? runDecider(machine, before, command) : { state: before, events: [] };
  if (isRejected(decision)) return { keep: decision };
  const { state: gate, events } = decision;
  const applied = { gate, events };
  const isKnown = facts === current?.facts && versionSequence === current?.versionSequence;
  if (events.length === 0 && isKnown) return { keep: { applied } };
  const dueAt = gateDueAt(gate, overdueGraceMs);
  const isQuiet = current !== undefined && isKnown && isRenewal(before, gate, events);
  const write: GateDocument = {
    ...(facts && { facts }),
    ...(versionSequence !== undefined && { versionSequence }),
    gate,
    changedAt: isQuiet ? current.changedAt : now,
    ...(dueAt !== undefined && { dueAt }),
  };
  const said = eventsFor(before, events);
  if (isQuiet) return { write, events: said, result: { applied } };
  // The store counts one version for each event, and one for a write without any.
  const record = { id, version: version + Math.max(1, said.length), data: write };
  return { write, events: said, result: { applied, record } };
}

/** Nobody has to hear that the run is still alive: it comes every few seconds, and there may be thousands who follow. */
function isRenewal(before: GateState, after: GateState, events: readonly GateEvent[]): boolean {
  return events.every(({ type }) => type === 'lease-renewed') && hasAlarm(before) === hasAlarm(after);
}
