import { randomId } from '@lastcall/kernel';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { busContract } from '../contract.js';
import { startContractProcess } from '../contract-process-control.js';
import { Gate, makeEvent, QUICK, range, Recorder } from '../contract-tools.js';
import { openBus } from '../open-bus.js';
import type { Bus } from '../port.js';
import type { BusTuning } from '../tuning.js';
import { streamName } from './settings.js';

const url = process.env['LASTCALL_TEST_NATS_URL'] ?? '';
const withNats = url === '' ? describe.skip : describe;

async function deleteStream(prefix: string): Promise<void> {
  const nats = await connect({ servers: new URL(url).host });
  const manager = await jetstreamManager(nats);
  await manager.streams.delete(streamName(prefix));
  await nats.close();
}

withNats('JetStream bus (LASTCALL_TEST_NATS_URL)', () => {
  busContract(async () => {
    const prefix = randomId('test');
    const options = { url, file: '', prefix, tuning: QUICK };
    return {
      options,
      open: (tuning = QUICK) => openBus({ ...options, tuning }),
      cleanUp: () => deleteStream(prefix),
    };
  });
});

withNats('JetStream bus on a shared consumer (LASTCALL_TEST_NATS_URL)', () => {
  let prefix: string;
  let nats: NatsConnection;
  let manager: JetStreamManager;
  const buses: Bus[] = [];

  const open = async (tuning: Partial<BusTuning> = {}): Promise<Bus> => {
    const bus = await openBus({ url, file: '', prefix, tuning: { ...QUICK, ...tuning } });
    buses.push(bus);
    return bus;
  };

  beforeEach(async () => {
    prefix = randomId('test');
    nats = await connect({ servers: new URL(url).host });
    manager = await jetstreamManager(nats);
  });

  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
    await manager.streams.delete(streamName(prefix)).catch(() => undefined);
    await nats.close();
  });

  /** Resolves when everything was acknowledged. */
  const settled = async (consumer: string): Promise<void> => {
    for (;;) {
      const info = await manager.consumers.info(streamName(prefix), consumer);
      if (info.num_pending + info.num_ack_pending === 0) return;
    }
  };

  it('shares the events between two processes, each event once', async () => {
    const bus = await open();
    const child = startContractProcess(
      { url, file: '', prefix, tuning: QUICK },
      { name: 'scheduler', types: ['RunStarted'] },
    );
    await child.until((lines) => lines.includes('consuming'));
    const recorder = new Recorder();
    await bus.consume(recorder.consumer('scheduler', ['RunStarted']));
    const theirs = async (): Promise<string[]> => {
      const lines = await child.until(() => true);
      return lines.filter((line) => line.startsWith('handled')).map((line) => line.slice('handled '.length));
    };
    let count = 0;
    while (recorder.done.length === 0 || (await theirs()).length === 0) {
      count += 1;
      await bus.publish(makeEvent(`source-${count}`, 1));
    }
    await settled('scheduler');
    // The server may know of the last one before the line about it has come through the pipe.
    await child.until(
      (lines) => lines.filter((line) => line.startsWith('handled')).length + recorder.done.length === count,
    );
    expect([...recorder.done, ...(await theirs())].toSorted()).toEqual(
      range(1, count)
        .map((n) => `source-${n}@1`)
        .toSorted(),
    );
    await child.kill();
  });

  it('keeps an event whose handler takes longer than ack_wait', async () => {
    const bus = await open({ ackWaitMs: 300 });
    let extensions = 0;
    const gate = new Gate();
    nats.subscribe(`$JS.ACK.${streamName(prefix)}.>`, {
      callback: (_, message) => {
        if (message.string() === '+WPI') extensions += 1;
        // Three to one ack_wait: by now it is over twice.
        if (extensions === 7) gate.open();
      },
    });
    const recorder = new Recorder();
    await bus.consume(recorder.consumer('scheduler', ['RunStarted'], { handle: () => gate.opened }));
    await bus.publish(makeEvent('a', 1));
    await recorder.until(() => recorder.done.length === 1);
    await settled('scheduler');
    expect(recorder.begun).toEqual(['a@1']);
  });

  it('leaves what it does not consume to a newer version on the same consumer, and ignores it when there is none', async () => {
    const old = new Recorder();
    const oldBus = await open();
    const subscription = await oldBus.consume(old.consumer('session', ['RunStarted']));
    const fresh = new Recorder();
    const freshBus = await open();
    const freshSubscription = await freshBus.consume(fresh.consumer('session', ['RunStarted', 'RunFinished']));
    await Promise.all(range(1, 10).map((n) => oldBus.publish(makeEvent(`s${n}`, 1, { type: 'RunFinished' }))));
    await fresh.until(() => fresh.done.length === 10);
    await freshSubscription.stop();
    // The old version starts again: what the new one asked for must stay.
    await subscription.stop();
    await oldBus.consume(old.consumer('session', ['RunStarted']));
    await oldBus.publish(makeEvent('s11', 1, { type: 'RunFinished' }));
    await settled('session');
    expect(old.begun).toEqual([]);
  });

  it('takes a message without readable headers to the dead letters', async () => {
    const bus = await open();
    const recorder = new Recorder();
    await bus.consume(recorder.consumer('scheduler', ['RunStarted']));
    nats.publish(`${prefix}.scheduler.run-started.berlin`, 'what is this?');
    await recorder.until(() => recorder.dead.length === 1);
    expect(recorder.begun).toEqual([]);
    expect(recorder.dead[0]).toMatchObject({ event: { type: 'Unreadable', sequence: 1 } });
    expect(recorder.dead[0]?.reason).toContain('ce-id, ce-type, ce-source');
    await settled('scheduler');
  });

  it('creates a lost stream and its consumers again', async () => {
    const bus = await open();
    const recorder = new Recorder();
    await bus.consume(recorder.consumer('scheduler', ['RunStarted']));
    await bus.publish(makeEvent('a', 1));
    await recorder.until(() => recorder.done.length === 1);
    await manager.streams.delete(streamName(prefix));
    await bus.publish(makeEvent('a', 2));
    await recorder.until(() => recorder.done.length === 2);
    expect(recorder.begun).toEqual(['a@1', 'a@2']);
  });

  it('brings stream and consumer to their settings, and can be repeated', async () => {
    await open();
    const first = await manager.streams.info(streamName(prefix));
    const bus = await open();
    expect((await manager.streams.info(streamName(prefix))).config).toEqual(first.config);
    await manager.streams.update(streamName(prefix), { max_age: 3_600_000_000_000 });
    await open();
    expect((await manager.streams.info(streamName(prefix))).config).toEqual(first.config);
    await bus.consume(new Recorder().consumer('scheduler', ['RunStarted']));
    await (await open({ maxUnacknowledged: 7 })).consume(new Recorder().consumer('scheduler', ['RunStarted']));
    const { config } = await manager.consumers.info(streamName(prefix), 'scheduler');
    expect(config).toMatchObject({ max_ack_pending: 7, filter_subjects: [`${prefix}.scheduler.run-started.*`] });
  });
});

describe('a NATS server that is not there', () => {
  it('is a Fault that names the address and no password', async () => {
    const options = { url: 'nats://lastcall:secret@127.0.0.1:9', file: '', prefix: 'lastcall' };
    const opening = openBus({ ...options, tuning: { connectTimeoutMs: 100, reconnectWaitMs: 20 } });
    await expect(opening).rejects.toMatchObject({
      name: 'Fault',
      message: 'cannot open the bus at nats://127.0.0.1:9',
    });
  });
});
