import { formatName } from '@lastcall/contracts';
import type { Command } from 'commander';
import { resolve } from 'node:path';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { exportReleases } from '../publish/export-releases.js';
import { onlyProduct, releasesOf } from '../releases-of.js';
import { createProgress } from '../render/progress.js';
import { bytes, count, fields } from '../render/text.js';
import { ownZone, time } from '../render/time.js';
import { lastPart, releaseStateWord } from '../render/words.js';
import type { Work } from '../work.js';

export function addExport(cli: Cli, noun: Command): void {
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
  const published = (await releasesOf(services, product)).filter((r) => releaseStateWord(r.state) === 'published');
  const versions = published.map(({ version }) => version);
  const at = versions.indexOf(newest);
  if (at < 0) throw new UsageError(`channel ${channel} of ${product} offers no release; name another with --channel`);
  return new Set(versions.slice(at));
}
