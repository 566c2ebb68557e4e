import { openBus, type BusOptions } from './open-bus.js';
import type { Consumer } from './port.js';

/*
 * A process of its own that consumes, for the suites that kill it. It says on standard output what it does; with `hang`
 * its first handler never ends. It ends when its parent is gone, so that it never outlives its test.
 */

export interface ContractProcessOrders {
  readonly name: string;
  readonly types: Consumer['types'];
  readonly hang?: boolean;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(options: BusOptions, orders: ContractProcessOrders): Promise<void> {
  process.on('disconnect', () => process.exit(0));
  const bus = await openBus(options);
  await bus.consume({
    name: orders.name,
    types: orders.types,
    handle: async (event) => {
      say(`handling ${event.id}`);
      if (orders.hang === true) await new Promise(() => undefined);
      say(`handled ${event.id}`);
    },
    deadLetter: async (event, reason) => say(`dead ${event.id} ${reason}`),
  });
  say('consuming');
}

const [options, orders] = process.argv.slice(2).map((argument) => JSON.parse(argument) as unknown);
void main(options as BusOptions, orders as ContractProcessOrders);
