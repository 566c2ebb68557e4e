import { catalogV1, durationToMs, formatName, hostRole, installationKind } from '@lastcall/contracts';
import { HOUR_MS, type BusinessHours, type InstallationKind, type RunHost, type RunSpec } from '@lastcall/kernel';
import type { Logger, ServiceContext } from '@lastcall/runtime';
import type { JobDefinition } from './domain/job.js';
import { holidaysOf, type Holidays } from './holidays.js';
import type { SchedulerSettings } from './settings.js';

/*
 * What the scheduler asks the catalog: the installation as it stands, and what a run of a job would be about.
 */

const BACKUP_MAX_AGE_MS = 48 * HOUR_MS;
const DEFAULT_REACTION_MS = 5 * 60_000;
/** Bound of `RunSpec.whats_new`. */
const WHATS_NEW_CHARS = 1_000;

export interface Place {
  readonly installation: string;
  readonly product: string;
  readonly kind: InstallationKind;
  readonly timeZone: string;
  readonly businessHours: BusinessHours & { readonly holidays: Holidays };
  readonly reactionTimeMs: number;
  readonly installedVersion: string;
  readonly hosts: readonly RunHost[];
  /** Whether a job has to be approved by a second person. */
  readonly approvalRequired: boolean;
}

/** A run must not wait for a calendar: when it cannot be had, days are judged by the own dates alone. */
async function holidaysOrOwn(log: Logger, wire: catalogV1.Installation): Promise<Holidays> {
  const { holidaysOf: region, holidays, workedHolidays } = wire;
  try {
    return await holidaysOf(region, holidays, workedHolidays);
  } catch (err) {
    log.error({ err, region }, 'the public holidays of a region are not known; own dates count');
    return holidaysOf('', holidays, workedHolidays);
  }
}

function placeOf(installation: string, wire: catalogV1.Installation, holidays: Holidays): Place {
  return {
    installation,
    product: wire.product,
    kind: installationKind.fromWire(wire.kind) ?? 'multi-user',
    timeZone: wire.timeZone,
    businessHours: { spans: wire.businessHours, holidays },
    reactionTimeMs: durationToMs(wire.reactionTime) ?? DEFAULT_REACTION_MS,
    installedVersion: wire.installedVersion,
    approvalRequired: wire.approvalRequired,
    hosts: wire.hosts.flatMap((h) => {
      const role = hostRole.fromWire(h.role);
      return role ? [{ host: h.host, role, mayFollowLater: h.mayFollowLater }] : [];
    }),
  };
}

export interface NoRelease {
  readonly reason: string;
  /** Versions to install one after the other; empty: there is no way. */
  readonly path: readonly string[];
}

/** Of a job's definition. */
export type Wanted = Pick<JobDefinition, 'version' | 'downgrade'>;

export interface Catalog {
  /** A release that is installed, whatever has become of it in the catalog. */
  installed(product: string, version: string): Promise<catalogV1.Release>;
  place(installation: string): Promise<Place>;
  /** The release that the installation may take: the named one, or the newest of its channel; or why there is none. */
  release(installation: string, wanted: Wanted): Promise<catalogV1.Release | NoRelease>;
}

export function createCatalog(context: ServiceContext<SchedulerSettings>): Catalog {
  const client = context.client(catalogV1.CatalogServiceService);
  return {
    place: async (installation) => {
      const found = await client.getInstallation({ name: formatName('installation', { installation }) });
      const wire = found.installation ?? catalogV1.Installation.fromPartial({});
      return placeOf(installation, wire, await holidaysOrOwn(context.log, wire));
    },
    installed: async (product, version) => {
      const { release } = await client.getRelease({ name: formatName('release', { product, version }) });
      return release ?? catalogV1.Release.fromPartial({});
    },
    release: async (installation, { version, downgrade }) => {
      const { release, reason, path } = await client.checkUpdate({
        name: formatName('installation', { installation }),
        version,
        downgrade: downgrade && { ...downgrade },
      });
      return release ?? { reason, path };
    },
  };
}

export interface SpecInput {
  readonly run: string;
  readonly job: string;
  readonly definition: JobDefinition;
  readonly place: Place;
  readonly toVersion: string;
  /** What the vendor says about the release. */
  readonly notes: string;
  readonly fence: number;
  readonly nominalAt: number;
  readonly startedAt: number;
  readonly by: string;
  readonly traceparent?: string | undefined;
  /** By when it has to be over, whatever its maximum run time is; undefined: it has no window. */
  readonly windowEndsAt: number | undefined;
}

export function specFor({
  run,
  job,
  definition,
  place,
  toVersion,
  notes,
  fence,
  nominalAt,
  startedAt,
  by,
  traceparent,
  windowEndsAt = Infinity,
}: SpecInput): RunSpec {
  return {
    run,
    installation: place.installation,
    job,
    type: definition.type,
    kind: place.kind,
    product: place.product,
    fromVersion: place.installedVersion,
    toVersion,
    hosts: hostsFor(definition, place),
    reactionTimeMs: definition.reactionTimeMs ?? place.reactionTimeMs,
    message: definition.message,
    backupMode: definition.backupMode,
    backupMaxAgeMs: BACKUP_MAX_AGE_MS,
    fence,
    nominalAt,
    startedAt,
    deadlineAt: Math.min(startedAt + definition.maxRunTimeMs, windowEndsAt),
    requestedBy: by,
    timeZone: place.timeZone,
    holdsAllowed: definition.holdsAllowed,
    whatsNew: cutAtWord(notes, WHATS_NEW_CHARS),
    ...(traceparent && { traceparent }),
    ...(definition.downgrade && { downgrade: definition.downgrade }),
    ...(definition.closedForMs !== undefined && { closedForMs: definition.closedForMs }),
    ...(definition.command !== undefined && { command: definition.command }),
    ...(definition.backupKeep !== undefined && { backupKeep: definition.backupKeep }),
  };
}

/** Whole words only, with an ellipsis where something was left out; a text without spaces is cut where it has to be. */
export function cutAtWord(text: string, maxChars: number): string {
  const trimmed = text.trim();
  if (trimmed.length <= maxChars) return trimmed;
  const room = trimmed.slice(0, maxChars - 1);
  const atWord = /^.*\S(?=\s)/su.exec(trimmed.slice(0, maxChars))?.[0] ?? room;
  return `${atWord.trimEnd()}…`;
}

/** All hosts of an installation end on the same version: only one that may follow later can be left out. */
export function canBeExcluded({ role, mayFollowLater }: RunHost): boolean {
  return role !== 'server' && mayFollowLater;
}

/** A backup concerns the host that has the data; an update all of them; a maintenance window none; a command those of `commandPlace`. */
export function hostsFor(
  { type, serviceHost, excludedHosts = [] }: JobDefinition,
  { hosts }: Place,
): readonly RunHost[] {
  if (type === 'maintenance-window') return [];
  // One that must not follow later any more is part of the update again.
  if (type !== 'data-backup') return hosts.filter((h) => !excludedHosts.includes(h.host) || !canBeExcluded(h));
  return hosts.filter((h) => (serviceHost === '' ? h.role === 'server' : h.host === serviceHost));
}
