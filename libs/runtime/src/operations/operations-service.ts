import { formatName, operationsV1, parseName, type ServiceName } from '@lastcall/contracts';
import { checkRange, Fault, invalid, LIMITS, reject, type Rejected } from '@lastcall/kernel';
import type { DeadLetter, DeadLetters } from '../events/dead-letters.js';
import { isDefect } from '../grpc/status.js';
import { bindRpc, type RpcBinding } from '../service.js';
import type { AuditTrail } from './audit-trail.js';
import type { EventConsumer } from '../events/event-consumer.js';
import { listAudit } from './list-audit.js';
import { checkToken } from './page-tokens.js';
import type { ServiceStates } from './service-states.js';

/*
 * Dead letters and audit of all services of this process, as one list each, newest first; and how all services are.
 */

export interface OperationsOf {
  readonly name: ServiceName;
  readonly deadLetters: DeadLetters;
  readonly consumer: EventConsumer;
  readonly audit: AuditTrail;
}

export function bindOperations(services: readonly OperationsOf[], states: ServiceStates): RpcBinding {
  return bindRpc(operationsV1.OperationsServiceService, {
    listDeadLetters: async ({ pageSize, pageToken }) => {
      const page = await newest(services, pageSize, pageToken, ({ deadLetters }, n, below) =>
        deadLetters.list(n, below),
      );
      if ('kind' in page) return page;
      return { deadLetters: page.items.map(deadLetterToWire), nextPageToken: page.nextPageToken };
    },
    redriveDeadLetter: async ({ name }) => redrive(services, name),
    listAuditRecords: (request) => listAudit(services, request),
    listServiceStates: async ({ ownProcess }) => ({ serviceStates: await states.list(ownProcess) }),
  });
}

interface Ordered {
  readonly order: string;
}

/** One page over all services. The token is the place in the order after which to go on. */
async function newest<S, T extends Ordered>(
  services: readonly S[],
  pageSize: number,
  pageToken: string,
  list: (service: S, limit: number, below: string | undefined) => Promise<readonly T[]>,
): Promise<{ items: T[]; nextPageToken: string } | Rejected> {
  const limit = pageSize === 0 ? LIMITS.defaultPageSize : pageSize;
  const violations = [checkRange('page_size', limit, 1, LIMITS.pageSize, 'a page'), checkToken(pageToken)];
  const wrong = violations.filter((v) => v !== undefined);
  if (wrong.length > 0) return invalid(wrong);
  const below = pageToken === '' ? undefined : Buffer.from(pageToken, 'base64url').toString('utf8');
  // One more than the page tells whether there is another one. The largest page leaves no room for it: there a full one means that there may be.
  const asked = Math.min(limit + 1, LIMITS.pageSize);
  const lists = await Promise.all(services.map((service) => list(service, asked, below)));
  const items = lists.flat().toSorted((a, b) => (a.order < b.order ? 1 : -1));
  const last = items[limit - 1];
  const isMore = items.length > limit || (asked === limit && items.length === limit);
  const nextPageToken = isMore && last ? Buffer.from(last.order).toString('base64url') : '';
  return { items: items.slice(0, limit), nextPageToken };
}

async function redrive(
  services: readonly OperationsOf[],
  name: string,
): Promise<operationsV1.RedriveDeadLetterResponse | Rejected> {
  const parsed = parseName('deadLetter', 'name', name);
  if (!parsed.ok) return invalid([parsed.violation]);
  for (const { deadLetters, consumer } of services) {
    const letter = await deadLetters.find(parsed.parts.dead_letter);
    if (!letter) continue;
    const refusal = await handOver(consumer, letter);
    if (refusal) return refusal;
    await deadLetters.remove(letter.id);
    return {};
  }
  return reject('not-found', 'DEAD_LETTER_NOT_FOUND', `There is no ${name}; it may have been taken in meanwhile.`);
}

async function handOver(consumer: EventConsumer, letter: DeadLetter): Promise<Rejected | undefined> {
  try {
    await consumer.handle(letter.event);
    return undefined;
  } catch (error) {
    if (error instanceof Fault) throw error;
    const why = isDefect(error) && error instanceof Error ? error.message : String(error);
    return reject('refused', 'STILL_NOT_TAKEN_IN', `${letter.event.id} was not taken in this time either: ${why}`);
  }
}

function deadLetterToWire({ id, service, event, reason, createdAt }: DeadLetter): operationsV1.DeadLetter {
  return {
    name: formatName('deadLetter', { dead_letter: id }),
    consumer: service,
    event: event.type,
    eventId: event.id,
    installation: event.installation,
    reason,
    createTime: new Date(createdAt),
  };
}
