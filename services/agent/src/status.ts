import { createOrderBook, type OrderState } from './domain/order-book.js';
import { readHostRecord } from './host-record.js';
import { readJournal } from './journal.js';
import { layoutOf } from './layout.js';
import { tryLock } from './lock.js';
import { createReleases } from './releases.js';
import { AGENT_VERSION } from './version.js';

/** What an agent's data folder says, beside an agent that may be running. */
export interface Status {
  readonly installation: string;
  readonly host: string;
  readonly role: string;
  readonly product: string;
  readonly address: string;
  readonly agentVersion: string;
  readonly running: boolean;
  /** Empty for none. */
  readonly installedVersion: string;
  readonly fence: number;
  /** The last ones, newest first. */
  readonly orders: readonly OrderStatus[];
}

export interface OrderStatus {
  readonly order: string;
  readonly action: string;
  readonly phase: OrderState['phase'];
  readonly step: string;
  /** Empty: it did not fail. */
  readonly reason: string;
  readonly message: string;
}

const SHOWN = 10;

export async function readStatus(dataDir: string): Promise<Status> {
  const layout = layoutOf(dataDir);
  const record = readHostRecord(layout);
  const probe = tryLock(layout);
  probe?.release();
  const book = readJournal(layout.journal, createOrderBook(record));
  return {
    installation: record.installation,
    host: record.host,
    role: record.role,
    product: record.product,
    address: record.address,
    agentVersion: AGENT_VERSION,
    running: probe === undefined,
    installedVersion: await createReleases(layout, record.product).installedVersion(),
    fence: book?.fence ?? 0,
    orders: [...(book?.orders.values() ?? [])].slice(-SHOWN).toReversed().map(toOrderStatus),
  };
}

function toOrderStatus(state: OrderState): OrderStatus {
  const failure = state.phase === 'finished' ? state.result.failure : undefined;
  return {
    order: state.order.order,
    action: state.order.action.kind,
    phase: state.phase,
    step: state.phase === 'running' ? (state.step ?? '') : '',
    reason: failure?.reason ?? '',
    message: failure?.message ?? '',
  };
}

export function formatStatus(status: Status): string {
  const lines = [
    `host       ${status.host} (${status.role}) of ${status.installation}`,
    `product    ${status.product} ${status.installedVersion || '(not installed)'}`,
    `services   ${status.address}`,
    `agent      ${status.agentVersion}, ${status.running ? 'running' : 'not running'}`,
    ...status.orders.map((o) => `order      ${o.order} ${o.action} ${o.phase} ${o.step}${o.reason}`.trimEnd()),
  ];
  return lines.join('\n');
}
