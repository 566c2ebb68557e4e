import { commonV1, failureToWire, formatName, hostEdgeV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { isRejected, passesGate, reject, type Failure, type Rejected, type RunSpec } from '@lastcall/kernel';
import type { ServiceContext } from '@lastcall/runtime';
import type { UnaryClient } from '@lastcall/sdk';
import { hostIdOf, type Documents, type PlanDocument } from './documents.js';
import type { CatchUpState } from './domain/catch-up.js';
import { dataHostOf } from './domain/plan-state.js';
import type { HostKey } from './orders.js';
import type { Plans } from './plans.js';

/*
 * What a host is answered that wants to be brought to the version of its installation at once, because somebody sits before it. It may
 * ask for itself alone and for that version alone; whatever cannot be known now is a refusal.
 */

export interface AskingHosts {
  /** Begins, unless it is under way or done. */
  catchUp(host: HostKey): Promise<hostEdgeV1.CatchUpStanding | Rejected>;
  look(host: HostKey): Promise<hostEdgeV1.CatchUpStanding | Rejected>;
}

export interface AskingHostsParts {
  readonly context: ServiceContext<object>;
  readonly documents: Documents;
  readonly plans: Plans;
}

export function createAskingHosts(parts: AskingHostsParts): AskingHosts {
  const { plans } = parts;
  const others = {
    scheduler: parts.context.client(schedulerV1.SchedulerServiceService),
    session: parts.context.client(sessionV1.SessionServiceService),
  };
  const look: AskingHosts['look'] = async (host) => {
    const found = await find(parts, host);
    return isRejected(found) ? found : standingOf(found);
  };
  return {
    look,
    catchUp: async (host) => {
      const found = await find(parts, host);
      if (isRejected(found)) return found;
      const standing = standingOf(found);
      if (found.late?.phase === 'given-up') return givenUp(host, found.late.failure);
      if (standing.state !== WAITING) return standing;
      const obstacle = (await activeRun(others, host)) ?? (await usersOn(others, found.spec, host));
      if (obstacle) return obstacle;
      await plans.catchUp(found.spec.run, { ...host, version: found.version, fence: found.fence });
      return look(host);
    },
  };
}

/** Services that know what the installer does not. */
interface Others {
  readonly scheduler: UnaryClient<typeof schedulerV1.SchedulerServiceService>;
  readonly session: UnaryClient<typeof sessionV1.SessionServiceService>;
}

interface Found {
  /** Of the run that led to the version of the installation. */
  readonly spec: RunSpec;
  readonly version: string;
  readonly fence: number;
  readonly late: CatchUpState | undefined;
}

async function find({ documents, plans }: AskingHostsParts, host: HostKey): Promise<Found | Rejected> {
  const newest = await plans.newestChange(host.installation);
  const spec = specOf(host, newest?.data);
  if (isRejected(spec)) return spec;
  if (dataHostOf(spec.hosts)?.host === host.host) return hasData(host);
  const queue = (await documents.queues.get(hostIdOf(host.installation, host.host)))?.data.queue;
  const late = newest?.data.catchUps?.[host.host];
  return { spec, version: queue?.installedVersion ?? '', fence: queue?.fence ?? 0, late };
}

function specOf({ installation }: HostKey, newest: PlanDocument | undefined): RunSpec | Rejected {
  if (newest?.state.phase === 'updated') return newest.state.run;
  if (!newest || newest.state.phase === 'none') {
    const message = `${installation} has not been updated by Lastcall yet, so there is no version to catch up with`;
    return reject('refused', 'NOTHING_TO_CATCH_UP_WITH', message);
  }
  const { run } = newest.state.run;
  if (newest.state.phase !== 'quarantined') return runActive(installation, run);
  const message = `the last update of ${installation} (run ${run}) could not be taken back everywhere; an administrator has to look first`;
  return reject('refused', 'INSTALLATION_QUARANTINED', message, { facts: { run } });
}

function runActive(installation: string, run: string): Rejected {
  const message = `${installation} is being updated (run ${run}); this host is brought to its version after that`;
  return reject('refused', 'RUN_ACTIVE', message, { facts: { run } });
}

function hasData({ host }: HostKey): Rejected {
  const message = `${host} has the data of its installation, which no host changes by itself; update the installation: lastcall update now`;
  return reject('refused', 'HOST_HAS_DATA', message, { facts: { host } });
}

function givenUp({ host }: HostKey, why: Failure): Rejected {
  const message = `${host} could not be updated (${why.message}) and is not tried again by itself; an administrator has to look and then release it: lastcall host release-quarantine ${host}`;
  return reject('refused', 'CATCH_UP_GIVEN_UP', message, { facts: { host, reason: why.reason } });
}

/** Also one that is still at its checks, of which there is no plan yet. */
async function activeRun({ scheduler }: Others, { installation }: HostKey): Promise<Rejected | undefined> {
  const parent = formatName('installation', { installation });
  const { runs } = await scheduler.listRuns(schedulerV1.ListRunsRequest.fromPartial({ parent, pageSize: 1 }));
  const [newest] = runs;
  if (!newest || newest.outcome !== commonV1.RunOutcome.UNSPECIFIED) return undefined;
  return runActive(installation, newest.spec?.run ?? '');
}

/** Nobody is let in on a host that is late; on one that was put back by hand there may be somebody. */
async function usersOn({ session }: Others, spec: RunSpec, { host }: HostKey): Promise<Rejected | undefined> {
  if (!passesGate(spec)) return undefined;
  const parent = formatName('installation', { installation: spec.installation });
  const { sessions } = await session.listSessions(sessionV1.ListSessionsRequest.fromPartial({ parent, host }));
  if (sessions.length === 0) return undefined;
  const message = `somebody is logged in on ${host} (sessions: ${sessions.length}), and the application is stopped for the update; they have to log off first`;
  return reject('refused', 'HOST_IN_USE', message, { facts: { host, sessions: String(sessions.length) } });
}

const WAITING = hostEdgeV1.CatchUpState.WAITING;

const STATES = {
  waiting: WAITING,
  staging: hostEdgeV1.CatchUpState.STAGING,
  installing: hostEdgeV1.CatchUpState.INSTALLING,
  settling: hostEdgeV1.CatchUpState.SETTLING,
  'going-back': hostEdgeV1.CatchUpState.GOING_BACK,
  'given-up': hostEdgeV1.CatchUpState.GIVEN_UP,
} as const satisfies Record<Exclude<CatchUpState['phase'], 'done'>, hostEdgeV1.CatchUpState>;

function standingOf({ spec, version, late }: Found): hostEdgeV1.CatchUpStanding {
  const why = late && 'failure' in late ? late.failure : undefined;
  return {
    state: stateOf(late, version === spec.toVersion),
    version: spec.toVersion,
    installedVersion: version,
    notes: spec.whatsNew,
    failure: why && failureToWire(why),
  };
}

/** One that took part in the run, or is done, may have been put back by hand since. */
function stateOf(late: CatchUpState | undefined, hasVersion: boolean): hostEdgeV1.CatchUpState {
  if (late && late.phase !== 'done') return STATES[late.phase];
  return hasVersion ? hostEdgeV1.CatchUpState.DONE : WAITING;
}
