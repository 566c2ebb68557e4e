import { schedulerV1, sessionV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { openStore, type Store } from '@lastcall/store';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditedCall, chainOf, isAudited, openAuditTrail } from './audit-trail.js';

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

describe('the audit trail', () => {
  it('has one record for each call, chained, also when several replicas write at once', async () => {
    const [one, two] = [await openAuditTrail('scheduler', store), await openAuditTrail('scheduler', store)];
    await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).record(call(i))));
    const records = (await one.list(100, undefined)).toReversed();
    expect(new Set(records.map((record) => record.resource)).size).toBe(20);
    let before = sha256Hex('lastcall audit');
    for (const record of records) {
      expect(record.chain).toBe(chainOf(before, record.id, record.at, record));
      before = record.chain;
    }
  });

  it('goes page by page', async () => {
    const trail = await openAuditTrail('scheduler', store);
    for (const n of [1, 2, 3]) await trail.record(call(n));
    const first = await trail.list(2, undefined);
    expect(first.map((record) => record.resource)).toEqual(['r3', 'r2']);
    const rest = await trail.list(2, first[1]?.order);
    expect(rest.map((record) => record.resource)).toEqual(['r1']);
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
