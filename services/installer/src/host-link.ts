import { atToDate, type hostEdgeV1 } from '@lastcall/contracts';
import { assertNever, randomId, reject, systemClock, type Rejected } from '@lastcall/kernel';
import type { Logger, ServerStream } from '@lastcall/runtime';
import { createOrderWords, type OrderWord, type OrderWords } from './order-words.js';
import { orderFromBody, type HostKey, type Orders } from './orders.js';
import type { Presence } from './presence.js';

/*
 * One stream of one agent, after its hello. Messages are taken in one after the other; a result is confirmed only when it is
 * durable. Orders go down in the order in which they were issued, are repeated until they are accepted, and come again on the
 * next stream until they are completed.
 */

export type HostStream = ServerStream<hostEdgeV1.ConnectRequest, hostEdgeV1.ConnectResponse>;

export interface HostLinkOptions {
  readonly host: HostKey;
  readonly stream: HostStream;
  readonly orders: Orders;
  readonly presence: Presence;
  readonly silenceMs: number;
  readonly log: Logger;
}

export interface HostLink {
  readonly id: string;
  readonly host: HostKey;
  /** There may be something to send. Coalesced; resolves when it was sent. */
  push(): Promise<void>;
  welcome(catalogUrl: string): void;
  /** Takes in what the agent says until it has no more or the link ends; throws when the store does not answer. */
  read(messages: AsyncIterator<hostEdgeV1.ConnectRequest>): Promise<void>;
  /** With a reason the agent is told why. */
  end(why?: Rejected): void;
  /** Resolves when the link was ended from this side. */
  readonly ended: Promise<Rejected | undefined>;
}

/** An order that was not accepted is sent again. */
const REPEAT_MS = 5_000;
const RENEW_MS = 10_000;
const FIRST_WORD_MS = 150;
const NEXT_WORD_MS = 1_000;
/** An agent that does not read is cut; it comes back and is sent what is open. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

export function createHostLink(options: HostLinkOptions): HostLink {
  const { host, stream, orders, silenceMs, log } = options;
  const id = randomId('hs');
  let resolve: (why: Rejected | undefined) => void = () => undefined;
  const ended = new Promise<Rejected | undefined>((settle) => (resolve = settle));
  const link = { open: true };
  const silence = setTimeout(() => end(silent(silenceMs)), silenceMs).unref();
  const words = createOrderWords({
    ...{ firstMs: FIRST_WORD_MS, everyMs: NEXT_WORD_MS },
    write: ({ order, progress }) => (progress ? orders.progress(host, order, progress) : orders.accept(host, order)),
    onError: (err) => log.warn({ err, ...host }, 'progress of an order was not stored'),
  });
  const write = (message: hostEdgeV1.ConnectResponse['message']): void => {
    if (!link.open) return;
    const isRead = stream.write({ serverTime: atToDate(systemClock.now()), message });
    if (!isRead && stream.queuedBytes > MAX_QUEUED_BYTES) end(tooSlow());
  };
  const push = coalesced(createPush(options, link, write));
  const hear = createHearing({ ...options, id, words, write, push, end });

  function end(why?: Rejected): void {
    link.open = false;
    clearTimeout(silence);
    words.stop();
    resolve(why);
  }

  return {
    id,
    host,
    push,
    welcome: (catalogUrl) => write({ $case: 'welcome', value: { catalogUrl } }),
    read: async (messages) => {
      for (let next = await messages.next(); !next.done && link.open; next = await messages.next()) {
        silence.refresh();
        await hear(next.value.message);
      }
    },
    end,
    ended,
  };
}

type Write = (message: hostEdgeV1.ConnectResponse['message']) => void;

function createPush({ host, orders }: HostLinkOptions, link: { readonly open: boolean }, write: Write) {
  const sentAt = new Map<string, number>();
  return async (): Promise<void> => {
    if (!link.open) return;
    const open = await orders.openOf(host);
    const now = systemClock.now();
    for (const known of sentAt.keys()) if (!open.some((o) => o.order === known)) sentAt.delete(known);
    for (const order of open) {
      const last = sentAt.get(order.order);
      if (last !== undefined && (order.state === 'accepted' || now - last < REPEAT_MS)) continue;
      sentAt.set(order.order, now);
      write({ $case: 'order', value: orderFromBody(order) });
    }
  };
}

/** One at a time; calls that come meanwhile share one more. */
function coalesced(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const start = (): Promise<void> => {
    running = work().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    if (!running) return start();
    next ??= running
      .catch(() => undefined) // Whoever asked for that one is told.
      .then(() => {
        next = undefined;
        return start();
      });
    return next;
  };
}

interface HearingOptions extends HostLinkOptions {
  readonly id: string;
  readonly words: OrderWords;
  readonly write: Write;
  readonly push: () => Promise<void>;
  readonly end: (why?: Rejected) => void;
}

function createHearing(options: HearingOptions) {
  const { host, orders, words, write, push } = options;
  const renew = createRenewal(options);
  return async (message: hostEdgeV1.ConnectRequest['message']): Promise<void> => {
    // A message of a newer agent is survived.
    if (!message) return;
    switch (message.$case) {
      case 'hello':
        return;
      case 'accepted':
        return words.offer({ order: message.value.order });
      case 'progress':
        return words.offer(progressWord(message.value));
      case 'result':
        words.drop(message.value.order);
        await orders.finish(host, message.value);
        return write({ $case: 'resultStored', value: { order: message.value.order } });
      case 'heartbeat':
        write({ $case: 'heartbeat', value: {} });
        await renew();
        // Broadcasts may be lost; the store is asked again with each sign of life.
        return push();
      default:
        return assertNever(message);
    }
  };
}

function progressWord({ order, progress }: hostEdgeV1.AgentProgress): OrderWord {
  return { order, ...(progress && { progress }) };
}

function createRenewal({ host, presence, id, end }: HearingOptions): () => Promise<void> {
  let renewedAt = systemClock.now();
  return async () => {
    const now = systemClock.now();
    if (now - renewedAt < RENEW_MS / 2) return;
    renewedAt = now;
    if (!(await presence.renew(host, id))) end(replaced());
  };
}

export function replaced(): Rejected {
  const message =
    'a stream of this host was opened later, it has another key now, or an operator has cut it off; look whether two agents run on it';
  return reject('refused', 'STREAM_REPLACED', message);
}

function silent(silenceMs: number): Rejected {
  return reject('refused', 'STREAM_SILENT', `nothing was heard for ${silenceMs} ms; connect again`);
}

function tooSlow(): Rejected {
  return reject('too-many', 'STREAM_TOO_SLOW', 'the agent does not read what it is sent; connect again');
}
