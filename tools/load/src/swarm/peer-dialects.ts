import { Cutter, type Units } from '../codec/cutter.js';
import {
  encodeConnect,
  encodePublish,
  encodeSubscribe,
  isMessage,
  operationLength,
  payloadStart,
  PING,
  PONG,
  subscriptionOf,
  wordOf,
} from '../codec/nats-operations.js';
import {
  encodeSocketIoConnect,
  encodeSocketIoEvent,
  parseSocketIoPacket,
  SOCKET_IO_PATH,
  SOCKET_IO_PONG,
} from '../codec/socket-io-packets.js';
import { encodeMasked, OPCODE } from '../codec/websocket-frames.js';
import { Acknowledgements } from './acknowledgements.js';
import { idOfText, type Dialect, type DialectOptions } from './dialect.js';
import type { LinkPlace, Listener } from './link.js';
import { Notices, type NoticeFacts } from './notices.js';
import { WebSocketLink } from './websocket-link.js';

/*
 * What the peers speak, each in its own way of having several sessions on a connection: copies of a message, subscriptions, namespaces.
 */

/** Subjects of NATS, and names of the events of Socket.IO. */
export const NOTICE = 'notice';
export const ACKNOWLEDGEMENT = 'ack';

/** Namespace of a slot of a connection. */
export function namespaceOf(slot: number): string {
  return slot === 0 ? '/' : `/s${slot}`;
}

const text = (payload: string): Buffer => encodeMasked(OPCODE.text, Buffer.from(payload, 'utf8'));
const binary = (payload: Uint8Array): Buffer => encodeMasked(OPCODE.binary, payload);

const idOfBytes = (bytes: Buffer): NoticeFacts => ({ id: idOfText(bytes.toString('utf8')), bytes: bytes.length });

/** A message comes as often as the connection has sessions; each is acknowledged with its id. */
export function createWsDialect({ perConnection }: DialectOptions): Dialect {
  const notices = new Notices(idOfBytes);
  const encode = (number: number): Buffer => binary(Buffer.from(notices.facts(number)?.id ?? '', 'utf8'));
  const acknowledgements = new Acknowledgements(perConnection, encode);
  return {
    notices,
    createLink: (listener, place) => new WsLink(listener, place, acknowledgements, notices),
  };
}

class WsLink extends WebSocketLink {
  private slot = 0;

  constructor(
    listener: Listener,
    place: LinkPlace,
    acknowledgements: Acknowledgements,
    private readonly notices: Notices,
  ) {
    super(listener, place, acknowledgements, { path: '/' });
  }

  protected opened(): void {
    this.attachedAll();
  }

  protected hear(bytes: Buffer, start: number, end: number): void {
    this.tell(this.slot, this.notices.numberOf(bytes, start, end));
    this.slot = (this.slot + 1) % this.place.count;
  }
}

/** A subscription for each session. */
export function createNatsDialect({ perConnection }: DialectOptions): Dialect {
  const notices = new Notices(idOfBytes);
  const encode = (number: number): Buffer => binary(encodePublish(ACKNOWLEDGEMENT, notices.facts(number)?.id ?? ''));
  const acknowledgements = new Acknowledgements(perConnection, encode);
  const subscriptions = Array.from({ length: perConnection }, (_, slot) => encodeSubscribe(NOTICE, slot + 1));
  const greeting = binary(Buffer.concat([encodeConnect(), ...subscriptions, PING]));
  return {
    notices,
    createLink: (listener, place) => new NatsLink(listener, place, acknowledgements, notices, greeting),
  };
}

class NatsLink extends WebSocketLink {
  private readonly operations: Cutter;
  private isGreeted = false;

