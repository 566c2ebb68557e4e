import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { consumedBy, decodeEvent, EVENT_TYPES, EVENTS, isEventType, outgoing, type EventEnvelope } from './events.js';
import * as wire from './events-v1.js';
import { Poison } from './poison.js';

const FOLDER = join(__dirname, '../../../proto/lastcall/events/v1');
const proto = readdirSync(FOLDER)
  .map((file) => readFileSync(join(FOLDER, file), 'utf8'))
  .join('\n');

function envelope(type: string, data: Uint8Array): EventEnvelope {
  return { id: 'a/b/c@1', type, source: 'a/b/c', sequence: 1, installation: 'i', time: 0, data };
}

/** A message of a newer peer: an additional field, of each kind of encoding. */
function withUnknownFields(bytes: Uint8Array): Uint8Array {
  const later = new BinaryWriter();
  later.uint32((900 << 3) | 0).uint64(2n ** 60n);
  later.uint32((901 << 3) | 2).string('from the future');
  later.uint32((902 << 3) | 5).fixed32(7);
  return Buffer.concat([bytes, later.finish()]);
}

describe('the table of events', () => {
  it('has the messages of the contract: each event one, and each message that is no part of another', () => {
    const messages = [...proto.matchAll(/^message (\w+) \{/gm)].map((match) => match[1]);
    const parts = ['DrainSummary', 'CommandResult'];
    expect([...EVENT_TYPES].toSorted()).toEqual(messages.filter((name) => !parts.includes(name ?? '')).toSorted());
  });

  it.each(EVENT_TYPES)('%s has the codec of its own message, an owner, publishers and consumers', (type) => {
    const spec = EVENTS[type];
    expect(spec.codec).toBe(wire[type]);
    expect(spec.owner).not.toBe('');
    expect(spec.publishers.length).toBeGreaterThan(0);
    expect(spec.consumers.length).toBeGreaterThan(0);
    expect(new Set(spec.consumers).size).toBe(spec.consumers.length);
  });

  it.each(EVENT_TYPES)('%s is decoded though it has fields that we do not know', (type) => {
    const empty = EVENTS[type].codec.decode(new Uint8Array());
    const bytes = outgoing(type, 'i', empty).data;
    expect(decodeEvent(type, envelope(type, withUnknownFields(bytes)))).toEqual(empty);
  });

  it('lists for each service what it consumes', () => {
    const services = ['catalog', 'scheduler', 'preflight', 'session', 'installer'] as const;
    for (const service of services) expect(consumedBy(service).length).toBeGreaterThan(0);
    expect(services.flatMap(consumedBy)).toHaveLength(
      EVENT_TYPES.reduce((count, type) => count + EVENTS[type].consumers.length, 0),
    );
    expect(isEventType('RunStarted')).toBe(true);
    expect(isEventType('toString')).toBe(false);
  });
});

describe('decodeEvent', () => {
  it('survives the enum value of a newer peer', () => {
    const bytes = new BinaryWriter()
      .uint32((2 << 3) | 0)
      .int32(4711)
      .finish();
    const message = decodeEvent('RunFinished', envelope('RunFinished', bytes));
    expect(message.outcome).toBe(4711);
    expect(() => JSON.stringify(wire.RunFinished.toJSON(message))).not.toThrow();
  });

  it('calls bytes that are no message poison', () =>
    expect(() => decodeEvent('RunFinished', envelope('RunFinished', new Uint8Array([0x0a, 0xff])))).toThrow(Poison));

  it('throws poison for a time that no clock shows', () => {
    // order.deadline (6) with its seconds (1) beyond every calendar.
    const seconds = Buffer.from([0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    const deadline = Buffer.concat([Buffer.from([0x32, seconds.length]), seconds]);
    const bytes = Buffer.concat([Buffer.from([0x0a, deadline.length]), deadline]);
    expect(() => decodeEvent('HostOrderIssued', envelope('HostOrderIssued', bytes))).toThrow('no clock shows');
  });
});
