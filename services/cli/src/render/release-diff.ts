import { commonV1, type catalogV1 } from '@lastcall/contracts';
import { bytes, count, table } from './text.js';
import { fileChangeWord, roleWord } from './words.js';

/* What changes from one release to another, for people. */

export function diffText(diff: catalogV1.DiffReleasesResponse): string {
  return [
    ...diff.artifacts.map(artifactText),
    `A host of each fetches ${bytes(diff.transferBytes)} in all.\n`,
    demands(
      diff.changesData ? 'data (it is migrated, so there is a backup before)' : 'data (it is not migrated)',
      diff.schema,
    ),
    demands('demand', diff.requirements),
    demands('command', diff.commands),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function artifactText(diff: catalogV1.ArtifactDiff): string {
  const name = `${roleWord(diff.role ?? commonV1.HostRole.UNSPECIFIED)} on ${diff.platform}`;
  const counts = [
    `${diff.added} added (${bytes(diff.addedBytes)})`,
    `${diff.changed} changed (${bytes(diff.changedBytes)})`,
    `${diff.removed} removed (${bytes(diff.removedBytes)})`,
    `${diff.unchanged} unchanged`,
    `${bytes(diff.transferBytes)} to fetch`,
  ];
  const head = `${name}: ${counts.join(', ')}\n`;
  if (diff.files.length === 0) return head;
  const rows = diff.files.map((file) => [
    ...[fileChangeWord(file.kind), bytes(file.bytesBefore), bytes(file.bytesAfter), file.path],
  ]);
  const more = diff.leftOut === 0 ? '' : `and ${count(diff.leftOut, 'file')} more\n`;
  return `${head}${table(['change', 'before', 'after', 'file'], rows)}${more}`;
}

/** Numbers of bytes are named so. */
function demands(heading: string, changes: readonly catalogV1.DemandChange[]): string {
  if (changes.length === 0) return '';
  const value = (name: string, text: string): string =>
    text !== '' && /\bbytes\b/.test(name) ? bytes(BigInt(text)) : text;
  const rows = changes.map(({ name, before, after }) => [
    ...[name.replace(/ bytes\b|\bbytes /, ''), value(name, before), value(name, after)],
  ]);
  return table([heading, 'before', 'after'], rows);
}
