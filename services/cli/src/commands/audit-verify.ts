import {
  beginChain,
  checkEnd,
  EXIT,
  followChain,
  operationsV1,
  type ChainedRecord,
  type ChainFinding,
  type ChainHead,
  type ServiceName,
} from '@lastcall/contracts';
import type { Command } from 'commander';
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Cli } from '../define.js';
import { FileProblems, UsageError } from '../failures.js';
import { createProgress } from '../render/progress.js';
import { count } from '../render/text.js';
import { lastPart } from '../render/words.js';
import type { Work } from '../work.js';
import { auditRecords } from './audit-records.js';

/*
 * `audit verify`: every chain is computed again here, from its first record, so that the server is not asked whether it is right. A
 * chain whose end was cut off, or that was written anew from some place on, is only told apart by a head that was kept elsewhere.
 */

interface Options {
  readonly file?: string;
  readonly heads?: string;
}

interface Verified {
  readonly head: ChainHead;
  readonly records: number;
  readonly findings: readonly ChainFinding[];
}

type Source = (service: ServiceName) => AsyncIterable<readonly operationsV1.AuditRecord[]>;

const SERVICES: readonly ServiceName[] = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];
/** Findings that are kept of one service; one mishap may be behind all of them. */
const MAX_FINDINGS = 100;
const SAY_EACH = 50_000;

export function addAuditVerify(cli: Cli, noun: Command): void {
  cli.define<Options>(
    noun,
    {
      use: 'verify',
      does: 'Computes the chain of every service again and names each record that was removed, changed, put in or moved',
      example: 'lastcall audit verify --heads /mnt/elsewhere/audit-heads.json',
      options: (command) =>
        command
          .option('--file <file>', 'verify this export of all records instead of the server')
          .option('--heads <file>', 'compare with the ends of the chains in this file, and keep the new ones there'),
    },
    verify,
  );
}

async function verify(work: Work, { file, heads }: Options): Promise<number> {
  const kept = heads === undefined ? [] : await readHeads(heads);
  const progress = createProgress(work);
  const source = file === undefined ? serverSource(work) : fileSource(file);
  const all: Verified[] = [];
  for (const service of SERVICES) {
    const head = kept.find((one) => one.service === service);
    all.push(
      await verifyChain(service, head, source(service), (n) => progress.say(`${service}: ${count(n, 'record')}`)),
    );
  }
  const findings = all.flatMap(({ head, findings: of }) => of.map((found) => ({ service: head.service, ...found })));
  const isGood = findings.length === 0;
  const chains = all.map(({ head, records }) => ({ service: head.service, records, head: head.chain }));
  work.print({ verified: isGood, chains, findings }, () => textOf(all));
  if (isGood && heads !== undefined)
    await writeFile(
      heads,
      `${JSON.stringify(
        all.map((one) => one.head),
        null,
        2,
      )}\n`,
    );
  return isGood ? EXIT.done : EXIT.failed;
}

async function verifyChain(
  service: ServiceName,
  kept: ChainHead | undefined,
  pages: AsyncIterable<readonly operationsV1.AuditRecord[]>,
  say: (records: number) => void,
): Promise<Verified> {
  const findings: ChainFinding[] = [];
  let head = beginChain(service);
  let records = 0;
  for await (const page of pages) {
    for (const record of page) {
      const step = followChain(head, chained(record));
      head = step.head;
      if (step.finding) findings.push(step.finding);
      const other = kept && head.sequence === kept.sequence && head.chain !== kept.chain;
      if (other && !step.finding) findings.push(rewritten(record));
    }
    const before = records;
    records += page.length;
    if (Math.floor(records / SAY_EACH) > Math.floor(before / SAY_EACH)) say(records);
  }
  const end = kept && checkEnd(head, kept);
  if (end) findings.push(end);
  return { head, records, findings: findings.slice(0, MAX_FINDINGS) };
}

function rewritten({ name }: operationsV1.AuditRecord): ChainFinding {
  const text = `${lastPart(name)} has another hash than when its head was kept: it or records before it were written anew`;
  return { what: 'changed', text };
}

function chained(record: operationsV1.AuditRecord): ChainedRecord {
  const { name, createTime, actor, method, resource, reason, changes, chain } = record;
  return { id: lastPart(name), at: createTime?.getTime() ?? 0, actor, method, resource, reason, changes, chain };
}

/** Service by service: the records of one are in order while others write. */
function serverSource(work: Work): Source {
  return (service) => auditRecords(work, operationsV1.AuditQuery.fromPartial({ service, oldestFirst: true }));
}

function fileSource(file: string): Source {
  return async function* (service) {
    const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
    let number = 0;
    for await (const line of lines) {
      number++;
      if (line.trim() === '') continue;
      const record = recordOf(line, file, number);
      if (lastPart(record.name).replace(/-\d*$/, '') === service) yield [record];
    }
  };
}

function recordOf(line: string, file: string, number: number): operationsV1.AuditRecord {
  try {
    return operationsV1.AuditRecord.fromJSON(JSON.parse(line) as object);
  } catch {
    throw new FileProblems([
      { file, line: number, rule: 'is no audit record; write the file with "lastcall audit export"' },
    ]);
  }
}

async function readHeads(file: string): Promise<readonly ChainHead[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '[]'; // The first time there is none.
    throw error;
  });
  try {
    const heads = JSON.parse(text) as unknown;
    if (Array.isArray(heads) && heads.every(isHead)) return heads;
  } catch {
    // Said below, as for any other file that is none of ours.
  }
  throw new UsageError(`${file} holds no heads of audit chains; name another file with --heads`);
}

function isHead(value: unknown): value is ChainHead {
  const { service, sequence, chain } = (value ?? {}) as Record<string, unknown>;
  return typeof service === 'string' && Number.isSafeInteger(sequence) && typeof chain === 'string';
}

const REMEDY = [
  'What to do: keep the database and this output as they are; compare with the last "lastcall audit export" to see what stood there;',
  "find out who can write to that service's database (it is written by the service alone), and change its credentials.",
].join('\n');

function textOf(all: readonly Verified[]): string {
  const lines = all.map(({ head, records, findings }) => {
    const state = findings.length === 0 ? 'whole' : count(findings.length, 'finding');
    const found = findings.map(({ what, text }) => `\n  ${what}: ${text}`).join('');
    return records === 0 && findings.length === 0
      ? `${head.service}: no records here`
      : `${head.service}: ${count(records, 'record')}, ${state}, ends with ${head.chain.slice(0, 16)}…${found}`;
  });
  const isGood = all.every(({ findings }) => findings.length === 0);
  return `${lines.join('\n')}\n${isGood ? '' : `${REMEDY}\n`}`;
}
