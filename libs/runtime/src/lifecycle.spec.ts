import { createLifecycle, type LifecyclePart } from './lifecycle.js';
import { createLogger } from './logging.js';

const log = createLogger('silent');
const limits = { startTimeoutMs: 1_000, stopTimeoutMs: 20 };

function part(name: string, said: string[], more: Partial<LifecyclePart> = {}): LifecyclePart {
  return { name, start: async () => void said.push(`+${name}`), stop: async () => void said.push(`-${name}`), ...more };
}

describe('a lifecycle', () => {
  it('stops in reverse order, once', async () => {
    const said: string[] = [];
    const lifecycle = createLifecycle(log, limits);
    for (const name of ['a', 'b', 'c']) await lifecycle.start(part(name, said));
    await Promise.all([lifecycle.stop(), lifecycle.stop()]);
    await lifecycle.stop();
    expect(said).toEqual(['+a', '+b', '+c', '-c', '-b', '-a']);
  });

  it('stops a part whose start failed half way', async () => {
    const said: string[] = [];
    const lifecycle = createLifecycle(log, limits);
    await lifecycle.start(part('a', said));
    await expect(
      lifecycle.start(part('b', said, { start: () => Promise.reject(new Error('port taken')) })),
    ).rejects.toThrow('port taken');
    await lifecycle.stop();
    expect(said).toEqual(['+a', '-b', '-a']);
  });

  it('goes on when a part fails to stop, and leaves behind one that hangs', async () => {
    const said: string[] = [];
    const lifecycle = createLifecycle(log, limits);
    await lifecycle.start(part('a', said));
    await lifecycle.start(part('b', said, { stop: () => Promise.reject(new Error('broken')) }));
    await lifecycle.start(part('c', said, { stop: () => new Promise(() => undefined) }));
    await lifecycle.stop();
    expect(said).toEqual(['+a', '+b', '+c', '-a']);
  });

  it('starts nothing more when it was stopped', async () => {
    const said: string[] = [];
    const lifecycle = createLifecycle(log, limits);
    await lifecycle.stop();
    await expect(lifecycle.start(part('late', said))).rejects.toThrow('stopped before late was started');
    expect(said).toEqual([]);
  });
});
