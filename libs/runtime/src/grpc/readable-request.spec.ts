import { schedulerV1 } from '@lastcall/contracts';
import { readRequest, refuseUnreadable } from './readable-request.js';

const { createJob, getJob } = schedulerV1.SchedulerServiceService;
const refusal = (bytes: Buffer) => refuseUnreadable(createJob, readRequest(createJob).requestDeserialize(bytes));

describe('a request', () => {
  const good = { parent: 'installations/a', jobId: 'j', confirmedCautions: [] };

  it('is read as it is', () => {
    const bytes = createJob.requestSerialize(good);
    const request = readRequest(createJob).requestDeserialize(bytes);
    expect(request).toMatchObject(good);
    expect(refuseUnreadable(createJob, request)).toBeUndefined();
  });

  it('that is no message of the method is the mistake of the caller', () => {
    expect(refusal(Buffer.from([10, 255]))).toMatchObject({ code: 'invalid', reason: 'BAD_MESSAGE' });
    expect(refusal(Buffer.from([]))).toBeUndefined();
  });

  it('with a time that no clock shows is one too', () => {
    // `job` (3) with a `create_time` (16) of 2^62 seconds.
    const time = [0x82, 0x01, 10, 8, 128, 128, 128, 128, 128, 128, 128, 128, 64];
    const bytes = Buffer.concat([createJob.requestSerialize(good), Buffer.from([0x1a, time.length, ...time])]);
    expect(refusal(bytes)).toMatchObject({ code: 'invalid', reason: 'BAD_MESSAGE' });
    const request = readRequest(getJob).requestDeserialize(getJob.requestSerialize({ name: 'x' }));
    expect(request).toEqual({ name: 'x' });
  });
});
