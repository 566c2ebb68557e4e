import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  broadcastsOf,
  consumedBy,
  EVENT_TYPES,
  envelopeToHeaders,
  EVENTS,
  subjectFor,
  type EventType,
  type ServiceName,
} from '@lastcall/contracts';
import { jetstream as jetstreamClient, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, PermissionViolationError, type NatsConnection } from '@nats-io/transport-node';
import { makeEvent, QUICK, Recorder } from '../contract-tools.js';
import { openBus } from '../open-bus.js';
import type { Bus } from '../port.js';
import { connectionOptions } from './connection.js';
import { createNatsServer, describeWithServer, freePorts, type NatsServer } from './nats-server.js';
import { SERVICES } from './permissions.js';

/* The users of deploy/nats on a real server: what they need works, and everything else is refused by the server. */

const folder = join(__dirname, '../../../../deploy/nats');
const STREAM = 'lastcall-events';

interface Said {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

describeWithServer('users of deploy/nats', () => {
  let server: NatsServer;
  let configuration: string;
  const buses: Bus[] = [];
  const connections: NatsConnection[] = [];

  beforeEach(async () => {
    configuration = mkdtempSync(join(tmpdir(), 'lastcall-users-'));
    for (const file of ['server.conf', 'users.conf', 'jetstream.conf'])
      copyFileSync(join(folder, file), join(configuration, file));
    const [port = 0, monitor = 0] = await freePorts(2);
    const options = {
      port,
      name: 'users',
      configuration: join(configuration, 'server.conf'),
      args: ['-m', String(monitor)],
    };
    server = createNatsServer(options);
    await server.start();
  });
  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
    await Promise.all(connections.splice(0).map((nats) => nats.close()));
    await server.cleanUp();
    rmSync(configuration, { recursive: true });
  });

  interface OpenOptions {
    readonly said?: Said[];
    readonly replicas?: number;
    /** Of a publish, and of the start. Short where it is refused. */
    readonly patienceMs?: number;
  }

  async function open(user: ServiceName, { said = [], replicas, patienceMs = 5_000 }: OpenOptions = {}): Promise<Bus> {
    const say = (level: string) => (fields: object, message: string) =>
      void said.push({ level, fields: fields as Said['fields'], message });
    const log = { info: say('info'), warn: say('warn'), error: say('error') };
    const tuning = { ...QUICK, publishTimeoutMs: patienceMs, connectTimeoutMs: patienceMs };
    const options = { url: server.urlOf(user), file: '', prefix: 'lastcall', tuning, log };
    const bus = await openBus({ ...options, ...(replicas && { replicas }) });
    buses.push(bus);
    return bus;
  }

  /** Without the bus: what somebody does who has taken a service over. */
  async function raw(user: string): Promise<NatsConnection> {
    const nats = await connect({
      ...connectionOptions(server.urlOf(user), { ...QUICK, publishTimeoutMs: 1_000 } as never),
    });
    connections.push(nats);
    return nats;
  }

  const eventOf = (type: EventType, by: ServiceName, sequence = 1) => makeEvent(`${by}/${type}/x`, sequence, { type });
  const saidBy = (service: ServiceName) =>
    EVENT_TYPES.filter((type) => (EVENTS[type].publishers as readonly string[]).includes(service));

  /** Resolves when the server has refused it; rejects when it has not. */
  async function refused(nats: NatsConnection, attempt: (nats: NatsConnection) => unknown): Promise<string> {
    let error: unknown;
    const heard = (async () => {
      // Ends with the connection.
      for await (const one of nats.status()) if (one.type === 'error') return void (error = one.error);
    })();
    attempt(nats);
    // The server answers in order, so what it has to say about the attempt was said before this.
    await nats.flush();
    await Promise.race([heard, new Promise(setImmediate)]);
    if (!(error instanceof PermissionViolationError)) throw new Error('was not refused');
    return `${error.operation} ${error.subject}`;
  }

