import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { counters, increment, range, relay } from './contract-tools.js';
import { openStore, type StoreOptions } from './open-store.js';

/*
 * A process of its own that writes and relays, for the suites that kill it. It says on standard output what it has done
 * and, where it is told to, goes on only when a line arrives on standard input. It ends when that is closed, so that
 * it never outlives its test.
 */

export interface ProcessOrders {
  /** `relay`: writes one document with three events, then relays, stopping before each step. `write`: writes on and on. */
  readonly do: 'relay' | 'write' | 'hold';
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
  if (orders.do === 'write') {
    for (;;) {
      const counts = await Promise.all(range(1, 4).map(() => collection.change(orders.id, increment())));
      say(String(Math.max(...counts)));
    }
  }
  await step('opened');
  if (orders.do === 'hold') return;
  await collection.change(orders.id, increment(3));
  await step('written');
  await relay(store, ({ id }) => publish(orders.published, id), step);
  await step('done');
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
