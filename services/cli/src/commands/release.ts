import { catalogV1, commonV1, formatName } from '@lastcall/contracts';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { onlyProduct, releasesOf } from '../releases-of.js';
import { diffText } from '../render/release-diff.js';
import { bytes, count, fields, oneLine, table } from '../render/text.js';
import { ownZone, time, timeIn } from '../render/time.js';
import { lastPart, releaseStateWord, roleWord } from '../render/words.js';
import type { Work } from '../work.js';
import { addPublishing } from './release-publish.js';
import { addRollBack } from './roll-back.js';

export function addRelease(cli: Cli): void {
  const noun = cli.noun('release', 'Versions of products');
  addPublishing(cli, noun);
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
  cli.define(
    noun,
    {
      use: 'diff <product> <from> <to>',
      does: 'Says what changes from one release to another: files, bytes to fetch, data, demands',
      example: 'lastcall release diff encore 11.0.0 11.1.0',
    },
    diff,
  );
  cli.define<{ channel: string }>(
    noun,
    {
      use: 'promote <product> <version>',
      does: 'Puts a published release into another line of releases as well',
      example: 'lastcall release promote encore 11.1.0 --channel stable',
      options: (command) => command.requiredOption('--channel <channel>', 'line of releases to put it into'),
    },
    promote,
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
  addRollBack(cli, noun);
}

async function list(work: Work, options: { product?: string }): Promise<void> {
  const releases = await releasesOf(work.services, options.product ?? (await onlyProduct(work)));
  const zone = ownZone();
  const row = (r: catalogV1.Release) => [r.version, releaseStateWord(r.state), timeIn(r.publishTime, zone), r.title];
  work.print(catalogV1.ListReleasesResponse.toJSON({ releases, nextPageToken: '' }), () =>
    table(['version', 'state', `published (${zone})`, 'title'], releases.map(row), 'no releases'),
  );
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
    ['Actions', release.actions.map((a) => `${a.id} on every ${roleWord(a.role)}: ${oneLine(a.title)}`).join('\n')],
    ['Notes', release.notes],
  ]);
}

function artifactText({ role, platform, files }: catalogV1.Artifact): string {
  const size = files.reduce((sum, f) => sum + f.sizeBytes, 0n);
  const content = files.length === 0 ? '' : `: ${count(files.length, 'file')}, ${bytes(size)}`;
  return `${roleWord(role ?? commonV1.HostRole.UNSPECIFIED)} on ${platform}${content}`;
}

async function diff(work: Work, _: object, product: string, fromVersion: string, toVersion: string): Promise<void> {
  const parent = formatName('product', { product });
  const found = await work.services.catalog.diffReleases({ parent, fromVersion, toVersion });
  work.print(catalogV1.DiffReleasesResponse.toJSON(found), () => diffText(found));
}

/** A draft is published by who has its files. */
async function promote(work: Work, { channel }: { channel: string }, product: string, version: string): Promise<void> {
  const name = formatName('release', { product, version });
  const { catalog } = work.services;
  const { release: found } = await catalog.getRelease({ name });
  if (found?.state === catalogV1.ReleaseState.DRAFT) {
    throw new UsageError(`${version} is a draft; publish it first: lastcall release publish <folder>`);
  }
  const { release } = await catalog.publishRelease({ name, channel });
  const { channels } = await catalog.listChannels({ parent: formatName('product', { product }) });
  const head = channels.find((c) => lastPart(c.name) === channel)?.version ?? '';
  const newer = head === version ? '' : `; its newest is ${head}, which stays so`;
  if (release) {
    work.print(catalogV1.Release.toJSON(release), () => `${product} ${version} is in ${channel}${newer}\n`);
  }
}

async function withdraw(work: Work, { reason }: { reason: string }, product: string, version: string): Promise<void> {
  const name = formatName('release', { product, version });
  const { release, stillListed } = await work.services.catalog.withdrawRelease({ name, reason });
  if (!release) return;
  work.print(
    catalogV1.Release.toJSON(release),
    () => `withdrew ${product} ${version}; planned jobs that name it are being disabled\n`,
  );
  if (stillListed) {
    work.note(
      'the list that people signed still names it: hosts refuse it from their next look on, because the catalog’s own keys say so; "lastcall keys renew --keys KEYS" takes it out of the list',
    );
  }
}
