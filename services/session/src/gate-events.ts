import {
  atToDate,
  eventsV1,
  failureToWire,
  outgoing,
  runOutcome,
  runSpecToWire,
  type OutgoingEvent,
} from '@lastcall/contracts';
import type { RunSpec } from '@lastcall/kernel';
import { evolveGate } from './domain/gate-evolve.js';
import type { GateEvent } from './domain/gate-messages.js';
import { holderOf, shutHostsOf, type FirstStart, type GateState } from './domain/gate-state.js';

/*
 * What the gate's decisions tell the other services. A gate that a person shut or opened concerns nobody but users; only what is
 * about a run goes out.
 */

export function eventsFor(before: GateState, events: readonly GateEvent[]): OutgoingEvent[] {
  let gate = before;
  const staysShut = events.some(({ type }) => type === 'quarantined');
  return events.flatMap((event) => {
    const said = event.type === 'answered' ? [gateReopened(gate, event, staysShut)] : eventFor(gate, event);
    gate = evolveGate(gate, event);
    return said;
  });
}

function eventFor(gate: GateState, event: GateEvent): OutgoingEvent[] {
  if (event.type === 'shut') return event.cause.by === 'run' ? [gateClosed(event.cause.run, event.epoch)] : [];
  if (event.type === 'first-starts-asked') return firstStartOrders(event.starts);
  if (event.type === 'first-start-proven') return firstStartProven(gate, event.host);
  const spec = holderOf(gate);
  if (!spec) return [];
  const { installation } = spec;
  const run = runSpecToWire(spec);
  const { epoch } = gate;
  switch (event.type) {
    case 'told':
    case 'deadline-moved': {
      const { notice, sessions } = event;
      const deadline = atToDate(notice.deadlineAt ?? notice.sentAt);
      return [outgoing('NoticeSent', installation, { run, notice: notice.id, deadline, sessionCount: sessions })];
    }
    case 'drained': {
      const summary = summaryOf(event);
      if (event.reopenAt !== undefined) {
        const endTime = atToDate(event.reopenAt);
        return [outgoing('MaintenanceBegun', installation, { run, epoch, summary, endTime })];
      }
      return [outgoing('SessionsDrained', installation, { run, epoch, summary })];
    }
    case 'drain-failed':
      return [outgoing('DrainFailed', installation, { run, failure: failureToWire(event.failure) })];
    case 'confirmed':
      return [outgoing('DrainConfirmed', installation, { run, epoch })];
    default:
      return [];
  }
}

function gateClosed(run: RunSpec, epoch: number): OutgoingEvent {
  return outgoing('GateClosed', run.installation, { run: runSpecToWire(run), epoch });
}

/** Whoever neither left nor was ended had lost the connection and did not come back. */
function summaryOf({ holds, counts }: Extract<GateEvent, { type: 'drained' }>): eventsV1.DrainSummary {
  const { told, left, ended } = counts;
  return { ...counts, holds, lost: Math.max(0, told - left - ended) };
}

/** `staysShut`: for everybody, because nobody can say which hosts are at fault, or it is the one that all the others need. */
function gateReopened(
  gate: GateState,
  { answer, epoch, closedAt }: Extract<GateEvent, { type: 'answered' }>,
  staysShut: boolean,
): OutgoingEvent {
  const { run, outcome, failure, openedBy = '' } = answer;
  const shutHosts = shutHostsOf(gate);
  const message = eventsV1.GateReopened.fromPartial({
    run: runSpecToWire(run),
    epoch,
    outcome: runOutcome.toWire(outcome),
    version: gate.version,
    failure: failure && failureToWire(failure),
    shutHosts: staysShut ? { ...quarantinedHosts(run, failure?.message ?? ''), ...shutHosts } : { ...shutHosts },
    closedAt: closedAt === undefined ? undefined : atToDate(closedAt),
    openedBy,
  });
  return outgoing('GateReopened', run.installation, message);
}

function quarantinedHosts({ hosts }: RunSpec, why: string): Record<string, string> {
  return Object.fromEntries(hosts.map(({ host }) => [host, `The gate stays shut until a person opens it: ${why}`]));
}

function firstStartOrders(starts: Readonly<Record<string, FirstStart>>): OutgoingEvent[] {
  return Object.entries(starts).map(([host, { order, code, version, run, giveUpAt }]) =>
    outgoing('HostOrderIssued', run.installation, {
      order: {
        order,
        installation: run.installation,
        host,
        run: run.run,
        fence: run.fence,
        deadline: atToDate(giveUpAt),
        issuedBy: 'session',
        traceparent: run.traceparent ?? '',
        action: { $case: 'startClientOnce', value: { product: run.product, version, code } },
      },
    }),
  );
}

function firstStartProven(gate: GateState, host: string): OutgoingEvent[] {
  const start = gate.firstStarts[host];
  if (!start) return [];
  const { run, version } = start;
  return [outgoing('FirstStartProven', run.installation, { run: runSpecToWire(run), host, version })];
}
