import {
  durationToMs,
  failureFromWire,
  installationKind,
  installationOf,
  parseRunSpec,
  type EventEnvelope,
  type EventMessage,
} from '@lastcall/contracts';
import {
  closedForOf,
  MINUTE_MS,
  failure,
  isRejected,
  passesGate,
  randomSecret,
  RejectedError,
  type Failure,
  type RunSpec,
} from '@lastcall/kernel';
import { parseRule, type EventHandlers } from '@lastcall/runtime';
import type { EarlyEnd, GateCommand } from './domain/gate-messages.js';
import type { Gates } from './gates.js';
import type { Histories } from './histories.js';
import type { Keeper } from './keeper.js';
import type { Plans } from './notices/plans.js';
import type { PolicyProblems } from './notices/policy-problems.js';
import { parsePolicy } from './parse-policy.js';
import type { SessionSettings } from './settings.js';

/*
 * What the session service takes in. Each handler is one write on one gate, and then takes that gate as far as it goes. Runs that do
 * not pass the gate concern nobody here.
 */

export interface EventParts {
  readonly gates: Gates;
  readonly histories: Histories;
  readonly keeper: Keeper;
  readonly plans: Plans;
  readonly policyProblems: PolicyProblems;
  readonly settings: SessionSettings;
}

/** As the catalog has it. */
const DEFAULT_REACTION_MS = 5 * MINUTE_MS;

type RunMessage = { readonly run?: EventMessage<'StagingCompleted'>['run'] };
type CommandAt = (run: RunSpec, at: number) => GateCommand;

export function createHandlers(parts: EventParts): EventHandlers {
  const { gates, settings } = parts;
  const ofRun = async (message: RunMessage, envelope: EventEnvelope, command: CommandAt): Promise<void> => {
    const run = parseRunSpec(message.run);
    if (!passesGate(run)) return;
    await apply(parts, run.installation, (at) => command(run, at), envelope);
  };
  const failed = (
    message: RunMessage,
    envelope: EventEnvelope,
    after: 'preflight' | 'staging' | 'backup' | 'cancel',
    why: Failure,
    outcome: EarlyEnd = 'failed',
  ) => ofRun(message, envelope, (run, at) => ({ type: 'fail', run, after, outcome, failure: why, at }));

  return {
    InstallationChanged: (message, envelope) => installationChanged(parts, message, envelope),
    InstalledReleaseChanged: ({ installation, version }, envelope) => gates.hear(installation, { version }, envelope),
    RunPlanned: (message, envelope) => parts.plans.hear(message, envelope),
    RunStarted: async (m, envelope) => {
      // An update has a lot to do before anybody is disturbed.
      if (closedForOf(parseRunSpec(m.run)) === undefined) return;
      await ofRun(m, envelope, (run, at) => ({ type: 'shut', run, leaseMs: settings.gateLeaseMs, at }));
    },
    StagingCompleted: (m, envelope) =>
      ofRun(m, envelope, (run, at) => ({ type: 'shut', run, leaseMs: settings.gateLeaseMs, at })),
    BackupTaken: (m, envelope) =>
      ofRun(m, envelope, ({ run }, at) => ({ type: 'note-backup', run, at, giveUpAt: at + settings.drainTimeoutMs })),
    PreflightFailed: (m, envelope) => failed(m, envelope, 'preflight', preflightFailure(m)),
    StagingFailed: (m, envelope) => failed(m, envelope, 'staging', failureOf(m)),
    BackupFailed: (m, envelope) => failed(m, envelope, 'backup', failureOf(m)),
    RunCancelled: (m, envelope) => {
      const outcome = m.expired ? 'expired' : 'cancelled';
      const why = failure(outcome.toUpperCase(), m.reason, '', { by: m.requestedBy });
      return failed(m, envelope, 'cancel', why, outcome);
    },
    InstallationUpdated: (m, envelope) => ofRun(m, envelope, (run, at) => updated(settings, run, m.absentHosts, at)),
    InstallationRolledBack: (m, envelope) =>
      ofRun(m, envelope, (run, at) => ({ type: 'roll-back', run, failure: failureOf(m), at })),
    InstallationQuarantined: (m, envelope) =>
      ofRun(m, envelope, (run, at) => ({
        type: 'quarantine',
        run,
        failure: failureOf(m),
        hosts: quarantinedHosts(m),
        at,
      })),
    HostReleased: (m, envelope) => ofRun(m, envelope, (run, at) => ({ type: 'release-host', run, host: m.host, at })),
    HostUpdated: (m, envelope) => ofRun(m, envelope, (run) => ({ type: 'catch-up', run, host: m.host })),
    HostCatchUpBegun: (m, envelope) =>
      ofRun(m, envelope, (run) => ({ type: 'note-late', run, host: m.host, why: '', givenUp: false })),
    HostCatchUpFailed: (m, envelope) =>
      ofRun(m, envelope, (run) => {
        const { message, reason } = failureOf(m);
        return { type: 'note-late', run, host: m.host, why: message || reason, givenUp: m.givenUp };
      }),
    HostOrderCompleted: (m, envelope) => orderCompleted(parts, m, envelope),
  };
}

