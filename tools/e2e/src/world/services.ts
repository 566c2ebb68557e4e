import { until } from '@lastcall/testkit';
import { catalogV1, commonV1, identityV1, installerV1, preflightV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { createClient, type Channel, type UnaryClient } from '@lastcall/sdk';

/* The services as an operator's tool reaches them, and what a test asks them again and again. */

export const INSTALLATION = 'testing';
export const PARENT = `installations/${INSTALLATION}`;
export const CAUTIONS = ['users-logged-in', 'inside-business-hours', 'collides-with-job'];

export interface Services {
  readonly catalog: UnaryClient<typeof catalogV1.CatalogServiceService>;
  readonly scheduler: UnaryClient<typeof schedulerV1.SchedulerServiceService>;
  readonly preflight: UnaryClient<typeof preflightV1.PreflightServiceService>;
  readonly session: UnaryClient<typeof sessionV1.SessionServiceService>;
  readonly installer: UnaryClient<typeof installerV1.InstallerServiceService>;
  readonly tokens: UnaryClient<typeof identityV1.TokenServiceService>;
}

export function servicesOn(channel: Channel): Services {
  return {
    catalog: createClient(catalogV1.CatalogServiceService, channel),
    scheduler: createClient(schedulerV1.SchedulerServiceService, channel),
    preflight: createClient(preflightV1.PreflightServiceService, channel),
    session: createClient(sessionV1.SessionServiceService, channel),
    installer: createClient(installerV1.InstallerServiceService, channel),
    tokens: createClient(identityV1.TokenServiceService, channel),
  };
}

export async function addInstallation(
  { catalog }: Services,
  reactionTimeMs: number,
  installationId = INSTALLATION,
): Promise<void> {
  const installation = catalogV1.Installation.fromPartial({
    title: 'Testing',
    product: 'tiny',
    kind: commonV1.InstallationKind.MULTI_USER,
    channel: 'stable',
    timeZone: 'UTC',
    reactionTime: { seconds: BigInt(Math.floor(reactionTimeMs / 1000)), nanos: (reactionTimeMs % 1000) * 1e6 },
  });
  await catalog.createInstallation({ installationId, installation });
}

export async function createClientToken({ tokens }: Services, installation = INSTALLATION): Promise<string> {
  const request = { subject: 'tiny-clients', role: identityV1.Role.CLIENT, installation, validDays: 1 };
  return (await tokens.createToken(request)).credential;
}

/** Saves and enables an immediate job that updates the installation. */
export async function startUpdate(
  { scheduler }: Services,
  jobId: string,
  version: string,
  job: Partial<schedulerV1.Job>,
  parent = PARENT,
): Promise<void> {
  await scheduler.createJob({
    parent,
    jobId,
    job: schedulerV1.Job.fromPartial({
      title: jobId,
      type: commonV1.JobType.SOFTWARE_UPDATE,
      version,
      start: { condition: { $case: 'immediate', value: {} } },
      maxRunTime: { seconds: 120n, nanos: 0 },
      ...job,
    }),
    confirmedCautions: CAUTIONS,
  });
  await scheduler.enableJob({ name: `${parent}/jobs/${jobId}`, etag: '', confirmedCautions: CAUTIONS });
}

/** The run of the job, when it has ended. */
export async function runOf(
  { scheduler }: Services,
  job: string,
  timeoutMs: number,
  parent = PARENT,
): Promise<schedulerV1.Run> {
  let found: schedulerV1.Run | undefined;
  const hasEnded = async (): Promise<boolean> => {
    const { runs } = await scheduler.listRuns({ parent, pageSize: 1, pageToken: '', job });
    found = runs[0] && (await scheduler.getRun({ name: runs[0].name })).run;
    return found?.finishTime !== undefined;
  };
  await until(hasEnded, `the end of ${job}`, timeoutMs);
  if (!found) throw new Error('the run is gone');
  return found;
}

export async function installedVersion({ catalog }: Services, parent = PARENT): Promise<string | undefined> {
  return (await catalog.getInstallation({ name: parent })).installation?.installedVersion;
}
