import { PERMISSIONS, type Principal, type ServiceName } from '@lastcall/contracts';
import { Fault, sha256Hex } from '@lastcall/kernel';
import type { Collection, Store } from '@lastcall/store';
import { orderOf } from '../events/dead-letters.js';

/*
 * Who changed what: one record for each permitted call that may change something, written before the call is carried out, so
 * that there is no change without its record. Each record carries a hash over itself and the one before it; a record that was
 * changed or taken out breaks the chain.
 */

export interface AuditRecord {
  readonly id: string;
  readonly at: number;
  readonly actor: string;
  readonly method: string;
  readonly resource: string;
  readonly reason: string;
  readonly chain: string;
  readonly order: string;
}

export type AuditedCall = Pick<AuditRecord, 'actor' | 'method' | 'resource' | 'reason'>;

export interface AuditTrail {
  record(call: AuditedCall): Promise<void>;
  /** Newest first, those before `below`. */
  list(limit: number, below: string | undefined): Promise<readonly AuditRecord[]>;
}

type RecordData = Omit<AuditRecord, 'id'> & { readonly sequence: number };

const ATTEMPTS = 50;
const READS = /\/(Get|List|Count|Check|Advise|Watch|WaitFor)[^/]*$/;
const START = sha256Hex('lastcall audit');

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
  return typeof text === 'string' ? text.slice(0, 4_000) : '';
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
    list: async (limit, below) => {
      const range = below === undefined ? {} : { range: { field: 'order', below } };
      const { items } = await records.query({ index: 'newest', order: 'descending', limit, ...range });
      return items.map(({ id, data }) => ({ id, ...data }));
    },
  };
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
      const chain = chainOf(last?.chain ?? START, id, at, call);
      return { write: { ...call, sequence, at, chain, order: orderOf(at, id) }, result: true };
    });
    if (written) return;
  }
  throw new Fault('the audit record could not be written: too many wrote at the same time');
}

/** SHA-256 over the chain before and the fields of this record, in this order. */
export function chainOf(before: string, id: string, at: number, call: AuditedCall): string {
  const { actor, method, resource, reason } = call;
  return sha256Hex(JSON.stringify([before, id, at, actor, method, resource, reason]));
}
