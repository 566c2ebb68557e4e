import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { counters, increment, outgoingEvent, range, relay, type Counter } from './contract-tools.js';
import { openStore } from './open-store.js';
import type { Collection } from './port.js';
import type { StoreOptions } from './store-options.js';

/*
 * A process of its own that writes and relays, for the suites that kill it. It says on standard output what it has done
 * and, where it is told to, goes on only when a line arrives on standard input. It ends when that is closed, so that
 * it never outlives its test.
 */

export interface ProcessOrders {
  /**
   * `relay`: writes one document with three events, then relays, stopping after each step. `write`: writes on and on.
   * `hold`: opens the store and waits. `fill`: writes until the disk refuses, makes room, writes again.
   */
  readonly do: 'relay' | 'write' | 'hold' | 'fill';
  readonly id: string;
  /** What was published, a line each. */
  readonly published: string;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(options: StoreOptions, orders: ProcessOrders): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  lines.on('close', () => process.exit(0));
  const goOn = (): Promise<void> => new Promise((resolve) => lines.once('line', () => resolve()));
  const step = (name: string): Promise<void> => {
    const told = goOn();
    say(name);
    return told;
  };
  const store = await openStore(options);
  const collection = await store.collection(counters);
  if (orders.do === 'write') return writeOn(collection, orders.id);
  if (orders.do === 'fill') return fill(collection, orders);
  await step('opened');
  if (orders.do === 'hold') return;
  await collection.change(orders.id, increment(3));
  await step('written');
  await relay(store, ({ id }) => publish(orders.published, id), step);
  await step('done');
}

async function writeOn(collection: Collection<Counter>, id: string): Promise<void> {
  for (;;) {
    const counts = await Promise.all(range(1, 4).map(() => collection.change(id, increment())));
    say(String(Math.max(...counts)));
  }
}

/** Says how often it wrote, why it could not go on, and how often it had written after there was room again. */
async function fill(collection: Collection<Counter>, { id, published: ballast }: ProcessOrders): Promise<void> {
  const padding = { data: new Uint8Array(4_096) };
  const one = (current: Counter | undefined) => {
    const change = increment()(current);
    return { ...change, events: [{ ...outgoingEvent(), ...padding }] };
  };
  let refused: Error | undefined;
  while (refused === undefined) {
    try {
      await collection.change(id, one);
    } catch (error) {
      refused = error as Error;
    }
  }
  say(String((await collection.get(id))?.data.count));
  say(String(refused));
  rmSync(ballast, { force: true });
  say(String(await collection.change(id, one).catch(String)));
}

/** Durable when it returns, as a bus promises. */
function publish(file: string, line: string): void {
  const descriptor = openSync(file, 'a');
  writeSync(descriptor, `${line}\n`);
  fsyncSync(descriptor);
  closeSync(descriptor);
}

const [options, orders] = process.argv.slice(2).map((argument) => JSON.parse(argument) as unknown);
void main(options as StoreOptions, orders as ProcessOrders);
