import type { operationsV1 } from '@lastcall/contracts';
import type { Work } from '../work.js';

const PAGE = 1_000;

/** Page by page; a page may be empty. */
export async function* auditRecords(
  work: Work,
  query: operationsV1.AuditQuery,
): AsyncGenerator<readonly operationsV1.AuditRecord[]> {
  let pageToken = '';
  do {
    const page = await work.services.operations.listAuditRecords({
      pageSize: PAGE,
      pageToken,
      query,
      ownProcess: false,
    });
    yield page.auditRecords;
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
}