  constructor(
    listener: Listener,
    place: LinkPlace,
    acknowledgements: Acknowledgements,
    notices: Notices,
    private readonly greeting: Buffer,
  ) {
    super(listener, place, acknowledgements, { path: '/', protocol: 'nats' });
    const units: Units = {
      lengthOf: operationLength,
      take: (bytes, start, end) => {
        if (!isMessage(bytes, start, end)) return this.control(wordOf(bytes, start, end));
        const payload = payloadStart(bytes, start);
        this.tell(subscriptionOf(bytes, start) - 1, notices.numberOf(bytes, payload, end - 2));
      },
    };
    this.operations = new Cutter(units);
  }

  protected opened(): void {
    // INFO comes by itself.
  }

  protected hear(bytes: Buffer, start: number, end: number): void {
    this.operations.push(bytes, start, end);
  }

  private control(word: string): void {
    if (word === 'INFO') this.greetOnce();
    else if (word === 'PONG') this.attachedAll();
    else if (word === 'PING') this.write(binary(PONG));
    else this.fail(`NATS said ${word}`);
  }

  /** INFO comes again whenever something has changed. */
  private greetOnce(): void {
    if (!this.isGreeted) this.write(this.greeting);
    this.isGreeted = true;
  }
}

/** A namespace for each session. */
export function createSocketIoDialect({ perConnection }: DialectOptions): Dialect {
  const notices = new Notices((bytes) => {
    const [, value = ''] = JSON.parse(bytes.toString('utf8')) as string[];
    return { id: idOfText(value), bytes: bytes.length };
  });
  const encode = (number: number, slot: number): Buffer =>
    text(encodeSocketIoEvent(namespaceOf(slot), ACKNOWLEDGEMENT, notices.facts(number)?.id ?? ''));
  const acknowledgements = new Acknowledgements(perConnection, encode);
  const slots = Array.from({ length: perConnection }, (_, slot) => slot);
  const heads = slots.map((slot) => Buffer.from(encodeSocketIoEvent(namespaceOf(slot), NOTICE).slice(0, -1), 'utf8'));
  const greeting = Buffer.concat(slots.map((slot) => text(encodeSocketIoConnect(namespaceOf(slot)))));
  return {
    notices,
    createLink: (listener, place) => new SocketIoLink(listener, place, acknowledgements, notices, greeting, heads),
  };
}

class SocketIoLink extends WebSocketLink {
  private slot = 0;

  constructor(
    listener: Listener,
    place: LinkPlace,
    acknowledgements: Acknowledgements,
    private readonly notices: Notices,
    private readonly greeting: Buffer,
    /** What a notice begins with, by slot. */
    private readonly heads: readonly Buffer[],
  ) {
    super(listener, place, acknowledgements, { path: SOCKET_IO_PATH });
  }

  protected opened(): void {
    // The session's open packet comes by itself.
  }

  protected hear(bytes: Buffer, start: number, end: number): void {
    const body = this.noticeIn(bytes, start, end);
    if (body > 0) this.tell(this.slot, this.notices.numberOf(bytes, body, end));
    else this.control(bytes.toString('utf8', start, end));
  }

  /** Where the body of a notice begins, for the slot that it is for; 0: it is something else. */
  private noticeIn(bytes: Buffer, start: number, end: number): number {
    // Namespaces are told one after the other, so it is most likely the next one.
    for (let tries = 0; tries < this.heads.length; tries++) {
      const slot = (this.slot + 1 + tries) % this.heads.length;
      const head = this.heads[slot];
      if (!head || end - start < head.length) continue;
      if (bytes.compare(head, 0, head.length, start, start + head.length) !== 0) continue;
      this.slot = slot;
      return bytes.indexOf('[', start);
    }
    return 0;
  }

  private control(packet: string): void {
    const parsed = parseSocketIoPacket(packet);
    if (parsed.kind === 'open') this.write(this.greeting);
    else if (parsed.kind === 'ping') this.write(text(SOCKET_IO_PONG));
    else if (parsed.kind === 'connected') this.listener.attached(this.place.first + slotIn(parsed.namespace));
    else this.fail(`Socket.IO said ${packet}`);
  }
}

function slotIn(namespace: string): number {
  return namespace === '/' ? 0 : Number(namespace.slice(2));
}
