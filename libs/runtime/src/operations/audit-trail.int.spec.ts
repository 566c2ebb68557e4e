import { beginChain, followChain, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { openStore, type Store } from '@lastcall/store';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditedCall, isAudited, openAuditTrail, type AuditPage } from './audit-trail.js';

let dir: string;
let store: Store;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lastcall-audit-'));
  store = await openStore({ url: '', file: join(dir, 's.db'), service: 'scheduler', database: '' });
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const call = (n: number) => ({ actor: 'mia', method: '/m', resource: `r${n}`, reason: '' });

const page = (some: Partial<AuditPage>): AuditPage => ({ limit: 10, oldestFirst: false, matches: () => true, ...some });

describe('the audit trail', () => {
  it('has one record for each call, chained, also when several replicas write at once', async () => {
    const [one, two] = [await openAuditTrail('scheduler', store), await openAuditTrail('scheduler', store)];
    await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).record(call(i))));
    const { records } = await one.list(page({ limit: 100, oldestFirst: true }));
    expect(new Set(records.map((record) => record.resource)).size).toBe(20);
    let head = beginChain('scheduler');
    for (const record of records) {
      const { head: next, finding } = followChain(head, record);
      expect(finding).toBeUndefined();
      head = next;
    }
    expect(head.sequence).toBe(20);
  });

  it('goes page by page, from both ends', async () => {
    const trail = await openAuditTrail('scheduler', store);
    for (const n of [1, 2, 3]) await trail.record(call(n));
    for (const oldestFirst of [false, true]) {
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const slice = await trail.list(page({ limit: 2, oldestFirst, after }));
        seen.push(...slice.records.map((record) => record.resource));
        after = slice.reached;
      } while (after !== undefined);
      expect(seen).toEqual(oldestFirst ? ['r1', 'r2', 'r3'] : ['r3', 'r2', 'r1']);
    }
  });

  it('finds what is asked for, between two times', async () => {
    const trail = await openAuditTrail('scheduler', store);
    for (const n of [1, 2, 3]) await trail.record(call(n));
    const { records } = await trail.list(page({ matches: ({ resource }) => resource === 'r2' }));
    expect(records.map((record) => record.resource)).toEqual(['r2']);
    const at = records[0]?.at ?? 0;
    const none = [page({ until: at - 60_000 }), page({ from: at + 60_000, oldestFirst: true })];
    for (const asked of none) expect(await trail.list(asked)).toEqual({ records: [] });
    expect((await trail.list(page({ from: at - 60_000, until: at + 60_000 }))).records).toHaveLength(3);
  });

  it('knows what may change something', () => {
    const { createJob, getJob, watchRun, adviseJob } = schedulerV1.SchedulerServiceService;
    const { attach, waitForReopening, sendNotice, getFirstStart, renewGateLease } = sessionV1.SessionServiceService;
    expect([createJob, sendNotice].map(isAudited)).toEqual([true, true]);
    expect([getJob, watchRun, adviseJob, attach, waitForReopening].some(isAudited)).toBe(false);
    // A secret that is read leaves a record, a sign of life does not.
    expect([getFirstStart, renewGateLease].map(isAudited)).toEqual([true, false]);
  });

  it('names the resource, wherever the request has it', () => {
    const of = (request: object) => auditedCall('/m', undefined, request);
    expect(of({ name: 'installations/a/runs/r', reason: 'too late' })).toMatchObject({
      resource: 'installations/a/runs/r',
      reason: 'too late',
    });
    expect(of({ parent: 'installations/a', job: { name: '' } }).resource).toBe('installations/a');
    expect(of({ updateMask: ['title'], job: { name: 'installations/a/jobs/j' } }).resource).toBe(
      'installations/a/jobs/j',
    );
  });
});
