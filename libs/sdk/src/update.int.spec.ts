import { catalogV1, schedulerV1, type RequestOf } from '@lastcall/contracts';
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { openChannel, type Channel } from './channel.js';
import { CODE } from './call-error.js';
import { checkUpdate, updateNow } from './update.js';

type Scheduler = typeof schedulerV1.SchedulerServiceService;

/** A scheduler that keeps jobs and refuses to start one while users are logged in. */
class SmallScheduler {
  readonly jobs = new Map<string, schedulerV1.Job>();
  readonly enabled = new Set<string>();
  usersLoggedIn = false;

  createJob({ parent, jobId, job }: RequestOf<Scheduler['createJob']>): schedulerV1.CreateJobResponse {
    const name = `${parent}/jobs/${jobId}`;
    const stored = schedulerV1.Job.fromPartial({ ...job, name });
    this.jobs.set(name, stored);
    return schedulerV1.CreateJobResponse.fromPartial({ job: stored, notes: ['noted'] });
  }

  startJob({ name, confirmedCautions }: RequestOf<Scheduler['startJob']>): schedulerV1.StartJobResponse {
    if (this.usersLoggedIn && !confirmedCautions.includes('users-logged-in')) {
      throw Object.assign(new Error('users'), { code: CODE.failedPrecondition, details: 'users are logged in' });
    }
    return { run: name.replace(/jobs\/.*/, 'runs/r-1') };
  }

  enableJob({ name }: RequestOf<Scheduler['enableJob']>): schedulerV1.EnableJobResponse {
    this.enabled.add(name);
    return { job: this.jobs.get(name) };
  }

  deleteJob({ name }: RequestOf<Scheduler['deleteJob']>): schedulerV1.DeleteJobResponse {
    this.jobs.delete(name);
    return {};
  }
}

describe('updating', () => {
  const server = new Server();
  const scheduler = new SmallScheduler();
  let channel: Channel;

  beforeAll(async () => {
    const unary =
      <Req, Res>(handle: (request: Req) => Res) =>
      (call: ServerUnaryCall<Req, Res>, callback: sendUnaryData<Res>) => {
        try {
          callback(null, handle(call.request));
        } catch (error) {
          callback(error as Error);
        }
      };
    server.addService(schedulerV1.SchedulerServiceService, {
      createJob: unary((r: RequestOf<Scheduler['createJob']>) => scheduler.createJob(r)),
      startJob: unary((r: RequestOf<Scheduler['startJob']>) => scheduler.startJob(r)),
      enableJob: unary((r: RequestOf<Scheduler['enableJob']>) => scheduler.enableJob(r)),
      deleteJob: unary((r: RequestOf<Scheduler['deleteJob']>) => scheduler.deleteJob(r)),
    });
    const release = { version: '11.1.0', title: 'Encore', notes: 'Better.' };
    server.addService(catalogV1.CatalogServiceService, {
      checkUpdate: unary(() =>
        catalogV1.CheckUpdateResponse.fromPartial({ installedVersion: '11.0.0', release, path: ['11.1.0'] }),
      ),
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (e, p) => (e ? reject(e) : resolve(p))),
    );
    channel = openChannel({ address: `127.0.0.1:${port}`, credential: () => '' });
  });
  afterAll(() => {
    channel.close();
    server.forceShutdown();
  });
  beforeEach(() => {
    scheduler.jobs.clear();
    scheduler.usersLoggedIn = false;
  });

  it('says what is newer', async () => {
    expect(await checkUpdate(channel, 'berlin')).toEqual({
      installedVersion: '11.0.0',
      release: { version: '11.1.0', title: 'Encore', notes: 'Better.' },
      reason: '',
      path: ['11.1.0'],
    });
  });

  it('saves a job and starts it at once', async () => {
    const begun = await updateNow(channel, { installation: 'berlin', version: '11.1.0', reactionTimeMs: 1_500 });
    expect(begun).toMatchObject({ run: 'installations/berlin/runs/r-1', notes: ['noted'] });
    expect([...scheduler.jobs.values()]).toMatchObject([
      { start: { condition: { $case: 'immediate' } }, version: '11.1.0', reactionTime: { seconds: 1n, nanos: 5e8 } },
    ]);
  });

  it('enables a job for a time', async () => {
    const begun = await updateNow(channel, { installation: 'berlin', jobId: 'night', localTime: '2026-12-24T22:00' });
    expect(begun.run).toBeUndefined();
    expect(begun.job).toBe('installations/berlin/jobs/night');
    expect(scheduler.enabled).toEqual(new Set([begun.job]));
  });

  it('leaves nothing behind when the start is refused, so that the same call can be made again', async () => {
    scheduler.usersLoggedIn = true;
    const options = { installation: 'berlin', jobId: 'now' };
    await expect(updateNow(channel, options)).rejects.toMatchObject({ code: CODE.failedPrecondition });
    expect(scheduler.jobs.size).toBe(0);
    const begun = await updateNow(channel, { ...options, confirmedCautions: ['users-logged-in'] });
    expect(begun.run).toBe('installations/berlin/runs/r-1');
  });
});