  it('lets each service say, hear and broadcast what the table has, also after the stream was lost', async () => {
    const recorders = new Map(SERVICES.map((service) => [service, new Recorder()]));
    const own = new Map<ServiceName, Bus>();
    const said: Said[] = [];
    for (const service of SERVICES) own.set(service, await open(service, { said }));
    for (const [service, recorder] of recorders)
      await own.get(service)?.consume(recorder.consumer(service, consumedBy(service)));

    const round = async (sequence: number): Promise<void> => {
      for (const [service, bus] of own)
        for (const type of saidBy(service)) await bus.publish(eventOf(type, service, sequence));
      for (const [service, recorder] of recorders) {
        const wanted = consumedBy(service).flatMap((type) =>
          EVENTS[type].publishers.map((by) => `${by}/${type}/x@${sequence}`),
        );
        await recorder.until(() => wanted.every((id) => recorder.done.includes(id)));
        expect(recorder.done.filter((id) => id.endsWith(`@${sequence}`)).toSorted()).toEqual(wanted.toSorted());
        expect(recorder.dead).toEqual([]);
      }
    };
    await round(1);
    for (const [service, bus] of own) {
      const replica = await open(service, { said });
      for (const topic of broadcastsOf(service)) {
        const heard = new Promise<string>((resolve) => void replica.listen(topic, (data) => resolve(Buffer.from(data).toString())).then(() => bus.broadcast(topic, Buffer.from(topic)))); // prettier-ignore
        expect(await heard).toBe(topic);
      }
    }
    const before = await own.get('session')?.generation();
    const system = await jetstreamManager(await raw('system'));
    await system.streams.delete(STREAM);
    for (const bus of own.values()) expect(await bus.generation()).not.toBe(before);
    await round(2);
    for (const bus of own.values()) expect(bus.isConnected()).toBe(true);
    expect(said.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it.each(SERVICES)('refuses %s whatever is not its own', async (service) => {
    for (const one of SERVICES) await (await open(one)).consume(new Recorder().consumer(one, consumedBy(one)));
    const nats = await raw(service);
    // What is permitted is not taken for refused.
    await expect(refused(nats, (to) => to.publish(`lastcall.${service}.x`, '{}'))).resolves.toBe(
      `publish lastcall.${service}.x`,
    );
    await expect(refused(nats, (to) => to.publish(`lastcall.broadcast.tokens-revoked_2e${service}`))).rejects.toThrow(
      'was not refused',
    );
    const others = SERVICES.filter((other) => other !== service);
    const publishes = [
      ...EVENT_TYPES.filter((type) => !saidBy(service).includes(type)).map((type) => subjectFor({ type, source: 'x/y/z', installation: 'a' })),
      ...others.flatMap((other) => broadcastsOf(other)).map((topic) => `lastcall.broadcast.${topic.replace('.', '_2e')}`),
      ...['DELETE', 'PURGE', 'MSG.GET', 'MSG.DELETE', 'SNAPSHOT', 'RESTORE', 'PEER.REMOVE', 'LEADER.STEPDOWN'].map((call) => `$JS.API.STREAM.${call}.${STREAM}`),
      ...(service === 'scheduler' ? [] : [`$JS.API.STREAM.UPDATE.${STREAM}`]),
      ...['INFO', 'STREAM.LIST', 'STREAM.NAMES', 'STREAM.CREATE.other', 'STREAM.INFO.other', `DIRECT.GET.${STREAM}`].map((call) => `$JS.API.${call}`),
      // Without a name, and with a filter in its subject.
      ...[STREAM, `${STREAM}.spy`, `${STREAM}.${service}.lastcall.session.gate-closed.*`].map((name) => `$JS.API.CONSUMER.CREATE.${name}`),
      ...['NAMES', 'LIST'].map((call) => `$JS.API.CONSUMER.${call}.${STREAM}`),
      ...others.flatMap((other) => ['INFO', 'DURABLE.CREATE', 'CREATE', 'MSG.NEXT', 'DELETE', 'PAUSE'].map((call) => `$JS.API.CONSUMER.${call}.${STREAM}.${other}`)),
      `$JS.API.CONSUMER.DELETE.${STREAM}.${service}`,
      ...others.flatMap((other) => [`$JS.ACK.${STREAM}.${other}.1.1.1.1.1`, `_INBOX.${other}.x`]),
      '$SYS.REQ.SERVER.PING',
      '$JS.FC.x',
      'anything',
    ]; // prettier-ignore
    for (const subject of publishes) {
      expect(await refused(nats, (to) => to.publish(subject, '{}'))).toBe(`publish ${subject}`);
    }
    const subscriptions = [
      ...['>', '*.*.*.*', 'lastcall.>', 'lastcall.*.*.*', '_INBOX.>', '_INBOX.*.>', '$JS.>', '$SYS.>', '$JS.EVENT.ADVISORY.>'],
      ...others.flatMap((other) => [`_INBOX.${other}.>`, `_INBOX.${other}.x`]),
      ...others.flatMap((other) => broadcastsOf(other)).map((topic) => `lastcall.broadcast.${topic.replace('.', '_2e')}`),
      'lastcall.broadcast.*',
    ]; // prettier-ignore
    for (const subject of subscriptions) {
      expect(await refused(nats, (to) => to.subscribe(subject, { callback: () => undefined }))).toBe(
        `subscription ${subject}`,
      );
    }
    // Everything is still there.
    const system = await jetstreamManager(await raw('system'));
    const { config, state } = await system.streams.info(STREAM);
    expect([config.subjects, state.messages]).toEqual([['lastcall.*.*.*'], 0]);
    expect(state.consumer_count).toBe(5);
  });

  it('takes nothing in that says more than its subject does', async () => {
    const recorder = new Recorder();
    const bus = await open('scheduler');
    await bus.consume(recorder.consumer('scheduler', consumedBy('scheduler')));
    const session = await open('session');
    const nats = await raw('session');
    // Its own subject, and another's event in the headers.
    const forged = eventOf('InstallationUpdated', 'installer');
    const subject = subjectFor({ ...forged, type: 'GateReopened' });
    const jetstream = jetstreamClient(nats);
    const fields = headers();
    for (const [name, value] of Object.entries(envelopeToHeaders(forged))) fields.set(name, value);
    await jetstream.publish(subject, forged.data, { headers: fields });
    // The server's own answer, sent where another's events are.
    nats.publish(subject, 'x', { reply: subjectFor(forged) });
    await session.publish(eventOf('GateReopened', 'session'));
    await recorder.until(() => recorder.done.length === 1 && recorder.dead.length === 3);
    expect(recorder.done).toEqual(['session/GateReopened/x@1']);
    const dead = recorder.dead.map(({ event }) => event.id);
    expect(dead.filter((id) => id.startsWith(`bus/${STREAM}/`))).toHaveLength(3);
    expect(recorder.dead[0]?.event.type).toMatch(/InstallationUpdated$/);
    expect(recorder.dead[0]?.reason).toMatch(
      /^it says that it is a InstallationUpdated, and came as lastcall\.session\./,
    );
  });

  /** Takes a line out of one user's part of the configuration; answers how it is put back. */
  function takeAway(user: ServiceName, line: string): () => void {
    const file = join(configuration, 'users.conf');
    const before = readFileSync(file, 'utf8');
    const at = before.indexOf(line, before.indexOf(`user: ${user}`));
    writeFileSync(file, before.slice(0, at) + before.slice(at + line.length));
    return () => writeFileSync(file, before);
  }

  const refusals = (said: readonly Said[]) =>
    said.filter(({ level, message }) => level === 'error' && message.startsWith('the bus does not permit this'));

  it('is not good while the server refuses what it has to say, says so once, and is good when that is put right', async () => {
    const said: Said[] = [];
    const bus = await open('session', { said, patienceMs: 1_000 });
    await bus.publish(eventOf('GateClosed', 'session'));
    expect(bus.isConnected()).toBe(true);
    const putBack = takeAway('session', '"lastcall.session.*.*"');
    await server.kill();
    await server.start();
    const message = expect.stringMatching(/Permissions Violation for Publish to "lastcall\.session\.gate-reopened/);
    // The first ones may be those of a connection that is not back yet.
    await until(() =>
      expect(bus.publish(eventOf('GateReopened', 'session'))).rejects.toMatchObject({
        name: 'Fault',
        cause: { message },
      }),
    );
    const elsewhere = { ...eventOf('GateReopened', 'session', 2), installation: 'encore-bonn' };
    await expect(bus.publish(elsewhere)).rejects.toThrow('could not be published');
    expect(bus.isConnected()).toBe(false);
    expect(refusals(said).map(({ fields }) => fields)).toEqual([
      { operation: 'publish', subject: 'lastcall.session.gate-reopened.encore-berlin' },
    ]);
    putBack();
    server.reload();
    await until(() => bus.publish(eventOf('GateReopened', 'session')));
    expect(bus.isConnected()).toBe(true);
  });

  it.each(['"$JS.API.CONSUMER.MSG.NEXT.lastcall-events.session"', '"_INBOX.session.>"'])(
    'is not good while it cannot consume for want of %s, and goes on when that is put right',
    async (line) => {
      const said: Said[] = [];
      const bus = await open('session', { said });
      const recorder = new Recorder();
      await bus.consume(recorder.consumer('session', consumedBy('session')));
      // Not opened at the reload: the server may leave a connection unanswered that begins in that moment.
      const scheduler = await open('scheduler');
      const putBack = takeAway('session', line);
      await server.kill();
      await server.start();
      await until(async () => {
        if (bus.isConnected() || refusals(said).length === 0) throw new Error('it is good');
      });
      putBack();
      server.reload();
      await until(() => scheduler.publish(eventOf('RunStarted', 'scheduler')));
      await recorder.until(() => recorder.done.length === 1);
      await until(async () => {
        if (!bus.isConnected()) throw new Error('it is not good');
      });
      expect(refusals(said)).toHaveLength(1);
    },
  );

  it('stays good without a broadcast, and where another may change the stream', async () => {
    const said: Said[] = [];
    const bus = await open('session', { said });
    await bus.broadcast('run-changes', Buffer.from('x'));
    await until(async () => expect(refusals(said)).toHaveLength(1));
    // Another number of copies: asked for, refused, and said; the stream stays as it is.
    const other = await open('session', { said, replicas: 3 });
    await other.publish(eventOf('GateClosed', 'session'));
    expect([bus.isConnected(), other.isConnected()]).toEqual([true, true]);
    expect(refusals(said).map(({ fields }) => fields['subject'])).toEqual([
      'lastcall.broadcast.run-changes',
      `$JS.API.STREAM.UPDATE.${STREAM}`,
    ]);
  });

  it('does not start as a user that may nothing, and says why', async () => {
    takeAway('session', `"$JS.API.STREAM.INFO.${STREAM}"`);
    await server.kill();
    await server.start();
    await expect(open('session', { patienceMs: 1_000 })).rejects.toMatchObject({
      message: expect.stringMatching(/cannot open the bus/),
      cause: { message: expect.stringMatching(/Permissions Violation for Publish to "\$JS\.API\.STREAM\.INFO/) },
    });
  });
});

/** Until it succeeds; the test's own time bounds it. */
async function until(attempt: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      return void (await attempt());
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20)); // It is tried again.
    }
  }
}
