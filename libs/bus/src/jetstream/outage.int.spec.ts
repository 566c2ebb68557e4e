import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Gate, makeEvent, QUICK, range, Recorder } from '../contract-tools.js';
import { openBus, type BusOptions } from '../open-bus.js';
import type { Bus } from '../port.js';
import { createNatsServer, describeWithServer, freePorts, type NatsServer } from './nats-server.js';
import { streamName } from './settings.js';

/** Publishes as the relay does: until it is durable. */
async function publish(bus: Bus, source: string, sequence: number): Promise<void> {
  for (;;) {
    try {
      await bus.publish(makeEvent(source, sequence));
      return;
    } catch (error) {
      expect(error).toMatchObject({ name: 'Fault' });
    }
  }
}

/** Resolves when the server knows that everything was taken in. */
async function settled(url: string): Promise<void> {
  const nats = await connect({ servers: url });
  const manager = await jetstreamManager(nats);
  for (;;) {
    const { num_pending, num_ack_pending } = await manager.consumers.info(streamName('lastcall'), 'scheduler');
    if (num_pending + num_ack_pending === 0) break;
  }
  await nats.close();
}

describeWithServer('JetStream bus while its server is away', () => {
  let server: NatsServer;
  let bus: Bus;
  let reader: Bus;
  let options: BusOptions;

  beforeEach(async () => {
    const [port = 0] = await freePorts(1);
    server = createNatsServer({ port, name: 'only' });
    await server.start();
    options = { url: server.url, file: '', prefix: 'lastcall' };
    bus = await openBus({ ...options, tuning: { ...QUICK, publishTimeoutMs: 500 } });
    reader = await openBus({ ...options, tuning: QUICK });
  });

  afterEach(async () => {
    await Promise.all([bus.close(), reader.close()]);
    await server.cleanUp();
  });

  it('loses nothing, keeps the order and goes on when it is back', async () => {
    const recorder = new Recorder();
    await reader.consume(recorder.consumer('scheduler', ['RunStarted']));
    for (const n of range(1, 10)) await publish(bus, 'a', n);
    await recorder.until(() => recorder.done.length === 10);
    await server.kill();
    await expect(bus.publish(makeEvent('a', 11))).rejects.toMatchObject({ name: 'Fault' });
    expect(bus.isConnected()).toBe(false);
    const publishing = (async () => {
      for (const n of range(11, 20)) await publish(bus, 'a', n);
    })();
    await server.start();
    await publishing;
    await recorder.until(() => recorder.done.includes('a@20'));
    // The killed server had every event on its disk, but not the last acknowledgements: those events come again.
    expect([...new Set(recorder.begun)]).toEqual(range(1, 20).map((n) => `a@${n}`));
    expect(bus.isConnected()).toBe(true);
  });

  it('does nothing twice that was done while the server was away', async () => {
    const recorder = new Recorder();
    const [away, back] = [new Gate(), new Gate()];
    const handle = async ({ id }: { id: string }) => {
      if (id === 'a@1') await away.opened;
      if (id === 'b@1') await back.opened;
    };
    await reader.consume(recorder.consumer('scheduler', ['RunStarted'], { handle }));
    await Promise.all([publish(bus, 'a', 1), publish(bus, 'b', 1)]);
    await recorder.until(() => recorder.running === 2);
    await server.kill();
    await expect(bus.publish(makeEvent('c', 1))).rejects.toMatchObject({ name: 'Fault' });
    away.open();
    await recorder.until(() => recorder.done.includes('a@1'));
    await server.start();
    await publish(bus, 'c', 1);
    await recorder.until(() => recorder.done.includes('c@1'));
    back.open();
    await settled(server.url);
    expect(recorder.begun.toSorted()).toEqual(['a@1', 'b@1', 'c@1']);
  });

  it('still listens to broadcasts afterwards', async () => {
    const recorder = new Recorder();
    let heard = 0;
    await reader.listen('notices', () => {
      heard += 1;
      recorder.tell();
    });
    await server.kill();
    await server.start();
    await publish(bus, 'a', 1);
    await reader.publish(makeEvent('a', 2));
    await bus.broadcast('notices', Buffer.from('hello'));
    await recorder.until(() => heard === 1);
  });
});

describeWithServer('JetStream bus on three servers', () => {
  let servers: readonly NatsServer[] = [];
  afterEach(() => Promise.all(servers.map((server) => server.cleanUp())));

  async function startThree(): Promise<string> {
    const ports = await freePorts(6);
    const routes = ports.slice(3).map((port) => `"nats://127.0.0.1:${port}"`);
    servers = range(0, 2).map((n) => {
      const cluster = `cluster { name: test, listen: "127.0.0.1:${ports[n + 3]}", routes: [${routes.join(', ')}] }`;
      return createNatsServer({ port: ports[n] ?? 0, name: `n${n}`, more: cluster });
    });
    await Promise.all(servers.map((server) => server.start()));
    return servers.map((server) => server.url).join(',');
  }

  it('takes an event once that two replicas say at the same time, without a word', async () => {
    const url = await startThree();
    const said: string[] = [];
    const say = (_: object, message: string): void => void said.push(message);
    const log = { info: () => undefined, warn: say, error: say };
    const open = () => openBus({ url, file: '', prefix: 'lastcall', replicas: 3, tuning: QUICK, log });
    const buses = [await open(), await open()];
    const recorder = new Recorder();
    await buses[0]?.consume(recorder.consumer('scheduler', ['RunStarted']));
    said.length = 0;
    for (const n of range(1, 50)) await Promise.all(buses.map((bus) => bus.publish(makeEvent('a', n))));
    await recorder.until(() => recorder.done.length >= 50);
    expect(recorder.done).toEqual(range(1, 50).map((n) => `a@${n}`));
    expect(said).toEqual([]);
    await Promise.all(buses.map((bus) => bus.close()));
  });

  it('keeps three copies, and goes on when one server dies', async () => {
    const url = await startThree();
    const bus = await openBus({ url, file: '', prefix: 'lastcall', replicas: 3, tuning: QUICK });
    const recorder = new Recorder();
    await bus.consume(recorder.consumer('scheduler', ['RunStarted']));
    for (const n of range(1, 5)) await publish(bus, 'a', n);
    await servers[0]?.kill();
    for (const n of range(6, 10)) await publish(bus, 'a', n);
    // All of them. What was on its way when the server died may come after what was published later (see the README).
    await recorder.until(() => new Set(recorder.done).size === 10);
    expect(recorder.dead).toEqual([]);
    await bus.close();
  });
});
