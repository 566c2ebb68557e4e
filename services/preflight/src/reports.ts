import { atToDate, outgoing, runSpecToWire, type EventEnvelope, type OutgoingEvent } from '@lastcall/contracts';
import { isRejected, run as runDecider, type RunSpec } from '@lastcall/kernel';
import { ofItsInstallation } from '@lastcall/runtime';
import type { Change, StepContext } from '@lastcall/store';
import { orderId, type Documents, type RehearsalOf, type ReportDocument } from './documents.js';
import { reachFrom } from './domain/checks/reach.js';
import { isBlocking } from './domain/evaluate.js';
import type { Occasion } from './domain/facts.js';
import { readiness, type ReadinessCommand, type ReadinessEvent } from './domain/readiness.js';
import type { PreflightSettings } from './settings.js';
import { checkToWire, orderToWire } from './wire.js';

/*
 * Reports: turns what the domain decided into orders to hosts and into the run's verdict, in one write.
 */

/** After the deadline of the orders the installer says TIMED_OUT; only when even that does not come, preflight closes by itself. */
const PATIENCE_MS = 10_000;

export interface Beginning {
  readonly run?: RunSpec;
  readonly rehearsal?: RehearsalOf;
  /** Nothing is said of its verdict; the run's backup, or its end, follows from it. */
  readonly isLastLook?: true;
  readonly version: string;
  readonly occasion: Occasion;
}

export interface Reports {
  begin(report: string, beginning: Beginning, envelope?: EventEnvelope): Promise<void>;
  apply(report: string, command: (at: number) => ReadinessCommand, envelope?: EventEnvelope): Promise<void>;
  /** A run that is cancelled before it has begun must not begin. */
  abandon(report: string, run: RunSpec, envelope: EventEnvelope): Promise<void>;
}

export function createReports(documents: Documents, settings: PreflightSettings): Reports {
  const { reports } = documents;
  const write = async (
    report: string,
    envelope: EventEnvelope | undefined,
    step: (current: ReportDocument | undefined, context: StepContext) => Change<ReportDocument, undefined>,
  ): Promise<void> => {
    if (envelope) await reports.take(report, envelope, ofItsInstallation(envelope, step));
    else await reports.change(report, step);
  };
  return {
    begin: (report, beginning, envelope) =>
      write(report, envelope, (current, { now }) => {
        const { occasion, run, rehearsal, isLastLook, version } = beginning;
        const fresh: ReportDocument = {
          installation: occasion.installation,
          product: occasion.product,
          version,
          ...(run ? { run } : {}),
          ...(rehearsal ? { rehearsal } : {}),
          ...(isLastLook ? { isLastLook } : {}),
          state: readiness.initial,
          createdAt: now,
        };
        return applied(report, current ?? fresh, { type: 'begin', occasion, at: now }, settings);
      }),
    apply: (report, command, envelope) =>
      write(report, envelope, (current, { now }) =>
        current ? applied(report, current, command(now), settings) : { keep: undefined },
      ),
    abandon: (report, run, envelope) =>
      write(report, envelope, (current, { now }) => {
        const { installation, product, toVersion: version } = run;
        const fresh: ReportDocument = { installation, product, version, run, state: readiness.initial, createdAt: now };
        return applied(report, current ?? fresh, { type: 'abandon', at: now }, settings);
      }),
  };
}

function applied(
  report: string,
  current: ReportDocument,
  command: ReadinessCommand,
  settings: PreflightSettings,
): Change<ReportDocument, undefined> {
  const decision = runDecider(readiness, current.state, command);
  if (isRejected(decision) || decision.events.length === 0) return { keep: undefined };
  const next: ReportDocument = { ...current, state: decision.state };
  const events = decision.events.flatMap((event) => eventsFor(report, next, event, settings));
  return { write: withDue(next, settings), events, result: undefined };
}

/** A report that leads to a backup stays due until that has been begun. */
function withDue(document: ReportDocument, settings: PreflightSettings): ReportDocument {
  const { dueAt: _, ...rest } = document;
  const { state } = document;
  if (state.phase === 'asking') return { ...rest, dueAt: state.begunAt + settings.factsTimeoutMs + PATIENCE_MS };
  if (state.phase === 'decided' && leadsToBackup(document)) return { ...rest, dueAt: state.decidedAt };
  return rest;
}

/**
 * A backup job goes on to its backup by itself; an update does when nobody is inside and everything was looked at once more, or is told then that
 * there will be none.
 */
export function leadsToBackup({ run, isLastLook, state }: ReportDocument): boolean {
  if (state.phase !== 'decided') return false;
  return isLastLook === true || (run?.type === 'data-backup' && state.verdict === 'passed');
}

function eventsFor(
  report: string,
  document: ReportDocument,
  event: ReadinessEvent,
  settings: PreflightSettings,
): OutgoingEvent[] {
  if (event.type === 'begun') return factsOrders(report, document, event.occasion, event.at + settings.factsTimeoutMs);
  if (event.type !== 'decided') return [];
  if (document.rehearsal) return [rehearsed(report, document, document.rehearsal, event)];
  if (!document.run || document.isLastLook) return [];
  const { run, installation } = document;
  const wire = runSpecToWire(run);
  if (event.verdict === 'passed') {
    return [outgoing('PreflightPassed', installation, { run: wire, report, absentHosts: [...event.absentHosts] })];
  }
  const blocking = event.checks.filter(isBlocking).map((check) => checkToWire(check, installation));
  return [outgoing('PreflightFailed', installation, { run: wire, report, blocking })];
}

function rehearsed(
  report: string,
  { installation, product, version }: ReportDocument,
  { job, startAt, requestedBy }: RehearsalOf,
  { verdict, checks }: Extract<ReadinessEvent, { type: 'decided' }>,
): OutgoingEvent {
  const startTime = startAt === undefined ? undefined : atToDate(startAt);
  const said = { installation, job, report, startTime, product, version, requestedBy };
  if (verdict === 'passed') return outgoing('RehearsalPassed', installation, said);
  const blocking = checks.filter(isBlocking).map((check) => checkToWire(check, installation));
  return outgoing('RehearsalFailed', installation, { ...said, blocking });
}

function factsOrders(report: string, { run, installation }: ReportDocument, occasion: Occasion, deadlineAt: number) {
  const version = occasion.requirements?.version ?? '';
  return occasion.hosts.map(({ host }) => {
    const reach = reachFrom(occasion, host);
    const target = reach && { ...reach, addresses: [...reach.addresses], ports: [...reach.ports] };
    return outgoing('HostOrderIssued', installation, {
      order: orderToWire({
        order: orderId(report, host),
        installation,
        host,
        ...(run ? { run: run.run, fence: run.fence, traceparent: run.traceparent } : {}),
        deadlineAt,
        action: { $case: 'collectFacts', value: { product: occasion.product, version, reach: target } },
      }),
    });
  });
}
