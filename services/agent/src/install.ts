import { randomId, type Failure } from '@lastcall/kernel';
import { openAgent, type Agent, type AgentOptions } from './agent.js';
import { localOrderId, type Order, type OrderAction } from './domain/order.js';

/*
 * A first installation, or catching up, on the host itself: the same orders as from the services, without a run and without a
 * fence. An order of the services that is still open is finished first.
 */

export interface Installed {
  readonly version: string;
  readonly failure?: Failure;
}

export async function installHere(options: AgentOptions, version: string): Promise<Installed> {
  const agent = await openAgent(options);
  try {
    const product = agent.record.product;
    const staged = await carryOut(agent, { kind: 'stage-release', product, version });
    if (staged) return { version: await agent.releases.installedVersion(), failure: staged };
    const failure = await carryOut(agent, { kind: 'install-release', product, version });
    return { version: await agent.releases.installedVersion(), ...(failure && { failure }) };
  } finally {
    await agent.stop();
  }
}

async function carryOut({ record, runner, journal }: Agent, action: OrderAction): Promise<Failure | undefined> {
  const { installation, host } = record;
  const order: Order = {
    order: localOrderId(randomId('o')),
    installation,
    host,
    run: '',
    fence: 0,
    deadlineAt: 0,
    action,
  };
  await runner.receive(order);
  await runner.idle();
  const state = journal.book.orders.get(order.order);
  return state?.phase === 'finished' ? state.result.failure : undefined;
}
