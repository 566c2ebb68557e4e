import { formatName, type catalogV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { confirmOr } from '../ask.js';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { OperationFailed, UsageError } from '../failures.js';
import { exportReleases } from '../mirror/export-releases.js';
import { importMirror } from '../mirror/import-mirror.js';
import { readMirror, type MirrorFolder } from '../mirror/read-mirror.js';
import { releasesOf } from '../releases-of.js';
import { createProgress } from '../render/progress.js';
import { bytes, count, fields } from '../render/text.js';
import { ownZone, time } from '../render/time.js';
import { lastPart, releaseStateWord } from '../render/words.js';
import type { Work } from '../work.js';

/* Releases for who does not reach the catalog: as a folder or a stick to a site without internet, or as a folder for any web space. */

export function addMirror(cli: Cli): void {
  const noun = cli.noun('mirror', 'releases for a site without internet, and for single seats: a folder or a stick');
  cli.define<ExportOptions>(
    noun,
    {
      use: 'export',
      does: 'Writes what a channel offers, signed, into a folder that is imported elsewhere, or from which single seats are updated; only what is not there yet',
      example: 'lastcall mirror export --to /media/stick --product encore',
      options: (command) =>
        command
          .requiredOption('--to <folder>', 'where; the same folder again and again')
          .option('--product <product...>', 'products (default: all that the channel offers something of)')
          .option('--channel <channel>', 'line of releases: nothing newer than its newest', 'stable')
          .option('--only <version...>', 'of these, only the versions named'),
    },
    exportTo,
  );
  cli.define<ImportOptions>(
    noun,
    {
      use: 'import',
      does: 'Takes over what another catalog has signed, verified as hosts do it; the first import makes this catalog the mirror of that one for good',
      example: 'lastcall mirror import --from /media/stick',
      options: (command) =>
        command
          .requiredOption('--from <folder>', 'folder of "mirror export"')
          .option('--channel <channel>', 'channel to put new releases into', 'stable')
          .option('--root <file-or-sha256>', 'first import: whom to believe, the root or its fingerprint'),
    },
    importFrom,
  );
  cli.define(
    noun,
    {
      use: 'show',
      does: 'Shows what this catalog mirrors, and until when hosts accept it',
      example: 'lastcall mirror show',
    },
    show,
  );
}

interface ExportOptions {
  readonly to: string;
  readonly product?: string[];
  readonly channel: string;
  readonly only?: string[];
}

async function exportTo(work: Work, options: ExportOptions): Promise<void> {
  const { to } = options;
  const progress = createProgress(work);
  const offered = await offeredVersions(work, options);
  const exported = await exportReleases(work.services.connection, resolve(to), offered, (files, size) =>
    progress.bar(`fetching ${count(files, 'file')}`, size, bytes),
  );
  work.print(exported, () =>
    fields([
      ['Releases', String(exported.releases)],
      ['Files', String(exported.files)],
      ['Fetched', bytes(exported.fetchedBytes)],
      ['Root', `${exported.root}; the first import asks for it`],
      ['Good until', `${time(new Date(exported.validUntil), ownZone())}; export again before`],
      ['Web space', `copy ${to}/blobs and ${to}/tuf/targets first, tuf/timestamp.json last`],
    ]),
  );
}

async function offeredVersions(work: Work, options: ExportOptions): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const offered = new Map<string, ReadonlySet<string>>();
  for (const product of options.product ?? (await allProducts(work))) {
    const versions = await versionsOf(work, product, options.channel);
    const wanted = versions.filter((version) => options.only?.includes(version) ?? true);
    if (wanted.length > 0) offered.set(product, new Set(wanted));
    else if (options.product) throw nothingIn(options.channel, product, options.only);
  }
  if (offered.size === 0) throw nothingIn(options.channel, 'any product', options.only);
  return offered;
}

function nothingIn(channel: string, product: string, only: readonly string[] = []): UsageError {
  const which = only.length === 0 ? 'no release' : `none of ${only.join(', ')}`;
  return new UsageError(`channel ${channel} of ${product} offers ${which}; name another with --channel`);
}

async function allProducts({ services }: Work): Promise<string[]> {
  const products = await allPages(async (pageToken) => {
    const page = await services.catalog.listProducts({ pageSize: 0, pageToken });
    return { items: page.products, next: page.nextPageToken };
  });
  return products.map(({ name }) => lastPart(name));
}

/** Up to the newest of the channel; the versions before it may be needed on the way. */
async function versionsOf({ services }: Work, product: string, channel: string): Promise<string[]> {
  const { channels } = await services.catalog.listChannels({ parent: formatName('product', { product }) });
  const newest = channels.find(({ name }) => lastPart(name) === channel)?.version ?? '';
  const published = (await releasesOf(services, product)).filter((r) => releaseStateWord(r.state) === 'published');
  const versions = published.map(({ version }) => version);
  const at = versions.indexOf(newest);
  return at < 0 ? [] : versions.slice(at);
}

interface ImportOptions {
  readonly from: string;
  readonly channel: string;
  readonly root?: string;
}

async function importFrom(work: Work, { from, channel, root }: ImportOptions): Promise<void> {
  const folder = await readMirror(resolve(from));
  const { mirror } = await work.services.catalog.getMirror({});
  const pinned = root === undefined && mirror ? '' : await rootToPin(work, folder, root);
  const imported = await importMirror(work.services, folder, { root: pinned, channel }, createProgress(work));
  work.print(imported, () =>
    fields([
      ['Published', imported.published.map(releaseOf).join('\n') || 'nothing new'],
      ['Withdrawn', imported.withdrawn.map(releaseOf).join('\n')],
      ...mirrorFields(imported.mirror),
    ]),
  );
}

/** `products/encore/releases/11.0.0` for people. */
function releaseOf(name: string): string {
  const [, product, , version] = name.split('/');
  return `${product} ${version}`;
}

const FINGERPRINT = /^[0-9a-f]{64}$/;

/** Its fingerprint. Whoever pins says so: with the option, or by comparing what is in the folder with what was told on another way. */
async function rootToPin(work: Work, folder: MirrorFolder, root: string | undefined): Promise<string> {
  if (root !== undefined && FINGERPRINT.test(root)) return root;
  if (root !== undefined) {
    const bytes = await readFile(root).catch((cause: unknown) => {
      throw new UsageError(`--root ${root} is neither a file that can be read nor 64 hexadecimal digits`, { cause });
    });
    return sha256Hex(bytes);
  }
  const question = `This catalog will believe whoever has the root with the fingerprint\n  ${folder.root}\nand no other, for good. Is it the one that "lastcall mirror export" said at the first catalog?`;
  if (await confirmOr(work, question, '--root')) return folder.root;
  throw new OperationFailed('nothing was imported: the root was not confirmed');
}

async function show(work: Work): Promise<void> {
  const { mirror } = await work.services.catalog.getMirror({});
  work.print({ mirror }, () =>
    mirror ? fields(mirrorFields(mirror)) : 'This catalog signs by itself; it mirrors no other one.\n',
  );
}

function mirrorFields(mirror: catalogV1.Mirror | undefined): [string, string | undefined][] {
  const until = time(mirror?.expireTime, ownZone());
  return [
    ['Root', mirror && `version ${mirror.rootVersion}, pinned ${mirror.pinnedRoot}`],
    ['Publication', mirror && String(mirror.timestampVersion)],
    ['Imported', time(mirror?.importTime, ownZone())],
    ['Good until', until && `${until}; import again before`],
  ];
}
