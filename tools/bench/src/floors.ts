import { openBus } from '@lastcall/bus';
import type { EventEnvelope } from '@lastcall/contracts';
import { randomId } from '@lastcall/kernel';
import { openStore } from '@lastcall/store';
import { dropMongoDatabase, dropNatsStream } from '@lastcall/testkit';
import { join } from 'node:path';
import type { Bench } from './benchmark.js';
import type { Backends } from './lastcall.js';
import { summarize, type Summary } from './statistics.js';

/*
 * What one durable step costs on this machine with nothing around it: one document written, one event from `publish` to its handler.
 * A run is a chain of such steps, so nothing that waits for the disk can be faster than a few of them.
 */

export interface Floors {
  /** One document, written and on the disk. */
  readonly writeMs: Summary;
  /** One event, on the disk of the bus and in the hands of a consumer. */
  readonly eventMs: Summary;
}

const STEPS = 200;

export async function measureFloors(bench: Bench, backends: Backends | undefined): Promise<Floors> {
  const prefix = randomId('b').replaceAll('-', '_');
  const [writeMs, eventMs] = [await writeTimes(bench, prefix, backends), await eventTimes(bench, prefix, backends)];
  return { writeMs: summarize(writeMs), eventMs: summarize(eventMs) };
}

async function writeTimes(bench: Bench, prefix: string, backends: Backends | undefined): Promise<number[]> {
  const database = `${prefix}_catalog`;
  const file = join(bench.dir, `${prefix}.db`);
  const store = await openStore({ url: backends?.mongodb ?? '', file, service: 'catalog', database });
  try {
    const documents = await store.collection<{ n: number }>({ name: 'floor', fields: () => ({}), indexes: [] });
    return await repeat((n) => documents.change('one', () => ({ write: { n }, result: undefined })));
  } finally {
    await store.close();
    if (backends) await dropMongoDatabase(backends.mongodb, database);
  }
}

async function eventTimes(bench: Bench, prefix: string, backends: Backends | undefined): Promise<number[]> {
  const bus = await openBus({ url: backends?.nats ?? '', file: join(bench.dir, `${prefix}-bus.db`), prefix });
  let taken = (): void => undefined;
  try {
    await bus.consume({
      name: 'floor',
      types: ['RunFinished'],
      handle: async () => taken(),
      deadLetter: async () => undefined,
    });
    return await repeat(async (n) => {
      const arrived = new Promise<void>((resolve) => (taken = resolve));
      await Promise.all([bus.publish(eventOf(n)), arrived]);
    });
  } finally {
    await bus.close();
    if (backends) await dropNatsStream(backends.nats, prefix);
  }
}

function eventOf(n: number): EventEnvelope {
  const source = 'scheduler/floor/one';
  const data = new Uint8Array(64);
  return {
    id: `${source}@${n}`,
    type: 'RunFinished',
    source,
    sequence: n,
    installation: 'floor',
    time: Date.now(),
    data,
  };
}

async function repeat(step: (n: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let n = 1; n <= STEPS; n++) {
    const began = performance.now();
    await step(n);
    times.push(performance.now() - began);
  }
  return times;
}
