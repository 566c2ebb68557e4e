import { healthV1 } from '@lastcall/contracts';
import { isRejected } from '@lastcall/kernel';
import { createManualTimers } from './duties/manual-timers.js';
import { bindHealth, createHealth } from './health.js';
import type { RpcHandlers } from './service.js';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = healthV1.HealthCheckResponse_ServingStatus;

function setUp() {
  const state = { bus: true };
  const timers = createManualTimers();
  const health = createHealth(() => [{ name: 'bus', isGood: () => state.bus }]);
  const binding = bindHealth(health, new Set(['lastcall.session.v1.SessionService']), timers);
  // A binding has forgotten which service it is for; this one was made for Health.
  const handlers = binding.handlers as unknown as RpcHandlers<typeof healthV1.HealthService>;
  const context = { principal: undefined, signal: new AbortController().signal, peer: '' };
  const status = async (service = '') => {
    const answer = await handlers.check({ service }, context);
    return isRejected(answer) ? answer.reason : answer.status;
  };
  return { state, timers, health, handlers, status };
}

async function statusOf(watch: AsyncIterator<healthV1.HealthCheckResponse, unknown>): Promise<number | undefined> {
  const result = await watch.next();
  return result.done ? undefined : result.value.status;
}

describe('health', () => {
  it('is good when the process runs and everything that it needs answers', async () => {
    const { health, state, status } = setUp();
    expect(await status()).toBe(NOT_SERVING);
    health.setRunning(true);
    expect(await status()).toBe(SERVING);
    expect(await status('lastcall.session.v1.SessionService')).toBe(SERVING);
    state.bus = false;
    expect(await status()).toBe(NOT_SERVING);
    expect(health.problems()).toEqual(['bus does not answer']);
  });

  it('lives when it cannot serve', async () => {
    const { health, status } = setUp();
    expect(await status('alive')).toBe(SERVING);
    health.setRunning(true);
    health.setRunning(false);
    expect(await status('alive')).toBe(SERVING);
    expect(await status()).toBe(NOT_SERVING);
  });

  it('does not know what is not served', async () => expect(await setUp().status('other')).toBe('UNKNOWN_SERVICE'));

  it('tells a watcher each change, and only changes', async () => {
    const { health, state, timers, handlers } = setUp();
    const abort = new AbortController();
    const context = { principal: undefined, signal: abort.signal, peer: '' };
    const watch = handlers.watch({ service: '' }, context)[Symbol.asyncIterator]();
    const next = () => statusOf(watch);
    expect(await next()).toBe(NOT_SERVING);
    const serving = next();
    await timers.advance(3_000);
    health.setRunning(true);
    expect(await serving).toBe(SERVING);
    const broken = next();
    state.bus = false;
    await timers.advance(3_000);
    expect(await broken).toBe(NOT_SERVING);
    const end = watch.next();
    abort.abort();
    expect((await end).done).toBe(true);
    const later = { ...context, signal: new AbortController().signal };
    const unknown = handlers.watch({ service: 'x' }, later)[Symbol.asyncIterator]();
    expect(await statusOf(unknown)).toBe(SERVICE_UNKNOWN);
  });
});
