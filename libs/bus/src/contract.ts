import { Poison } from '@lastcall/contracts';
import { Fault } from '@lastcall/kernel';
import { Gate, makeEvent, QUICK, range, Recorder } from './contract-tools.js';
import type { BusOptions } from './open-bus.js';
import type { Bus } from './port.js';
import { startContractProcess } from './contract-process-control.js';

/** A bus to be tested. */
export interface BusHarness {
  /** Opens the bus: another connection to the same one each time. The embedded bus has to be closed in between. */
  readonly open: (tuning?: BusOptions['tuning']) => Promise<Bus>;
  /** How another process opens the same bus. */
  readonly options: Omit<BusOptions, 'log' | 'clock'>;
  readonly cleanUp: () => Promise<void>;
}

/** What every implementation of the port has to do. */
export function busContract(create: () => Promise<BusHarness>): void {
  let harness: BusHarness;
  let bus: Bus;

  beforeEach(async () => {
    harness = await create();
    bus = await harness.open(QUICK);
  });

  afterEach(async () => {
    await bus.close();
    await harness.cleanUp();
  });

  const publishAll = (...events: ReturnType<typeof makeEvent>[]) =>
    Promise.all(events.map((event) => bus.publish(event)));

  describe('delivery', () => {
    it('hands over every attribute as it was published', async () => {
      const event = makeEvent('scheduler/runs/r-1', 7, {
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        tracestate: 'vendor=a, other=b',
        data: new Uint8Array(range(0, 255)),
      });
      const recorder = new Recorder();
      await bus.consume(recorder.consumer('scheduler', ['RunStarted']));
      await bus.publish(event);
      await recorder.until(() => recorder.done.length === 1);
      expect({ ...recorder.events[0], data: [...(recorder.events[0]?.data ?? [])] }).toEqual({
        ...event,
        data: [...event.data],
      });
      expect(bus.isConnected()).toBe(true);
    });

    it('keeps the order of each source and runs sources side by side', async () => {
      const recorder = new Recorder();
      const second = new Gate();
      const handle = async (event: { source: string; sequence: number }) => {
        if (event.source === 'a' && event.sequence === 1) await second.opened;
        if (event.source === 'b' && event.sequence === 20) second.open();
      };
      await bus.consume(recorder.consumer('scheduler', ['RunStarted'], { handle }));
      await publishAll(...range(1, 20).flatMap((n) => ['a', 'b', 'c'].map((source) => makeEvent(source, n))));
      await recorder.until(() => recorder.done.length === 60);
      for (const source of ['a', 'b', 'c']) {
        const seen = recorder.begun.filter((id) => id.startsWith(source));
        expect(seen).toEqual(range(1, 20).map((n) => `${source}@${n}`));
      }
    });

    it('gives every consumer what it asked for, and nothing else', async () => {
      const [one, two] = [new Recorder(), new Recorder()];
      await bus.consume(one.consumer('scheduler', ['RunStarted']));
      await bus.consume(two.consumer('session', ['RunStarted', 'RunCancelled']));
      await publishAll(
        makeEvent('a', 1),
        makeEvent('a', 2, { type: 'RunCancelled' }),
        makeEvent('a', 3, { type: 'GateClosed' }),
        makeEvent('a', 4),
      );
      await Promise.all([one.until(() => one.done.length === 2), two.until(() => two.done.length === 3)]);
      expect(one.done).toEqual(['a@1', 'a@4']);
      expect(two.done).toEqual(['a@1', 'a@2', 'a@4']);
    });

    it('survives an event type that only a newer peer knows', async () => {
      const recorder = new Recorder();
      await bus.consume(recorder.consumer('scheduler', ['RunStarted']));
      await publishAll(makeEvent('a', 1, { type: 'RunPostponedByOracle' }), makeEvent('a', 2));
      await recorder.until(() => recorder.done.length === 1);
      expect(recorder.begun).toEqual(['a@2']);
    });

    it('drops an event that is published again', async () => {
      const recorder = new Recorder();
      await bus.consume(recorder.consumer('scheduler', ['RunStarted']));
      await publishAll(makeEvent('a', 1), makeEvent('a', 1));
      await recorder.until(() => recorder.done.length === 1);
      await publishAll(makeEvent('a', 1), makeEvent('a', 2));
      await recorder.until(() => recorder.done.includes('a@2'));
      expect(recorder.begun).toEqual(['a@1', 'a@2']);
    });

    it('runs no more handlers at a time than it may', async () => {
      await bus.close();
      bus = await harness.open({ ...QUICK, parallelism: 2 });
      const recorder = new Recorder();
      const gate = new Gate();
      let most = 0;
      const handle = async () => {
        most = Math.max(most, recorder.running);
        await gate.opened;
      };
      await bus.consume(recorder.consumer('scheduler', ['RunStarted'], { handle }));
      await publishAll(...range(1, 8).map((n) => makeEvent(`source-${n}`, 1)));
      await recorder.until(() => recorder.running === 2);
      gate.open();
      await recorder.until(() => recorder.done.length === 8);
      expect(most).toBe(2);
    });

    it('works through more than it holds at a time', async () => {
      await publishAll(...range(1, 60).map((n) => makeEvent(`source-${n % 7}`, n)));
      await bus.close();
      bus = await harness.open({ ...QUICK, maxUnacknowledged: 8 });
      const recorder = new Recorder();
      await bus.consume(recorder.consumer('scheduler', ['RunStarted']));
      await recorder.until(() => recorder.done.length === 60);
      expect(new Set(recorder.begun).size).toBe(60);
    });
  });

  describe('failure', () => {
    it('delivers again, and holds back what follows of the same source only', async () => {
      const recorder = new Recorder();
      const others = new Gate();
      const handle = async ({ id }: { id: string }) => {
        if (id === 'b@2') others.open();
        if (id !== 'a@1' || recorder.begun.filter((begun) => begun === 'a@1').length === 5) return;
        await others.opened;
        throw new Error('not yet');
      };
      await bus.consume(recorder.consumer('scheduler', ['RunStarted'], { handle }));
      await publishAll(makeEvent('a', 1), makeEvent('a', 2), makeEvent('b', 1), makeEvent('b', 2));
      await recorder.until(() => recorder.done.length === 4);
      expect(recorder.begun.filter((id) => id.startsWith('a'))).toEqual([...range(1, 5).map(() => 'a@1'), 'a@2']);
      expect(recorder.dead).toEqual([]);
    });

    it('keeps an event that failed five times as a dead letter, then goes on', async () => {
      const recorder = new Recorder();
      const handle = async ({ id }: { id: string }) => {
        if (id === 'a@1') throw new Error('never', { cause: new Error('disk on fire') });
      };
      await bus.consume(recorder.consumer('scheduler', ['RunStarted'], { handle }));
      await publishAll(makeEvent('a', 1), makeEvent('a', 2));
      await recorder.until(() => recorder.done.length === 1);
      expect(recorder.begun).toEqual([...range(1, 5).map(() => 'a@1'), 'a@2']);
      expect(recorder.dead).toEqual([
        { event: expect.objectContaining({ id: 'a@1' }), reason: 'Error: never: Error: disk on fire' },
      ]);
    });

    it('buries poison at once', async () => {
      const recorder = new Recorder();
      const handle = async ({ id }: { id: string }) => {
        if (id === 'a@1') throw new Poison('unreadable');
      };
      await bus.consume(recorder.consumer('scheduler', ['RunStarted'], { handle }));
      await publishAll(makeEvent('a', 1), makeEvent('a', 2));
      await recorder.until(() => recorder.done.length === 1);
      expect(recorder.begun).toEqual(['a@1', 'a@2']);
      expect(recorder.dead).toMatchObject([{ event: { id: 'a@1' }, reason: 'Poison: unreadable' }]);
    });

    it('is patient with a dependency that is away', async () => {
      const recorder = new Recorder();
      const handle = async () => {
        if (recorder.begun.length < 12) throw new Fault('the database restarts');
      };
      await bus.consume(recorder.consumer('scheduler', ['RunStarted'], { handle }));
      await bus.publish(makeEvent('a', 1));
      await recorder.until(() => recorder.done.length === 1);
      expect(recorder.dead).toEqual([]);
    });

    it('tries again, handler included, when the dead letter cannot be kept', async () => {
      const recorder = new Recorder();
      let failures = 3;
      const handle = async ({ id }: { id: string }) => {
        if (id === 'a@1') throw new Error('never');
      };
      const deadLetter = async () => {
        failures -= 1;
        if (failures >= 0) throw new Fault('the database is away');
      };
      await bus.consume(recorder.consumer('scheduler', ['RunStarted'], { handle, deadLetter }));
      await publishAll(makeEvent('a', 1), makeEvent('a', 2));
      await recorder.until(() => recorder.done.length === 1);
      expect(recorder.begun).toEqual([...range(1, 8).map(() => 'a@1'), 'a@2']);
      expect(recorder.dead).toHaveLength(1);
    });
  });

  describe('durability', () => {
    it('gives a new consumer what was published before it existed', async () => {
      await publishAll(makeEvent('a', 1), makeEvent('a', 2));
      const recorder = new Recorder();
      await bus.consume(recorder.consumer('scheduler', ['RunStarted']));
      await recorder.until(() => recorder.done.length === 2);
      expect(recorder.begun).toEqual(['a@1', 'a@2']);
    });

    it('keeps for a consumer what is published while it is away, over a restart of the bus', async () => {
      const before = new Recorder();
      const subscription = await bus.consume(before.consumer('scheduler', ['RunStarted']));
      await bus.publish(makeEvent('a', 1));
      await before.until(() => before.done.length === 1);
      await subscription.stop();
      await publishAll(makeEvent('a', 2), makeEvent('a', 3));
      await bus.close();
      bus = await harness.open(QUICK);
      const after = new Recorder();
      await bus.consume(after.consumer('scheduler', ['RunStarted']));
      await after.until(() => after.done.length === 2);
      expect(after.begun).toEqual(['a@2', 'a@3']);
    });

    it('stops when the running handler is done, and gives what is left to the next', async () => {
      const before = new Recorder();
      const gate = new Gate();
      const handle = async ({ id }: { id: string }) => {
        if (id === 'b@1') throw new Fault('always');
        await gate.opened;
      };
      const subscription = await bus.consume(before.consumer('scheduler', ['RunStarted'], { handle }));
      await publishAll(makeEvent('a', 1), makeEvent('a', 2), makeEvent('b', 1), makeEvent('b', 2));
      await before.until(() => before.begun.includes('a@1') && before.begun.includes('b@1'));
      let stopped = false;
      const stopping = subscription.stop().then(() => {
        stopped = true;
      });
      expect(subscription.stop()).toBeDefined();
      await before.until(() => before.running === 1);
      expect(stopped).toBe(false);
      gate.open();
      await stopping;
      expect(before.done).toEqual(['a@1']);
      const after = new Recorder();
      await bus.consume(after.consumer('scheduler', ['RunStarted']));
      await after.until(() => after.done.length === 3);
      expect(after.begun.toSorted()).toEqual(['a@2', 'b@1', 'b@2']);
      expect(after.begun.indexOf('b@1')).toBeLessThan(after.begun.indexOf('b@2'));
    });

    it('lets an upgrade change the types of a consumer', async () => {
      const before = new Recorder();
      const subscription = await bus.consume(before.consumer('session', ['RunStarted', 'GateClosed']));
      await publishAll(makeEvent('a', 1), makeEvent('a', 2, { type: 'GateClosed' }));
      await before.until(() => before.done.length === 2);
      await subscription.stop();
      await publishAll(makeEvent('a', 3), makeEvent('a', 4, { type: 'GateClosed' }));
      const after = new Recorder();
      await bus.consume(after.consumer('session', ['RunStarted', 'RunFinished']));
      await publishAll(makeEvent('a', 5, { type: 'RunFinished' }), makeEvent('a', 6, { type: 'GateClosed' }));
      await bus.publish(makeEvent('a', 7));
      await after.until(() => after.done.length === 3);
      expect(after.begun).toEqual(['a@3', 'a@5', 'a@7']);
    });

    it('brings an event again when the process is killed while it handles it', async () => {
      await publishAll(makeEvent('a', 1), makeEvent('a', 2));
      await bus.close();
      const child = startContractProcess(harness.options, { name: 'scheduler', types: ['RunStarted'], hang: true });
      await child.until((lines) => lines.includes('handling a@1'));
      await child.kill();
      bus = await harness.open(QUICK);
      const recorder = new Recorder();
      await bus.consume(recorder.consumer('scheduler', ['RunStarted']));
      await recorder.until(() => recorder.done.length === 2);
      expect(recorder.begun).toEqual(['a@1', 'a@2']);
    });

    it('refuses to publish when it is closed', async () => {
      await bus.close();
      await bus.close();
      await expect(bus.publish(makeEvent('a', 1))).rejects.toThrow(Fault);
      expect(bus.isConnected()).toBe(false);
    });
  });

  describe('broadcast', () => {
    it('reaches everybody who listens to the topic, until they stop', async () => {
      const recorder = new Recorder();
      const seen: string[] = [];
      const listen = (topic: string, who: string) =>
        bus.listen(topic, (data) => {
          seen.push(`${who}: ${Buffer.from(data).toString()}`);
          recorder.tell();
          if (who === 'thrower') throw new Error('a listener that throws disturbs nobody');
        });
      const first = await listen('notice encore.*', 'first');
      await listen('notice encore.*', 'thrower');
      await listen('notice encore.*', 'second');
      await listen('other', 'stranger');
      await bus.broadcast('notice encore.*', Buffer.from('one'));
      await recorder.until(() => seen.length === 3);
      await first.stop();
      await bus.broadcast('notice encore.*', Buffer.from('two'));
      await recorder.until(() => seen.length === 5);
      expect(seen.toSorted()).toEqual(['first: one', 'second: one', 'second: two', 'thrower: one', 'thrower: two']);
    });
  });
}
