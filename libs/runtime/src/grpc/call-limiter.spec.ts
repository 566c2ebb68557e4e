import { rpcErrorsV1, type Principal } from '@lastcall/contracts';
import { RejectedError } from '@lastcall/kernel';
import { createCallLimiter } from './call-limiter.js';
import { DETAILS_TRAILER, statusOf } from './status.js';

const caller = (token: string, installation?: string): Principal => ({
  ...{ subject: 'mia', role: 'operator', token },
  ...(installation !== undefined && { installation }),
});

describe('calls', () => {
  it('are refused when one credential makes too many, until its bucket fills again', () => {
    let now = 0;
    const limiter = createCallLimiter({ callsPerSecond: 10, callsBurst: 3 }, () => now);
    const take = (token = 'a') => limiter.take(caller(token))?.reason;
    expect([take(), take(), take(), take()]).toEqual([undefined, undefined, undefined, 'TOO_MANY_CALLS']);
    expect(take('b')).toBeUndefined();
    now = 99;
    expect(take()).toBe('TOO_MANY_CALLS');
    now = 100;
    expect([take(), take()]).toEqual([undefined, 'TOO_MANY_CALLS']);
  });

  it('are refused when all credentials of an installation make too many, and those of another one are not', () => {
    const limiter = createCallLimiter({ callsPerSecond: 10, callsBurst: 1 }, () => 0);
    const taken = ['a', 'b', 'c', 'd', 'e'].map((token) => limiter.take(caller(token, 'one'))?.reason);
    expect(taken).toEqual([undefined, undefined, undefined, undefined, 'TOO_MANY_CALLS']);
    expect(limiter.take(caller('f', 'two'))).toBeUndefined();
    expect(limiter.take(caller('g'))).toBeUndefined();
  });

  it('of services, of nobody, and without a limit always go on', () => {
    const limiter = createCallLimiter({ callsPerSecond: 1, callsBurst: 1 }, () => 0);
    const service: Principal = { subject: 'service:scheduler', role: 'admin', token: 's' };
    for (let i = 0; i < 10; i++)
      expect([limiter.take(service), limiter.take(undefined)]).toEqual([undefined, undefined]);
    // A name alone makes no service.
    const pretender = { ...service, role: 'operator' as const };
    expect([limiter.take(pretender), limiter.take(pretender)?.reason]).toEqual([undefined, 'TOO_MANY_CALLS']);
    const none = createCallLimiter({ callsPerSecond: 0, callsBurst: 1 }, () => 0);
    for (let i = 0; i < 10; i++) expect(none.take(caller('a'))).toBeUndefined();
  });

  it('say when to come again', () => {
    const limiter = createCallLimiter({ callsPerSecond: 2, callsBurst: 1 }, () => 0);
    limiter.take(caller('a'));
    const refusal = limiter.take(caller('a'));
    if (!refusal) throw new Error('it was let in');
    const { code, metadata } = statusOf(new RejectedError(refusal));
    expect(code).toBe(8);
    const status = rpcErrorsV1.Status.decode(metadata.get(DETAILS_TRAILER)[0] as Buffer);
    const info = status.details.find(({ typeUrl }) => typeUrl.endsWith('google.rpc.RetryInfo'));
    expect(rpcErrorsV1.RetryInfo.decode(info?.value ?? Buffer.alloc(0)).retryDelay).toEqual({
      seconds: 0n,
      nanos: 5e8,
    });
  });
});
