import { openBus, type Bus } from '@lastcall/bus';
import {
  EVENTS,
  eventsV1,
  isEventType,
  outgoing,
  Poison,
  type EventEnvelope,
  type EventMessage,
} from '@lastcall/contracts';
import { Defect, reject, RejectedError } from '@lastcall/kernel';
import { openStore, type Store } from '@lastcall/store';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../logging.js';
import type { EventHandlers } from '../service.js';
import { noTelemetry, type Telemetry } from '../telemetry/telemetry.js';
import { openDeadLetters, type DeadLetters } from './dead-letters.js';
import { createEventConsumer, type EventConsumer } from './event-consumer.js';

let dir: string;
let store: Store;
let bus: Bus;
let deadLetters: DeadLetters;
const revoked: [string, number][] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lastcall-consumer-'));
  store = await openStore({ url: '', file: join(dir, 's.db'), service: 'catalog', database: '' });
  bus = await openBus({ url: '', file: join(dir, 'bus.db'), prefix: 'test' });
  deadLetters = await openDeadLetters('catalog', store, noTelemetry);
});
afterEach(async () => {
  await bus.close();
  await store.close();
  rmSync(dir, { recursive: true });
});

const nothing = () => Promise.resolve();
const others = {
  HostUpdated: nothing,
  InstallationUpdated: nothing,
  InstallationRolledBack: nothing,
  InstallationQuarantined: nothing,
  RunFinished: nothing,
};

function consumerOf(handlers: EventHandlers, telemetry: Telemetry = noTelemetry): EventConsumer {
  return createEventConsumer({
    service: 'catalog',
    bus,
    handlers,
    deadLetters,
    revoke: async (token, expiresAt) => void revoked.push([token, expiresAt]),
    log: createLogger('silent'),
    telemetry,
  });
}

const withHandler = (handle: (message: EventMessage<'HostJoined'>) => Promise<void>) =>
  consumerOf({ ...others, HostJoined: handle });

function envelope(type: string, data: Uint8Array): EventEnvelope {
  const source = `${isEventType(type) ? EVENTS[type].publishers[0] : 'newer'}/y/z`;
  return { id: `${source}@1`, type, source, sequence: 1, installation: 'a', time: Date.now(), data };
}

const joined = envelope('HostJoined', outgoing('HostJoined', 'a', eventsV1.HostJoined.create({ host: 'srv' })).data);

describe('the consumer of a service', () => {
  it('must have exactly the handlers that the table lists', () => {
    expect(() => consumerOf(others)).toThrow(/no handler for \[HostJoined\]/);
    const extra = { ...others, HostJoined: nothing, RunStarted: nothing };
    expect(() => consumerOf(extra)).toThrow(/not in the table \[RunStarted\]/);
    expect(() => consumerOf({ ...others, HostJoined: nothing, TokenRevoked: nothing })).toThrow(Defect);
  });

  it('hands over the message', async () => {
    const hosts: string[] = [];
    await withHandler(async ({ host }) => void hosts.push(host)).handle(joined);
    expect(hosts).toEqual(['srv']);
  });

  it('passes over what a newer peer says', async () => {
    await expect(withHandler(nothing).handle(envelope('ComesLater', new Uint8Array([255])))).resolves.toBeUndefined();
  });

  it('is done with an event that a rule refuses, and not with one that failed', async () => {
    const refuse = async () => Promise.reject(new RejectedError(reject('refused', 'OVER', 'It is over.')));
    await expect(withHandler(refuse).handle(joined)).resolves.toBeUndefined();
    await expect(withHandler(() => Promise.reject(new Error('disk'))).handle(joined)).rejects.toThrow('disk');
  });

  it('calls bytes that it cannot read poison', async () => {
    const broken = envelope('HostJoined', new Uint8Array([255, 255, 255]));
    await expect(withHandler(nothing).handle(broken)).rejects.toThrow(Poison);
  });

  it.each(['session/y/z', 'bus/lastcall-events/x', 'installer-/y', ''])(
    'calls it poison when %j says it',
    async (source) => {
      const taken: unknown[] = [];
      const handled = withHandler(async (message) => void taken.push(message)).handle({ ...joined, source });
      await expect(handled).rejects.toThrow('HostJoined is said by installer, and never by');
      await expect(handled).rejects.toThrow(Poison);
      expect(taken).toEqual([]);
    },
  );

  it('takes in TokenRevoked by itself', async () => {
    const expiresAt = new Date(Date.UTC(2030, 0, 1));
    const message = eventsV1.TokenRevoked.create({ token: 'tok-1', expiresAt });
    await withHandler(nothing).handle(envelope('TokenRevoked', outgoing('TokenRevoked', '', message).data));
    expect(revoked.at(-1)).toEqual(['tok-1', expiresAt.getTime()]);
  });

  it('keeps poison in the dead letters, byte for byte, newest first', async () => {
    let given = 0;
    let finish: () => void = () => undefined;
    const allGiven = new Promise<void>((resolve) => (finish = resolve));
    const count: Telemetry['count'] = (name) => void (name === 'events_dead_lettered' && ++given === 3 && finish());
    const consumer = consumerOf({ ...others, HostJoined: nothing }, { ...noTelemetry, count });
    await consumer.start?.();
    const data = new Uint8Array([255, 0, 128]);
    for (const n of [1, 2, 3])
      await bus.publish({ ...envelope('HostJoined', data), id: `installer/y/${n}@1`, source: `installer/y/${n}` });
    await allGiven;
    await consumer.stop?.();
    const letters = await deadLetters.list(2, undefined);
    expect(letters).toHaveLength(2);
    expect(Buffer.from(letters[0]?.event.data ?? [])).toEqual(Buffer.from(data));
    expect(letters[0]?.reason).toContain('no HostJoined');
    const [last, ...none] = await deadLetters.list(2, letters[1]?.order);
    expect(none).toEqual([]);
    await deadLetters.remove(last?.id ?? '');
    expect(await deadLetters.count()).toBe(2);
  });
});
