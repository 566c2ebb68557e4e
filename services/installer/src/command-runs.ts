import type { EventEnvelope, hostOrderV1 } from '@lastcall/contracts';
import { isRejected, run as runDecider, type RunSpec } from '@lastcall/kernel';
import { ofItsInstallation } from '@lastcall/runtime';
import type { Change, Collection, StepContext } from '@lastcall/store';
import type { CommandRunDocument } from './documents.js';
import { answerFromWire, boundedTo, commandEventsToWire } from './command-events.js';
import { commandRun, type CommandRunCommand } from './domain/command-run.js';
import type { InstallerSettings } from './settings.js';

/*
 * Commands of runs, one document each: what the domain decided as orders to hosts and events, and what is due, in one write.
 */

export interface CommandRuns {
  apply(run: RunSpec, command: CommandRunCommand, envelope: EventEnvelope): Promise<void>;
  /** A host has answered its order. */
  finishOrder(
    order: hostOrderV1.HostOrder,
    result: hostOrderV1.OrderResult | undefined,
    envelope: EventEnvelope,
  ): Promise<void>;
  /** Its own due time may have passed. */
  expire(run: string): Promise<void>;
}

export interface CommandRunsOptions {
  readonly commandRuns: Collection<CommandRunDocument>;
  readonly settings: Pick<InstallerSettings, 'resultGraceMs' | 'planPatienceMs'>;
  readonly onDue: (at: number) => void;
}

type Result = number | undefined;
type Kept = Change<CommandRunDocument, Result>;

const KEEP = { keep: undefined } as const;

export function createCommandRuns({ commandRuns, settings, onDue }: CommandRunsOptions): CommandRuns {
  const take = async (
    run: string,
    envelope: EventEnvelope,
    step: (current: CommandRunDocument | undefined, context: StepContext) => Kept,
  ): Promise<void> => {
    const taken = await commandRuns.take(run, envelope, ofItsInstallation(envelope, step));
    if (taken.taken && taken.result !== undefined) onDue(taken.result);
  };
  return {
    apply: ({ run, installation }, command, envelope) =>
      take(run, envelope, (current, { now }) =>
        applied(current ?? { installation, createdAt: now, state: commandRun.initial }, command, settings),
      ),
    finishOrder: (order, result, envelope) =>
      take(order.run, envelope, (current) =>
        current ? applied(current, answerFromWire(order, result), settings) : KEEP,
      ),
    expire: async (run) => {
      await commandRuns.change(run, (current, { now }): Kept => {
        const isOverdue = current?.dueAt !== undefined && current.dueAt <= now;
        return isOverdue ? applied(current, { type: 'expire' }, settings) : KEEP;
      });
    },
  };
}

function applied(
  current: CommandRunDocument,
  command: CommandRunCommand,
  settings: CommandRunsOptions['settings'],
): Kept {
  const decision = runDecider(commandRun, current.state, boundedTo(current.state, command));
  if (isRejected(decision) || decision.events.length === 0) return KEEP;
  const { state } = decision;
  const { dueAt: _, ...rest } = current;
  const dueAt =
    state.phase === 'running' ? state.run.deadlineAt + settings.resultGraceMs + settings.planPatienceMs : undefined;
  const events = decision.events.flatMap((event) => commandEventsToWire(event, state));
  return { write: { ...rest, state, ...(dueAt !== undefined && { dueAt }) }, events, result: dueAt };
}
