import type { operationsV1 } from '@lastcall/contracts';
import { formatName, parseName, type ServiceName } from '@lastcall/contracts';
import {
  checkRange,
  Fault,
  invalid,
  isRejected,
  LIMITS,
  reject,
  type Rejected,
  type Violation,
} from '@lastcall/kernel';
import { orderOf, type DeadLetter, type DeadLetters } from '../events/dead-letters.js';
import type { EventConsumer } from '../events/event-consumer.js';
import { isDefect } from '../grpc/status.js';
import { checkService } from './check-service.js';
import { checkToken, placeOf, tokenOf } from './page-tokens.js';
import { askPeer, othersThan, type Peers } from './peers.js';

/* Dead letters of all services as one list, newest first, those of other processes too; and how one is handed over again. */

export interface DeadLettersOf {
  readonly name: ServiceName;
  readonly deadLetters: DeadLetters;
  readonly consumer: EventConsumer;
}

/** A dead letter, and its place among those of all services. */
interface Placed {
  readonly order: string;
  readonly letter: operationsV1.DeadLetter;
}

interface Asked {
  readonly limit: number;
  readonly pageToken: string;
}

/** The token is the place in the order after which to go on. */
export async function listDeadLetters(
  services: readonly DeadLettersOf[],
  peers: Peers,
  { pageSize, pageToken, service, ownProcess }: operationsV1.ListDeadLettersRequest,
): Promise<operationsV1.ListDeadLettersResponse | Rejected> {
  const limit = pageSize === 0 ? LIMITS.defaultPageSize : pageSize;
  const checks = [checkRange('page_size', limit, 1, LIMITS.pageSize, 'a page'), checkToken(pageToken)];
  const wrong = [...checks, checkService('service', service)].filter((v): v is Violation => v !== undefined);
  if (wrong.length > 0) return invalid(wrong);
  // One more than the page tells whether there is another one. The largest page leaves no room for it: there a full one means that there may be.
  const asked = { limit: Math.min(limit + 1, LIMITS.pageSize), pageToken };
  const isMeant = (name: ServiceName): boolean => service === '' || service === name;
  const others = ownProcess ? [] : othersThan(services).filter(isMeant);
  const lists = await Promise.all([
    ...services.filter(({ name }) => isMeant(name)).map(({ deadLetters }) => ownLetters(deadLetters, asked)),
    ...others.map((name) => lettersOf(name, peers, asked)),
  ]);
  const refused = lists.find(isRejected);
  if (refused) return refused;
  const all = lists.flatMap((list) => (isRejected(list) ? [] : list)).toSorted((a, b) => (a.order < b.order ? 1 : -1));
  const last = all[limit - 1];
  const isMore = all.length > limit || (asked.limit === limit && all.length === limit);
  const nextPageToken = isMore && last ? tokenOf(last.order) : '';
  return { deadLetters: all.slice(0, limit).map(({ letter }) => letter), nextPageToken };
}

async function ownLetters(deadLetters: DeadLetters, { limit, pageToken }: Asked): Promise<readonly Placed[]> {
  const found = await deadLetters.list(limit, placeOf(pageToken));
  return found.map((letter) => ({ order: letter.order, letter: deadLetterToWire(letter) }));
}

/** Of one service, also where its process has several. */
async function lettersOf(
  service: ServiceName,
  peers: Peers,
  { limit, pageToken }: Asked,
): Promise<readonly Placed[] | Rejected> {
  const request = { pageSize: limit, pageToken, service, ownProcess: true };
  const answer = await askPeer(service, peers, (client) => client.listDeadLetters(request));
  if (isRejected(answer)) return answer;
  return answer.deadLetters.map((letter) => ({
    order: orderOf(letter.createTime?.getTime() ?? 0, letter.name.replace(/^deadletters\//, '')),
    letter,
  }));
}

export async function redrive(
  services: readonly DeadLettersOf[],
  peers: Peers,
  { name, ownProcess }: operationsV1.RedriveDeadLetterRequest,
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
  return ownProcess ? notThere(name) : redriveElsewhere(services, peers, name);
}

/** By the one service that has it. One that cannot be asked may be it. */
async function redriveElsewhere(
  services: readonly DeadLettersOf[],
  peers: Peers,
  name: string,
): Promise<operationsV1.RedriveDeadLetterResponse | Rejected> {
  let away: Rejected | undefined;
  for (const service of othersThan(services)) {
    const request = { name, ownProcess: true };
    const answer = await askPeer(service, peers, (client) => client.redriveDeadLetter(request));
    if (!isRejected(answer)) return answer;
    if (answer.reason === 'SERVICE_AWAY') away ??= answer;
    else if (answer.code !== 'not-found') return answer;
  }
  return away ?? notThere(name);
}

function notThere(name: string): Rejected {
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
