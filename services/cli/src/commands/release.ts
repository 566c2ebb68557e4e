import { catalogV1, commonV1, formatName } from '@lastcall/contracts';
import { resolve } from 'node:path';
import { allPages, type Services } from '../connect.js';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { exportReleases } from '../publish/export-releases.js';
import { publishRelease } from '../publish/publish-release.js';
import { readReleaseFolder } from '../publish/read-release-folder.js';
import { createProgress } from '../render/progress.js';
import { bytes, count, fields, table } from '../render/text.js';
import { ownZone, time, timeIn } from '../render/time.js';
import { lastPart, releaseStateWord, roleWord } from '../render/words.js';
import type { Work } from '../work.js';

export function addRelease(cli: Cli): void {
  const noun = cli.noun('release', 'Versions of products');
  cli.define<{ channel: string }>(
    noun,
    {
      use: 'publish <folder>',
      does: 'Checks, uploads, signs and publishes a folder with lastcall.yaml and built files',
      example: 'lastcall release publish ./build/encore-11.1.0',
      options: (command) => command.option('--channel <channel>', 'line of releases to put it into', 'stable'),
    },
    publish,
  );
  cli.define<{ product?: string }>(
    noun,
    {
      use: 'list',
      does: 'Lists the releases of a product, newest first',
      example: 'lastcall release list --product encore',
      options: (command) => command.option('--product <product>', 'product (default: the only one)'),
    },
    list,
  );
  cli.define(
    noun,
    { use: 'show <product> <version>', does: 'Shows one release', example: 'lastcall release show encore 11.1.0' },
    show,
  );
  cli.define<{ reason: string }>(
    noun,
    {
      use: 'withdraw <product> <version>',
      does: 'Takes a release back: nobody can take it from now on; where it is installed it stays',
      example: 'lastcall release withdraw encore 11.1.0 --reason "loses bookings on Sundays"',
      options: (command) => command.requiredOption('--reason <text>', 'why, for people'),
    },
    withdraw,
  );
  cli.define<ExportOptions>(
    noun,
    {
      use: 'export <folder>',
      does: 'Writes what a channel offers, signed, into a folder for any web space, from which single seats are updated',
      example: 'lastcall release export ./updates --product encore',
      options: (command) =>
        command
          .option('--product <product>', 'product (default: the only one)')
          .option('--channel <channel>', 'line of releases: nothing newer than its newest', 'stable'),
    },
    exportTo,
  );
}

async function publish(work: Work, { channel }: { channel: string }, folder: string): Promise<void> {
  const progress = createProgress(work);
  progress.say(`reading ${folder}`);
  const found = await readReleaseFolder(folder);
  const release = await publishRelease(work.services, found, channel, progress);
  work.print(
    catalogV1.Release.toJSON(release),
    () => `published ${release.product} ${release.version} in ${channel}\n`,
  );
}

async function list(work: Work, options: { product?: string }): Promise<void> {
  const releases = await releasesOf(work.services, options.product ?? (await onlyProduct(work)));
  const zone = ownZone();
  const row = (r: catalogV1.Release) => [r.version, releaseStateWord(r.state), timeIn(r.publishTime, zone), r.title];
  work.print(catalogV1.ListReleasesResponse.toJSON({ releases, nextPageToken: '' }), () =>
    table(['version', 'state', `published (${zone})`, 'title'], releases.map(row), 'no releases'),
  );
}

/** Newest first. */
async function releasesOf({ catalog }: Services, product: string): Promise<catalogV1.Release[]> {
  const parent = formatName('product', { product });
  return allPages(async (pageToken) => {
    const request = catalogV1.ListReleasesRequest.fromPartial({ parent, pageToken });
    const page = await catalog.listReleases(request);
    return { items: page.releases, next: page.nextPageToken };
  });
}

async function onlyProduct({ services }: Work): Promise<string> {
  const { products } = await services.catalog.listProducts({ pageSize: 20, pageToken: '' });
  const [only, ...others] = products.map((p) => lastPart(p.name));
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined) throw new UsageError('there is no product yet; "lastcall release publish" makes one');
  throw new UsageError(`there are several products (${[only, ...others].join(', ')}); name one with --product`);
}

async function show(work: Work, _: object, product: string, version: string): Promise<void> {
  const { release } = await work.services.catalog.getRelease({ name: formatName('release', { product, version }) });
  if (!release) return;
  work.print(catalogV1.Release.toJSON(release), () => releaseText(release));
}

function releaseText(release: catalogV1.Release): string {
  const zone = ownZone();
  return fields([
    ['Product', release.product],
    ['Version', release.version],
    ['Title', release.title],
    ['State', releaseStateWord(release.state)],
    ['Published', time(release.publishTime, zone)],
    ['Withdrawn', release.withdrawReason],
    ['Updates from', release.updatesFrom === '' ? 'any version' : `${release.updatesFrom} or later`],
    ['Required first', release.requiredVersions.join(', ')],
    ['Files', release.artifacts.map(artifactText).join('\n')],
    ['Notes', release.notes],
  ]);
}

function artifactText({ role, platform, files }: catalogV1.Artifact): string {
  const size = files.reduce((sum, f) => sum + f.sizeBytes, 0n);
  const content = files.length === 0 ? '' : `: ${count(files.length, 'file')}, ${bytes(size)}`;
  return `${roleWord(role ?? commonV1.HostRole.UNSPECIFIED)} on ${platform}${content}`;
}

async function withdraw(work: Work, { reason }: { reason: string }, product: string, version: string): Promise<void> {
  const name = formatName('release', { product, version });
  const { release } = await work.services.catalog.withdrawRelease({ name, reason });
  if (release) work.print(catalogV1.Release.toJSON(release), () => `withdrew ${product} ${version}\n`);
}

interface ExportOptions {
  readonly product?: string;
  readonly channel: string;
}

async function exportTo(work: Work, options: ExportOptions, folder: string): Promise<void> {
  const product = options.product ?? (await onlyProduct(work));
  const versions = await offeredVersions(work, product, options.channel);
  const progress = createProgress(work);
  const offered = new Map([[product, versions]]);
  const exported = await exportReleases(work.services.connection, resolve(folder), offered, (files, size) =>
    progress.bar(`fetching ${count(files, 'file')}`, size, bytes),
  );
  const until = time(new Date(exported.validUntil), ownZone());
  work.print(exported, () =>
    fields([
      ['Releases', String(exported.releases)],
      ['Files', String(exported.files)],
      ['Fetched', bytes(exported.fetchedBytes)],
      ['Valid until', `${until}; export again before`],
      ['Web space', `copy ${folder}/blobs and ${folder}/tuf/targets first, tuf/timestamp.json last`],
    ]),
  );
}

/** Up to the newest of the channel; the versions before it may be needed on the way. */
async function offeredVersions({ services }: Work, product: string, channel: string): Promise<ReadonlySet<string>> {
  const { channels } = await services.catalog.listChannels({ parent: formatName('product', { product }) });
  const newest = channels.find(({ name }) => lastPart(name) === channel)?.version ?? '';
  if (newest === '')
    throw new UsageError(`channel ${channel} of ${product} offers no release; name another with --channel`);
  const published = (await releasesOf(services, product)).filter((r) => releaseStateWord(r.state) === 'published');
  const versions = published.map(({ version }) => version);
  return new Set(versions.slice(versions.indexOf(newest)));
}
