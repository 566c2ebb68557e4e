import {
  CHAIN_START,
  chainOf,
  PERMISSIONS,
  type ChainedRecord,
  type Principal,
  type ServiceName,
} from '@lastcall/contracts';
import { Fault } from '@lastcall/kernel';
import type { Collection, Store } from '@lastcall/store';
import { orderOf } from '../events/dead-letters.js';

/*
 * Who changed what: one record for each permitted call that may change something, written before the call is carried out, so
 * that there is no change without its record. Each record carries a hash over itself and the one before it; a record that was
 * changed or taken out breaks the chain.
 */

export interface AuditRecord extends ChainedRecord {
  readonly order: string;
}

export type AuditedCall = Pick<AuditRecord, 'actor' | 'method' | 'resource' | 'reason' | 'changes'>;

export interface AuditPage {
  /** Of the answer. */
  readonly limit: number;
  readonly oldestFirst: boolean;
  /** `order` of the last record of the page before. */
  readonly after?: string | undefined;
  readonly from?: number | undefined;
  readonly until?: number | undefined;
  readonly matches: (record: AuditRecord) => boolean;
}

export interface AuditSlice {
  readonly records: readonly AuditRecord[];
  /** How far was looked; absent at the end. There may be fewer records than asked for, or none. */
  readonly reached?: string;
}

export interface AuditTrail {
  record(call: AuditedCall): Promise<void>;
  list(page: AuditPage): Promise<AuditSlice>;
}

type RecordData = Omit<AuditRecord, 'id'> & { readonly sequence: number };

const ATTEMPTS = 50;
/** Records that are looked at for one page of those that match. */
const MAX_SCANNED = 10_000;
const SCAN = 1_000;
const READS = /\/(Get|List|Count|Check|Advise|Watch|WaitFor)[^/]*$/;

/** Whether a call may change something, or the table says so. Streams are not one change; what is said on them has its own records. */
export function isAudited(method: { readonly path: string; readonly requestStream: boolean }): boolean {
  const permission = PERMISSIONS.get(method.path);
  const isAsked = permission?.audited ?? !READS.test(method.path);
  return !method.requestStream && isAsked && permission?.scope !== 'public';
}

export function auditedCall(method: string, principal: Principal | undefined, request: unknown): AuditedCall {
  return { actor: principal?.subject ?? '', method, resource: resourceOf(request), reason: textOf(request, 'reason') };
}

function textOf(value: unknown, key: string): string {
  const text = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  // Well formed also where it was cut: the record is hashed as it is sent.
  return typeof text === 'string' ? text.slice(0, 4_000).toWellFormed() : '';
}

function resourceOf(request: unknown): string {
  const own = textOf(request, 'name') || textOf(request, 'parent');
  if (own !== '' || typeof request !== 'object' || request === null) return own;
  return Object.values(request).reduce<string>((found, value) => found || textOf(value, 'name'), '');
}

export async function openAuditTrail(service: ServiceName, store: Store): Promise<AuditTrail> {
  const records: Collection<RecordData> = await store.collection<RecordData>({
    name: 'audit',
    fields: ({ sequence, order }) => ({ sequence, order }),
    indexes: [
      { name: 'sequence', fields: ['sequence'] },
      { name: 'newest', fields: ['order'] },
    ],
  });
  let queue: Promise<void> = Promise.resolve();
  return {
    // One after the other: each needs the hash of the one before it.
    record: (call) => {
      const written = queue.then(() => append(service, records, call));
      queue = written.catch(() => undefined);
      return written;
    },
    list: (page) => listRecords(records, page),
  };
}

async function listRecords(records: Collection<RecordData>, page: AuditPage): Promise<AuditSlice> {
  const found: AuditRecord[] = [];
  let after = page.after;
  for (let scanned = 0; scanned < MAX_SCANNED; scanned += SCAN) {
    const order = page.oldestFirst ? 'ascending' : 'descending';
    const range = { field: 'order', ...boundsOf({ ...page, after }) };
    const { items } = await records.query({ index: 'newest', order, limit: SCAN, range });
    for (const [place, { id, data }] of items.entries()) {
      const record = { id, ...data };
      if (page.matches(record)) found.push(record);
      const isMore = place + 1 < items.length || items.length === SCAN;
      if (found.length === page.limit) return { records: found, ...(isMore && { reached: data.order }) };
    }
    if (items.length < SCAN) return { records: found };
    after = items.at(-1)?.data.order;
  }
  return { records: found, ...(after !== undefined && { reached: after }) };
}

/** Orders begin with the time, so a time alone is before all records of it; they differ before their end, so one sign more is right after. */
function boundsOf({ after, from, until, oldestFirst }: AuditPage): { from: string; below: string } {
  const times = { from: orderOf(from ?? 0, ''), below: until === undefined ? '~' : orderOf(until, '') };
  if (after === undefined) return times;
  if (oldestFirst) return { ...times, from: larger(`${after}!`, times.from) };
  return { ...times, below: larger(after, times.below) === after ? times.below : after };
}

function larger(a: string, b: string): string {
  return a > b ? a : b;
}

/** Takes the next number; when another replica was quicker, the one after it. */
async function append(service: ServiceName, records: Collection<RecordData>, call: AuditedCall): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { items } = await records.query({ index: 'sequence', order: 'descending', limit: 1 });
    const last = items[0]?.data;
    const sequence = (last?.sequence ?? 0) + 1;
    const id = `${service}-${String(sequence).padStart(12, '0')}`;
    const written = await records.change<boolean>(id, (current, { now }) => {
      if (current) return { keep: false };
      const at = Math.max(now, last?.at ?? 0);
      const chain = chainOf(last?.chain ?? CHAIN_START, { id, at, ...call });
      return { write: { ...call, sequence, at, chain, order: orderOf(at, id) }, result: true };
    });
    if (written) return;
  }
  throw new Fault('the audit record could not be written: too many wrote at the same time');
}
