import { schedulerV1, sessionV1 } from '@lastcall/contracts';
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

/** A service that notes which of its methods were asked. */
function counted(definition: RpcBinding['definition']): { readonly binding: RpcBinding; readonly asked: string[] } {
  const asked: string[] = [];
  const handlers = Object.fromEntries(Object.keys(definition).map((key) => [key, async () => asked.push(key)]));
  return { binding: { definition, handlers }, asked };
}

const NAME = 'installations/a/jobs/j';
const read = async (path: string, binding: RpcBinding, request: object): Promise<unknown> => {
  const text = await changesOf(path, binding)(request, undefined);
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
    const text = (await changesOf(deleteJob.path, jobs(job))({ name: NAME }, undefined)) ?? '';
    expect(text).toContain('(not shown)');
    expect(text).not.toMatch(/t0ps3cret|u:p/);
  });

  it('is bounded, and JSON also then', async () => {
    const job = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`field${i}`, '😀"'.repeat(5_000)]));
    const text = (await changesOf(deleteJob.path, jobs(job))({ name: NAME }, undefined)) ?? '';
    expect(text.length).toBeLessThanOrEqual(4_000);
    expect(Object.keys(JSON.parse(text) as object).length).toBeGreaterThan(3);
    expect(text.isWellFormed()).toBe(true);
  });

  it('does not stand in the way of the call when it cannot be read', async () => {
    const request = { job: { name: NAME, title: 'Weekly' }, updateMask: ['title'] };
    expect(await read(updateJob.path, jobs(undefined), request)).toEqual({ title: { after: 'Weekly' } });
  });

  it('is what a new one begins with, and what was agreed to with it', async () => {
    const { createJob } = schedulerV1.SchedulerServiceService;
    const { binding, asked } = counted({ createJob, getJob });
    const job = { name: '', title: 'Nightly', retries: 0, start: { secret: 'x' } };
    const request = { parent: 'installations/a', jobId: 'j', job, confirmations: ['inside-business-hours'] };
    expect(await read(createJob.path, binding, request)).toEqual({
      jobId: { after: 'j' },
      title: { after: 'Nightly' },
      start: { after: { secret: '(not shown)' } },
      confirmations: { after: ['inside-business-hours'] },
    });
    expect(asked).toEqual([]);
  });

  it('is the words of any other call, and the state that it found', async () => {
    const { JobState } = schedulerV1;
    const { disableJob } = schedulerV1.SchedulerServiceService;
    const { definition, handlers } = jobs({ name: NAME, title: 'Nightly', state: JobState.ENABLED, count: 1 });
    const binding = { definition: { ...definition, disableJob }, handlers };
    expect(await read(disableJob.path, binding, { name: NAME, reason: 'a holiday', count: 3 })).toEqual({
      count: { before: 1, after: 3 },
      state: { before: 'ENABLED' },
    });
    expect(await read(disableJob.path, binding, { name: NAME, reason: 'a holiday' })).toEqual({
      state: { before: 'ENABLED' },
    });
  });

  it('does not ask for what is itself a secret that is read', async () => {
    const { getFirstStart } = sessionV1.SessionServiceService;
    const { binding, asked } = counted({ getFirstStart });
    expect(await read(getFirstStart.path, binding, { name: NAME, run: 'r' })).toEqual({ run: { after: 'r' } });
    expect(asked).toEqual([]);
  });
});
