import { operationsV1 } from '@lastcall/contracts';
import type { Command } from 'commander';
import { writeFile } from 'node:fs/promises';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { wholeOption } from '../option-values.js';
import { count, table } from '../render/text.js';
import { instantOf, ownZone, timeIn } from '../render/time.js';
import { lastPart } from '../render/words.js';
import type { Work } from '../work.js';
import { auditRecords } from './audit-records.js';
import { addAuditVerify } from './audit-verify.js';

/* `audit`: who changed what. */

interface Filters {
  readonly actor?: string;
  readonly method?: string;
  readonly resource?: string;
  readonly installation?: string;
  readonly service?: string;
  readonly from?: string;
  readonly until?: string;
}

export function addAudit(cli: Cli): void {
  const noun = cli.noun('audit', 'Who changed what: one record for each call that may change something, hash-chained');
  cli.define<Filters & { limit?: string }>(
    noun,
    {
      use: 'list',
      does: 'Lists audit records, newest first',
      example: 'lastcall audit list --actor mia --method UpdateJob -i berlin --from 2026-12-01T00:00',
      options: (command) => withFilters(command).option('--limit <n>', 'records at most, 1 to 100000 (default: 100)'),
    },
    list,
  );
  addAuditVerify(cli, noun);
  cli.define<Filters & { out?: string }>(
    noun,
    {
      use: 'export',
      does: 'Writes audit records as JSON lines, oldest first; all of them can be verified without the server',
      example: 'lastcall audit export --out audit-2026.jsonl',
      options: (command) =>
        withFilters(command).option(
          '--out <file>',
          'write them to this file, readable by you only, instead of showing them',
        ),
    },
    exportRecords,
  );
}

function withFilters(command: Command): Command {
  return command
    .option('--actor <subject>', 'only what this credential did')
    .option('--method <method>', 'only this method, such as CreateJob')
    .option('--resource <name>', 'only this resource and what is beneath it')
    .option('-i, --installation <id>', 'only what concerns this installation')
    .option('--service <name>', 'only what this service recorded')
    .option('--from <time>', 'not before, such as 2026-12-24T22:00 on the clock of this machine')
    .option('--until <time>', 'before');
}

function queryOf(options: Filters, oldestFirst: boolean): operationsV1.AuditQuery {
  const { actor = '', method = '', resource = '', installation = '', service = '', from, until } = options;
  return operationsV1.AuditQuery.fromPartial({
    ...{ actor, method, resource, service, oldestFirst },
    installation: lastPart(installation),
    from: from === undefined ? undefined : instantOption('--from', from),
    until: until === undefined ? undefined : instantOption('--until', until),
  });
}

function instantOption(option: string, text: string): Date {
  const instant = instantOf(text, ownZone());
  if (instant) return instant;
  throw new UsageError(`${option} is ${JSON.stringify(text)}; write a time such as 2026-12-24T22:00`);
}

async function list(work: Work, options: Filters & { limit?: string }): Promise<void> {
  const limit = wholeOption('--limit', options.limit, 1, 100_000) ?? 100;
  const found: operationsV1.AuditRecord[] = [];
  for await (const page of auditRecords(work, queryOf(options, false))) {
    found.push(...page);
    if (found.length >= limit) break;
  }
  const records = found.slice(0, limit);
  const zone = ownZone();
  work.print(operationsV1.ListAuditRecordsResponse.toJSON({ auditRecords: records, nextPageToken: '' }), () =>
    table(
      [`time (${zone})`, 'actor', 'method', 'resource', 'reason', 'changes', 'record'],
      records.map((r) => [
        timeIn(r.createTime, zone),
        r.actor,
        lastPart(r.method),
        r.resource,
        r.reason,
        changesText(r.changes),
        lastPart(r.name),
      ]),
      'no records',
    ),
  );
}

/** `title: "Nightly" -> "Weekly"`; `remarks: "new"` where nothing was; `state was "ENABLED"` where the record does not say what came. */
function changesText(changes: string): string {
  try {
    const fields = Object.entries(JSON.parse(changes || '{}') as Record<string, { before?: unknown; after?: unknown }>);
    return fields.map(([name, { before, after }]) => changeText(name, before, after)).join('; ');
  } catch {
    return changes; // Not ours, or of a later version: shown as it is.
  }
}

function changeText(name: string, before: unknown, after: unknown): string {
  if (before === undefined) return `${name}: ${JSON.stringify(after)}`;
  if (after === undefined) return `${name} was ${JSON.stringify(before)}`;
  return `${name}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`;
}

async function exportRecords(work: Work, options: Filters & { out?: string }): Promise<void> {
  const { out } = options;
  let written = 0;
  if (out !== undefined) await writeFile(out, '', { mode: 0o600 });
  for await (const page of auditRecords(work, queryOf(options, true))) {
    const lines = page.map((record) => `${work.compact(operationsV1.AuditRecord.toJSON(record))}\n`).join('');
    written += page.length;
    if (out === undefined) work.io.out.write(lines);
    else await writeFile(out, lines, { flag: 'a' });
  }
  if (out !== undefined) work.print({ file: out, records: written }, () => `${count(written, 'record')} in ${out}\n`);
}
