import { backupMode, catalogV1, dateToAt, formatName, hostRole, jobType, schedulerV1 } from '@lastcall/contracts';
import { HOUR_MS, reject, RejectedError } from '@lastcall/kernel';
import type { ServiceContext } from '@lastcall/runtime';
import { serverAddresses } from './addresses.js';
import { newestProven, provenBackup, type Documents } from './documents.js';
import type { Occasion } from './domain/facts.js';
import { standingOverrides } from './overrides.js';
import type { Beginning } from './reports.js';
import type { PreflightSettings } from './settings.js';
import { hostsOf, requirementsFromWire } from './wire.js';

/*
 * What a report is about when no run was opened yet: the installation as the catalog has it, the release that would be installed, and the
 * job whose next run is rehearsed. Throws RejectedError for what is not there, Fault when a service does not answer.
 */

const DEFAULT_BACKUP_AGE_MS = 48 * HOUR_MS;

type Context = Pick<ServiceContext<PreflightSettings>, 'client' | 'store'>;

/** For the named release, or for the newest that the installation may take; when there is none, only whether a backup could be taken. */
export async function beginningOnDemand(
  context: Context,
  documents: Documents,
  installation: string,
  version: string,
): Promise<Beginning> {
  const base = await baseOf(context, documents, installation);
  const { release, reason } = await wayOf(context, { installation, version });
  if (version === '' || version === base.fromVersion) return withRelease(base, release);
  const way = { version, isOpen: release !== undefined, reason };
  // One that may not be taken has demands all the same.
  return { ...withRelease(base, release ?? (await releaseOf(context, base.product, version)), { way }) };
}

export interface JobId {
  readonly installation: string;
  readonly job: string;
}

/** For what the job would do next. */
export async function jobBeginning(
  context: Context,
  documents: Documents,
  { installation, job: id }: JobId,
): Promise<Beginning & { readonly startAt?: number }> {
  const scheduler = context.client(schedulerV1.SchedulerServiceService);
  const { job } = await scheduler.getJob({ name: formatName('job', { installation, job: id }) });
  const base = await baseOf(context, documents, installation);
  const startAt = dateToAt(job?.nextDueTime);
  const next = startAt === undefined ? {} : { startAt };
  const overrides = await standingOverrides(documents, { installation, job: id }, await context.store.now());
  const mode = { backupMode: backupMode.fromWire(job?.backupMode ?? 0) ?? 'take', overrides } as const;
  switch (jobType.fromWire(job?.type ?? 0)) {
    case 'software-update': {
      const { version = '', downgrade } = job ?? {};
      const { release, reason } = await wayOf(context, { installation, version, downgrade });
      const way = { version, isOpen: release !== undefined, reason };
      const restorePoint = downgrade?.dataFrom ?? '';
      const dataFrom =
        restorePoint === ''
          ? {}
          : { dataFrom: { restorePoint, backup: await provenBackup(documents, installation, restorePoint) } };
      return { ...withRelease(base, release, { ...mode, ...dataFrom, way }), ...next };
    }
    case 'data-backup': {
      const hosts = base.hosts.filter((h) => (job?.serviceHost ? h.host === job.serviceHost : h.role === 'server'));
      return { ...withRelease(base, undefined, { overrides, hosts }), ...next };
    }
    default: {
      const message = `job ${id} neither updates nor backs up; there is nothing to rehearse`;
      throw new RejectedError(reject('refused', 'NOTHING_TO_REHEARSE', message));
    }
  }
}

async function baseOf({ client }: Context, documents: Documents, id: string): Promise<Occasion> {
  const name = formatName('installation', { installation: id });
  const { installation } = await client(catalogV1.CatalogServiceService).getInstallation({ name });
  if (!installation) throw new RejectedError(reject('not-found', 'NOT_FOUND', `there is no installation ${name}`));
  const hosts = hostsOf(installation, hostRole.fromWire);
  return {
    installation: id,
    product: installation.product,
    fromVersion: installation.installedVersion,
    requirements: undefined,
    hosts,
    ...(await serverAddresses(documents, id, hosts)),
    backupMode: 'take',
    backupMaxAgeMs: DEFAULT_BACKUP_AGE_MS,
    knownBackup: await newestProven(documents, id),
  };
}

interface Wanted {
  readonly installation: string;
  readonly version: string;
  readonly downgrade?: schedulerV1.Job['downgrade'];
}

async function wayOf({ client }: Context, { installation, version, downgrade }: Wanted) {
  const name = formatName('installation', { installation });
  return client(catalogV1.CatalogServiceService).checkUpdate({ name, version, downgrade });
}

async function releaseOf({ client }: Context, product: string, version: string) {
  const name = formatName('release', { product, version });
  return (await client(catalogV1.CatalogServiceService).getRelease({ name })).release;
}

function withRelease(base: Occasion, release: catalogV1.Release | undefined, more: Partial<Occasion> = {}): Beginning {
  const demands = release?.requirements && requirementsFromWire(release.requirements);
  // What brings data back changes it, whatever the release itself would do.
  const changesData = (demands?.changesData ?? false) || more.dataFrom !== undefined;
  const requirements = demands && { ...demands, changesData };
  return { version: requirements?.version ?? more.way?.version ?? '', occasion: { ...base, requirements, ...more } };
}
