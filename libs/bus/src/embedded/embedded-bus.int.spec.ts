import { createManualClock, Fault } from '@lastcall/kernel';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busContract } from '../contract.js';
import { makeEvent, QUICK, Recorder } from '../contract-tools.js';
import { openBus } from '../open-bus.js';

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'lastcall-bus-'));
}

describe('embedded bus', () => {
  busContract(async () => {
    const folder = temporaryFolder();
    const options = { url: '', file: join(folder, 'bus.db'), prefix: 'lastcall', tuning: QUICK };
    return {
      options,
      open: (tuning = QUICK) => openBus({ ...options, tuning }),
      cleanUp: async () => rmSync(folder, { recursive: true }),
    };
  });
});

describe('journal of the embedded bus', () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('belongs to one process, and can be read by nobody else', async () => {
    const options = { url: '', file: join(folder, 'deep/er/bus.db'), prefix: 'lastcall' };
    const bus = await openBus(options);
    await expect(openBus(options)).rejects.toThrow(Fault);
    expect(statSync(options.file).mode & 0o777).toBe(0o600);
    await bus.close();
    await (await openBus(options)).close();
  });

  it('forgets what everybody has acknowledged after an hour, and nothing else', async () => {
    const clock = createManualClock();
    const options = { url: '', file: join(folder, 'bus.db'), prefix: 'lastcall', clock };
    let calls = 0;
    /** What a consumer is given when it comes, apart from the mark by which the test knows that this was all. */
    const ids = async (name: string): Promise<string[]> => {
      calls += 1;
      const bus = await openBus(options);
      const recorder = new Recorder();
      await bus.consume(recorder.consumer(name, ['RunStarted']));
      await bus.publish(makeEvent('end', calls));
      await recorder.until(() => recorder.done.includes(`end@${calls}`));
      await bus.close();
      return recorder.done.filter((id) => !id.startsWith('end'));
    };
    expect(await ids('scheduler')).toEqual([]);
    expect(await ids('session')).toEqual([]);
    const bus = await openBus(options);
    await bus.publish(makeEvent('a', 1));
    await bus.close();
    expect(await ids('scheduler')).toEqual(['a@1']);
    clock.advance(3_600_001);
    // Session has not had it yet.
    expect(await ids('preflight')).toEqual(['a@1']);
    expect(await ids('session')).toEqual(['a@1']);
    expect(await ids('installer')).toEqual([]);
  });
});