async function apply(
  { gates, keeper }: EventParts,
  installation: string,
  command: (at: number) => GateCommand,
  envelope: EventEnvelope,
): Promise<void> {
  const result = await gates.apply(installation, ({ now }) => command(now), envelope);
  if (isRejected(result)) throw new RejectedError(result);
  await keeper.advance(installation);
}

async function installationChanged(
  { gates, histories, plans, policyProblems }: EventParts,
  { installation, deleted }: EventMessage<'InstallationChanged'>,
  envelope: EventEnvelope,
): Promise<void> {
  const id = installation && installationOf(installation.name);
  if (!id) return;
  const { kind, timeZone, reactionTime, installedVersion, sessionPolicy, secondPerson } = installation;
  const settings = {
    kind: installationKind.fromWire(kind) ?? 'multi-user',
    timeZone: timeZone || 'UTC',
    reactionTimeMs: durationToMs(reactionTime) ?? DEFAULT_REACTION_MS,
    policy: parsePolicy(sessionPolicy),
    ...(secondPerson && { secondPerson: parseRule(secondPerson) }),
    deleted,
  };
  policyProblems.heard(id, sessionPolicy);
  await gates.hear(id, { settings, ...(!deleted && { version: installedVersion }) }, envelope);
  await plans.reschedule(id);
  await histories.begin(id);
}

function failureOf({
  failure: wire,
}: {
  readonly failure?: Parameters<typeof failureFromWire>[0] | undefined;
}): Failure {
  return wire ? failureFromWire(wire) : failure('UNKNOWN', 'No reason was given.');
}

/** What a person has to do, by host. */
function quarantinedHosts({ rollbackFailures }: EventMessage<'InstallationQuarantined'>): Record<string, string> {
  return Object.fromEntries(
    rollbackFailures.flatMap(({ host, message }) => (host === '' ? [] : [[host, whatToDo(host, message)]])),
  );
}

function whatToDo(host: string, why: string): string {
  return (
    `It could not be brought back after the failed update (${why}). ` +
    `An administrator has to look at it and then release it: lastcall host release-quarantine ${host}.`
  );
}

function preflightFailure({ blocking }: EventMessage<'PreflightFailed'>): Failure {
  const names = blocking.map(({ check, host }) => (host === '' ? check : `${check} on ${host}`));
  return failure('PREFLIGHT_FAILED', `Not ready: ${names.join(', ') || 'see the report'}.`);
}

function updated(
  { firstStartTimeoutMs }: SessionSettings,
  run: RunSpec,
  absentHosts: readonly string[],
  at: number,
): GateCommand {
  const servers = run.hosts.filter(({ role }) => role === 'terminal-server');
  const codes = Object.fromEntries(servers.map(({ host }) => [host, randomSecret()]));
  return { type: 'update', run, absentHosts, codes, giveUpAt: at + firstStartTimeoutMs, at };
}

async function orderCompleted(
  parts: EventParts,
  { order, result }: EventMessage<'HostOrderCompleted'>,
  envelope: EventEnvelope,
): Promise<void> {
  if (order?.issuedBy !== 'session' || order.action?.$case !== 'startClientOnce') return;
  const why = result?.failure && failureFromWire(result.failure);
  const { firstStartSettleMs: settleMs } = parts.settings;
  await apply(
    parts,
    order.installation,
    (at) => ({
      type: 'finish-first-start-order',
      order: order.order,
      ...(why && { failure: why }),
      at,
      settleMs,
    }),
    envelope,
  );
}
