import { preflightV1, schedulerV1 } from '@lastcall/contracts';
import type { RpcBinding } from '../service.js';
import { changesOf } from './changes.js';

const { updateJob, deleteJob, getJob } = schedulerV1.SchedulerServiceService;

/** A service that has one job. */
function jobs(job: object | undefined): RpcBinding {
  const answer = async (): Promise<object> => {
    if (!job) throw new Error('the store is away');
    return { job };
  };
  return { definition: { updateJob, deleteJob, getJob }, handlers: { getJob: answer } };
}

const NAME = 'installations/a/jobs/j';
const read = async (path: string, binding: RpcBinding, request: object): Promise<unknown> => {
  const text = await changesOf(path, binding)?.(request, undefined);
  return text ? JSON.parse(text) : text;
};

describe('what a call changes', () => {
  it('is what the mask names, before and after', async () => {
    const job = { name: NAME, title: 'Nightly', remarks: 'old', retries: 2, labels: ['x'] };
    const request = { job: { name: NAME, title: 'Weekly', retries: 2, remarks: '' }, updateMask: ['title', 'retries'] };
    expect(await read(updateJob.path, jobs(job), request)).toEqual({ title: { before: 'Nightly', after: 'Weekly' } });
  });

  it('is all fields of what is deleted', async () => {
    const job = { name: NAME, title: 'Nightly', retries: 2n, start: { at: new Date(0) } };
    expect(await read(deleteJob.path, jobs(job), { name: NAME })).toEqual({
      title: { before: 'Nightly' },
      retries: { before: '2' },
      start: { before: { at: '1970-01-01T00:00:00.000Z' } },
    });
  });

  it('never shows what may be a secret', async () => {
    const job = { title: 'x', webhookUrl: 'https://u:p@h', start: { token: 't0ps3cret', secret: Buffer.from('s') } };
    const text = (await changesOf(deleteJob.path, jobs(job))?.({ name: NAME }, undefined)) ?? '';
    expect(text).toContain('(not shown)');
    expect(text).not.toMatch(/t0ps3cret|u:p/);
  });

  it('is bounded, and JSON also then', async () => {
    const job = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`field${i}`, '😀"'.repeat(5_000)]));
    const text = (await changesOf(deleteJob.path, jobs(job))?.({ name: NAME }, undefined)) ?? '';
    expect(text.length).toBeLessThanOrEqual(4_000);
    expect(Object.keys(JSON.parse(text) as object).length).toBeGreaterThan(3);
    expect(text.isWellFormed()).toBe(true);
  });

  it('does not stand in the way of the call when it cannot be read', async () => {
    const request = { job: { name: NAME, title: 'Weekly' }, updateMask: ['title'] };
    expect(await read(updateJob.path, jobs(undefined), request)).toEqual({ title: { after: 'Weekly' } });
  });

  it('is for updates and deletes only', () => {
    const { createBackup, getBackup } = preflightV1.PreflightServiceService;
    const binding = { definition: { createBackup, getBackup }, handlers: {} };
    expect(changesOf(createBackup.path, binding)).toBeUndefined();
  });
});
