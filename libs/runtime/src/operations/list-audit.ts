import { installationOf, operationsV1, type ServiceName } from '@lastcall/contracts';
import {
  checkId,
  checkRange,
  collect,
  invalid,
  isRejected,
  LIMITS,
  type Rejected,
  type Violation,
} from '@lastcall/kernel';
import { orderOf } from '../events/dead-letters.js';
import type { AuditPage, AuditRecord, AuditTrail } from './audit-trail.js';
import { checkService } from './check-service.js';
import { checkToken, placeOf, tokenOf } from './page-tokens.js';
import { askPeer, othersThan, type Peers } from './peers.js';

/*
 * Audit records of all services as one list, those of other processes too. Each service says how far it looked; what is beyond the nearest of
 * these places waits for the next page, so that nothing is passed over.
 */

export interface Audited {
  readonly name: ServiceName;
  readonly audit: AuditTrail;
}

type Request = operationsV1.ListAuditRecordsRequest;

const MAX_CHARS = 4_000;
/** A message holds 1 MiB. */
const MAX_PAGE_BYTES = 900 * 1024;

/** A record, and its place among those of all services. */
interface Placed {
  readonly order: string;
  readonly record: operationsV1.AuditRecord;
}

interface Slice {
  readonly records: readonly Placed[];
  /** Absent: there is nothing beyond. */
  readonly reached?: string;
}

export async function listAudit(
  services: readonly Audited[],
  peers: Peers,
  request: Request,
): Promise<operationsV1.ListAuditRecordsResponse | Rejected> {
  const { pageSize, pageToken, ownProcess, query = operationsV1.AuditQuery.create() } = request;
  const limit = pageSize === 0 ? LIMITS.defaultPageSize : pageSize;
  const wrong = [
    checkRange('page_size', limit, 1, LIMITS.pageSize, 'a page'),
    checkToken(pageToken),
    ...checkQuery(query),
  ].filter((v) => v !== undefined);
  if (wrong.length > 0) return invalid(wrong);
  const page: AuditPage = {
    limit,
    oldestFirst: query.oldestFirst,
    after: placeOf(pageToken),
    from: query.from?.getTime(),
    until: query.until?.getTime(),
    matches: (record) => isMeant(record, query),
  };
  const isAsked = (name: ServiceName): boolean => query.service === '' || query.service === name;
  const others = ownProcess ? [] : othersThan(services).filter(isAsked);
  const slices = await Promise.all([
    ...services.filter(({ name }) => isAsked(name)).map(({ audit }) => ownSlice(audit, page)),
    ...others.map((service) => peerSlice(service, peers, { pageSize: limit, pageToken, query, ownProcess: true })),
  ]);
  const refused = slices.find(isRejected);
  if (refused) return refused;
  return merge(
    slices.flatMap((slice) => (isRejected(slice) ? [] : [slice])),
    page,
  );
}

async function ownSlice(audit: AuditTrail, page: AuditPage): Promise<Slice> {
  const { records, reached } = await audit.list(page);
  const placed = records.map((record) => ({ order: record.order, record: recordToWire(record) }));
  return { records: placed, ...(reached !== undefined && { reached }) };
}

/** Of one service, also where its process has several. */
async function peerSlice(service: ServiceName, peers: Peers, request: Request): Promise<Slice | Rejected> {
  const query = operationsV1.AuditQuery.fromPartial({ ...request.query, service });
  const answer = await askPeer(service, peers, (client) => client.listAuditRecords({ ...request, query }));
  if (isRejected(answer)) return answer;
  const records = answer.auditRecords.map((record) => ({
    order: orderOf(record.createTime?.getTime() ?? 0, record.name.replace(/^audit\//, '')),
    record,
  }));
  const reached = placeOf(answer.nextPageToken);
  return { records, ...(reached !== undefined && { reached }) };
}

function merge(slices: readonly Slice[], { limit, oldestFirst }: AuditPage): operationsV1.ListAuditRecordsResponse {
  const isBefore = (a: string, b: string): boolean => (oldestFirst ? a < b : a > b);
  const places = slices.flatMap(({ reached }) => (reached === undefined ? [] : [reached]));
  const nearest = places.reduce<string | undefined>((a, b) => (a === undefined || isBefore(b, a) ? b : a), undefined);
  const sorted = slices
    .flatMap(({ records }) => records)
    .filter(({ order }) => nearest === undefined || !isBefore(nearest, order))
    .toSorted((a, b) => (isBefore(a.order, b.order) ? -1 : 1));
  const auditRecords = fitting(sorted.slice(0, limit).map(({ record }) => record));
  const goOn = sorted.length > auditRecords.length ? sorted[auditRecords.length - 1]?.order : nearest;
  return { auditRecords, nextPageToken: goOn === undefined ? '' : tokenOf(goOn) };
}

/** As many as one message holds; each alone is far smaller. */
function fitting(records: readonly operationsV1.AuditRecord[]): operationsV1.AuditRecord[] {
  let bytes = 0;
  const over = records.findIndex((record) => {
    bytes += operationsV1.AuditRecord.encode(record).finish().length + 8;
    return bytes > MAX_PAGE_BYTES;
  });
  return records.slice(0, over < 0 ? undefined : over);
}

function checkQuery(query: operationsV1.AuditQuery): Violation[] {
  const texts = ['actor', 'method', 'resource'] as const;
  const long = texts.filter((field) => query[field].length > MAX_CHARS);
  const { from, until, installation, service } = query;
  const times = (['from', 'until'] as const).filter((field) => !isTime(query[field]));
  return [
    ...long.map((field) => ({ field: `query.${field}`, description: `is longer than ${MAX_CHARS} characters` })),
    ...collect(installation === '' ? undefined : checkId('query.installation', installation)),
    ...collect(checkService('query.service', service)),
    ...times.map((field) => ({ field: `query.${field}`, description: 'is no time after 1970' })),
    ...(from && until && from >= until ? [{ field: 'query.until', description: 'is not after query.from' }] : []),
  ];
}

function isTime(at: Date | undefined): boolean {
  return at === undefined || (at.getTime() >= 0 && at.getTime() < 1e15);
}

function isMeant({ actor, method, resource }: AuditRecord, query: operationsV1.AuditQuery): boolean {
  const isBeneath = resource === query.resource || resource.startsWith(`${query.resource}/`);
  return (
    (query.actor === '' || actor === query.actor) &&
    (query.method === '' || method === query.method || method.endsWith(`/${query.method}`)) &&
    (query.resource === '' || isBeneath) &&
    (query.installation === '' || installationOf(resource) === query.installation)
  );
}

function recordToWire(record: AuditRecord): operationsV1.AuditRecord {
  const { id, at, actor, method, resource, reason, changes = '', chain } = record;
  return { name: `audit/${id}`, actor, method, resource, reason, createTime: new Date(at), chain, changes };
}
