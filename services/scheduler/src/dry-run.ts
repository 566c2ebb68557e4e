import { formatName, preflightV1, type schedulerV1, type Principal } from '@lastcall/contracts';
import { isRejected } from '@lastcall/kernel';
import { nameOf, notFound, type RpcHandlers, type ServiceContext } from '@lastcall/runtime';
import type { Documents, JobDocument } from './documents.js';
import type { JobDefinition } from './domain/job.js';
import type { Jobs, Outlook } from './jobs.js';
import { needsHosts } from './maintenance-windows.js';
import { pauseText, type Pauses } from './pauses.js';
import { obstaclesOf, type About, type Obstacle, type ReadinessParts } from './readiness.js';
import type { SchedulerSettings } from './settings.js';

/*
 * What a run would meet if it started now: every step that changes nothing, each with what was found. Opens no run, takes no lane, tells nobody.
 */

export interface DryRunParts extends ReadinessParts {
  readonly context: ServiceContext<SchedulerSettings>;
  readonly documents: Documents;
  readonly jobs: Jobs;
  readonly pauses: Pauses;
}

type Step = preflightV1.Check;
type DryRunHandlers = Pick<RpcHandlers<schedulerV1.SchedulerServiceService>, 'dryRunJob'>;

export function dryRunHandlers(parts: DryRunParts): DryRunHandlers {
  return {
    dryRunJob: async ({ name }, { principal }) => {
      const id = nameOf('job', name);
      if (isRejected(id)) return id;
      const found = await parts.jobs.get(id);
      if (!found || found.data.state.phase === 'none') return notFound('job', name);
      return dryRun(parts, found.data, found.data.state.definition, principal);
    },
  };
}

async function dryRun(
  parts: DryRunParts,
  { installation, job }: JobDocument,
  definition: JobDefinition,
  principal: Principal | undefined,
): Promise<schedulerV1.DryRunJobResponse> {
  const asker = { job, principal };
  const now: JobDefinition = { ...definition, start: { kind: 'immediate' } };
  const [planned, atOnce] = await Promise.all([
    parts.jobs.outlook(installation, definition, asker),
    parts.jobs.outlook(installation, now, asker),
  ]);
  const { obstacles, release, place } = await obstaclesOf(parts, { installation, job }, definition, planned);
  const judged = (step: string, about: About, asked: string, fine: string): Step =>
    judge(
      step,
      asked,
      obstacles.filter((o) => o.about === about),
      fine,
    );
  const hosts = place.hosts.map(({ host }) => host).join(', ');
  const needs = needsHosts(definition);
  const version = release?.version ?? '';
  // Preflight's reports on demand are about updates and backups.
  const isChecked = needs && definition.type !== 'run-command';
  const { preflight, report } = isChecked ? await beginReport(parts, installation, version) : NOTHING_TO_CHECK;
  const takes = release ? `${planned.place.installedVersion || 'nothing'} → ${release.version}` : 'nothing to install';
  const steps = [
    await pausedStep(parts, installation),
    await otherRunStep(parts, installation),
    judged('hosts', 'hosts', 'hosts that are known', needs ? hosts : 'none is needed'),
    judged('release', 'release', 'a release that may be taken', takes),
    judged('window', 'window', 'a window into which the run fits', windowText(definition)),
    judged('follow-up', 'follow-up', 'a follow-up job that is there', definition.followUpJob || 'none is named'),
    usersStep(atOnce),
    ...(preflight ? [preflight] : []),
  ];
  return { steps, report };
}

function step(check: string, verdict: preflightV1.Verdict, asked: string, found: string, remedy = ''): Step {
  return { check, host: '', verdict, asked, found, remedy, answeredAt: new Date() };
}

const { PASSED, FAILED, UNKNOWN } = preflightV1.Verdict;

function judge(check: string, asked: string, obstacles: readonly Obstacle[], fine: string): Step {
  if (obstacles.length === 0) return step(check, PASSED, asked, fine);
  return step(check, FAILED, asked, obstacles.map(({ description }) => description).join('; '));
}

function windowText({ latestStart, windowEnd }: JobDefinition): string {
  const latest = latestStart === undefined ? '' : `latest start ${latestStart}`;
  const end = windowEnd === undefined ? '' : `ends at ${windowEnd}`;
  return [latest, end].filter((text) => text !== '').join(', ') || 'it has none';
}

async function pausedStep({ pauses }: DryRunParts, installation: string): Promise<Step> {
  const pause = await pauses.of(installation);
  const asked = 'jobs of the installation are not paused';
  if (!pause) return step('paused', PASSED, asked, 'they are not');
  return step('paused', FAILED, asked, pauseText(pause), 'wait for its end, or: lastcall job resume');
}

async function otherRunStep({ documents }: DryRunParts, installation: string): Promise<Step> {
  const active = (await documents.lanes.get(installation))?.data.active ?? '';
  const phase = active === '' ? 'ended' : ((await documents.runs.get(active))?.data.state.phase ?? 'ended');
  const asked = 'no other run of the installation is active';
  if (phase === 'ended') return step('other-run', PASSED, asked, 'none is');
  return step('other-run', FAILED, asked, `${active} is: ${phase}`, 'wait for its end: lastcall run watch');
}

/** Users who are there stop nothing: they are told and logged off. */
function usersStep({ cautions }: Outlook): Step {
  const found = cautions.map(({ text }) => text).join('; ') || 'nobody would be disturbed';
  return step('users', PASSED, 'what users would notice now', found);
}

const NOTHING_TO_CHECK = { preflight: undefined, report: '' };

async function beginReport({ context }: DryRunParts, installation: string, version: string) {
  const asked = 'a report of preflight';
  try {
    const client = context.client(preflightV1.PreflightServiceService);
    const { report } = await client.createReport({
      parent: formatName('installation', { installation }),
      version,
      job: '',
    });
    const name = report?.name ?? '';
    return {
      report: name,
      preflight: step('preflight', PASSED, asked, 'it is being made; its checks have verdicts of their own'),
    };
  } catch (err) {
    context.log.warn({ err, installation }, 'a dry run had no report of preflight');
    return { report: '', preflight: step('preflight', UNKNOWN, asked, 'preflight did not answer', 'try again') };
  }
}
