import { startChild } from './child.js';

const node = (script: string) => startChild(process.execPath, ['-e', script]);

describe('a child', () => {
  it('is watched line by line, what it said before included', async () => {
    const child = node(
      'console.log("one"); console.error("two 22"); process.stdin.on("data", d => console.log("got " + d))',
    );
    const [, number] = await child.until(/^two (\d+)$/);
    expect(number).toBe('22');
    await child.until(/^one$/);
    child.write('hello\n');
    await child.until(/^got hello$/);
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('that ends before says its last words', async () => {
    const child = node('console.log("the disk is full"); process.exit(3)');
    await expect(child.until(/ready/)).rejects.toThrow(/ended with 3[\s\S]*the disk is full/);
    expect(await child.exited).toEqual({ code: 3, signal: null });
  });

  it('that does not say it in time says what it said', async () => {
    const child = node('console.log("thinking"); setInterval(() => undefined, 1000)');
    await child.until(/thinking/);
    await expect(child.until(/ready/, 10)).rejects.toThrow(/within 10 ms[\s\S]*thinking/);
    child.kill();
    expect((await child.exited).signal).toBe('SIGKILL');
  });

  it('that ignores SIGTERM is killed', async () => {
    const child = node(
      'process.on("SIGTERM", () => console.log("no")); console.log("up"); setInterval(() => undefined, 1000)',
    );
    await child.until(/up/);
    expect((await child.stop(50)).signal).toBe('SIGKILL');
  });

  it('that does not exist says so', async () => {
    const child = startChild('/no/such/program', []);
    await expect(child.until(/x/)).rejects.toThrow(/was not started/);
  });
});
