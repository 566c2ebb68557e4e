import {
  failureFromWire,
  parseRunSpec,
  Poison,
  type EventEnvelope,
  type EventMessage,
  type hostOrderV1,
} from '@lastcall/contracts';
import { failure, type RunSpec } from '@lastcall/kernel';
import type { EventHandlers } from '@lastcall/runtime';
import type { FinishedOrder, PlanPolicy } from './domain/plan-state.js';
import type { CommandRuns } from './command-runs.js';
import type { Orders } from './orders.js';
import type { Plans } from './plans.js';

/*
 * What the installer takes in. Each handler leads to one write on one document and may be called again with the same event.
 */

export interface Owners {
  readonly plans: Plans;
  readonly commands: CommandRuns;
  readonly orders: Orders;
}

export function createHandlers(owners: Owners, policy: PlanPolicy): EventHandlers {
  const { plans, commands, orders } = owners;
  return {
    PreflightPassed: async ({ run: wire, absentHosts }, envelope) => {
      const run = parseRunSpec(wire);
      if (run.type === 'run-command') return commands.apply(run, { type: 'begin', run, absentHosts }, envelope);
      // The checks of a backup job are followed by its backup; nothing is installed.
      if (run.type !== 'software-update') return;
      await plans.apply(run, (at) => ({ type: 'begin', run, absentHosts, policy, at }), envelope);
    },
    DrainConfirmed: async (message, envelope) => {
      await plans.apply(parseRunSpec(message.run), (at) => ({ type: 'confirm-drain', at }), envelope);
    },
    BackupTaken: async ({ run, backup }, envelope) => {
      if (!backup) throw new Poison('BackupTaken carries no backup');
      const { restorePoint } = backup;
      await plans.apply(parseRunSpec(run), (at) => ({ type: 'note-backup', restorePoint, at }), envelope);
    },
    DrainFailed: (message, envelope) => abandon(plans, message, envelope, 'DRAIN_FAILED'),
    BackupFailed: (message, envelope) => abandon(plans, message, envelope, 'BACKUP_FAILED'),
    RunCancelRequested: async ({ run: wire, requestedBy, reason, expired }, envelope) => {
      const run = parseRunSpec(wire);
      const cancel = { type: 'cancel', run, requestedBy, reason, expired } as const;
      if (run.type === 'run-command') return commands.apply(run, cancel, envelope);
      await plans.apply(run, () => cancel, envelope);
    },
    HostOrderIssued: ({ order }, envelope) => orders.issue(order, envelope),
    HostOrderCompleted: ({ order, result }, envelope) => orderCompleted(owners, order, result, envelope),
  };
}

async function abandon(
  plans: Plans,
  message: EventMessage<'DrainFailed'> | EventMessage<'BackupFailed'>,
  envelope: EventEnvelope,
  reason: string,
): Promise<void> {
  const run: RunSpec = parseRunSpec(message.run);
  const why = message.failure ? failureFromWire(message.failure) : failure(reason, 'no reason was given');
  await plans.apply(run, () => ({ type: 'abandon', failure: why }), envelope);
}

async function orderCompleted(
  { plans, commands }: Owners,
  order: hostOrderV1.HostOrder | undefined,
  result: hostOrderV1.OrderResult | undefined,
  envelope: EventEnvelope,
): Promise<void> {
  if (order?.issuedBy !== 'installer' || order.run === '') return;
  if (order.action?.$case === 'runCommand') return commands.finishOrder(order, result, envelope);
  await plans.finishOrder(order.run, (at) => finishedOrder(order, result, at), envelope);
}

function finishedOrder(
  { host, order }: hostOrderV1.HostOrder,
  result: hostOrderV1.OrderResult | undefined,
  at: number,
): FinishedOrder {
  const evidence = result?.evidence;
  return {
    host,
    order,
    ...(result?.failure && { failure: failureFromWire(result.failure) }),
    installedVersion: result?.installedVersion ?? '',
    dataChanged: evidence?.$case === 'install' && evidence.value.dataChanged,
    at,
  };
}
