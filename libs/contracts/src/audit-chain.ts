import { sha256Hex } from '@lastcall/kernel';

/*
 * The chain of audit records, for the services that write it and for everybody who checks it: each record carries a hash over itself and
 * the one before it. Each service has a chain of its own, whose records are numbered in their ids. The hashes need no secret: who
 * can write all of a database can write a whole new chain, and only a head that was kept elsewhere shows that.
 */

export interface ChainedRecord {
  /** `scheduler-000000000012`. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly actor: string;
  readonly method: string;
  readonly resource: string;
  readonly reason: string;
  /** JSON; absent where nothing is known. */
  readonly changes?: string | undefined;
  readonly chain: string;
}

/** What the first record of a chain follows. */
export const CHAIN_START = sha256Hex('lastcall audit');

/** SHA-256 over the chain before and the fields of this record, in this order; records of before there were changes have one less. */
export function chainOf(before: string, record: Omit<ChainedRecord, 'chain'>): string {
  const { id, at, actor, method, resource, reason, changes } = record;
  const fields = [before, id, at, actor, method, resource, reason];
  return sha256Hex(JSON.stringify(changes ? [...fields, changes] : fields));
}

/** The last record that was seen of a chain. */
export interface ChainHead {
  readonly service: string;
  /** 0: none yet. */
  readonly sequence: number;
  readonly chain: string;
}

export interface ChainFinding {
  readonly what: 'removed' | 'changed' | 'out-of-place' | 'inserted';
  readonly text: string;
}

export function beginChain(service: string): ChainHead {
  return { service, sequence: 0, chain: CHAIN_START };
}

export function recordId({ service }: Pick<ChainHead, 'service'>, sequence: number): string {
  return `${service}-${String(sequence).padStart(12, '0')}`;
}

/** One step along a chain, oldest first. What is found is told once: the records behind it are checked against what is there. */
export function followChain(head: ChainHead, record: ChainedRecord): { head: ChainHead; finding?: ChainFinding } {
  const sequence = sequenceOf(head, record.id);
  const last = recordId(head, head.sequence);
  if (sequence === undefined) {
    return { head, finding: { what: 'inserted', text: `${record.id} is no record of this chain` } };
  }
  if (sequence <= head.sequence) {
    return { head, finding: { what: 'out-of-place', text: `${record.id} was found behind ${last}` } };
  }
  const next = { ...head, sequence, chain: record.chain };
  const missing = sequence - head.sequence - 1;
  if (missing > 0) return { head: next, finding: { what: 'removed', text: gone(head, sequence - 1) } };
  if (chainOf(head.chain, record) === record.chain) return { head: next };
  const before = head.sequence === 0 ? '' : `, or ${last} was and given a new hash`;
  return {
    head: next,
    finding: { what: 'changed', text: `${record.id} is not what was written: it was changed${before}` },
  };
}

/** What a head that was kept earlier says of the chain as it ends now. */
export function checkEnd(end: ChainHead, kept: ChainHead): ChainFinding | undefined {
  if (end.sequence >= kept.sequence) return undefined;
  return { what: 'removed', text: `${gone(end, kept.sequence)} at the end of the chain` };
}

function gone(head: ChainHead, last: number): string {
  const first = recordId(head, head.sequence + 1);
  return head.sequence + 1 === last ? `${first} is gone` : `${first} to ${recordId(head, last)} are gone`;
}

function sequenceOf(head: ChainHead, id: string): number | undefined {
  const digits = /^[a-z]+-(\d{12})$/.exec(id)?.[1];
  const sequence = digits === undefined ? 0 : Number(digits);
  return sequence > 0 && id === recordId(head, sequence) ? sequence : undefined;
}
