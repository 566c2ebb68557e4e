import { Cutter, type Units } from '../codec/cutter.js';
import {
  encodeMasked,
  encodeUpgrade,
  opcodeOf,
  OPCODE,
  payloadOf,
  upgradeAnswerLength,
  webSocketFrameLength,
} from '../codec/websocket-frames.js';
import type { Acknowledgements } from './acknowledgements.js';
import { Link, type LinkPlace, type Listener } from './link.js';

/* A connection that speaks WebSocket: the handshake, pings, and the payload of its messages for the dialect on it. */

export interface WebSocketPlace {
  readonly path: string;
  readonly protocol?: string;
}

export abstract class WebSocketLink extends Link implements Units {
  private readonly cutter = new Cutter(this);
  private isOpen = false;

  constructor(
    listener: Listener,
    place: LinkPlace,
    acknowledgements: Acknowledgements,
    private readonly at: WebSocketPlace,
  ) {
    super(listener, place, acknowledgements);
  }

  /** The handshake is over. */
  protected abstract opened(): void;
  /** The payload of a message, lent until this returns. */
  protected abstract hear(bytes: Buffer, start: number, end: number): void;

  beat(): void {
    // These servers ask for a sign of life when they want one.
  }

  protected greet(): Buffer {
    return encodeUpgrade(`127.0.0.1:${this.place.port}`, this.at.path, this.at.protocol);
  }

  protected receive(bytes: Buffer, length: number): void {
    this.cutter.push(bytes, 0, length);
  }

  lengthOf(bytes: Buffer, start: number, end: number): number {
    return this.isOpen ? webSocketFrameLength(bytes, start, end) : upgradeAnswerLength(bytes, start, end);
  }

  take(bytes: Buffer, start: number, end: number): void {
    if (!this.isOpen) {
      this.isOpen = true;
      return this.opened();
    }
    const payload = payloadOf(bytes, start);
    switch (opcodeOf(bytes, start)) {
      case OPCODE.text:
      case OPCODE.binary:
        return this.hear(bytes, payload, end);
      case OPCODE.ping:
        return this.write(encodeMasked(OPCODE.pong, bytes.subarray(payload, end)));
      case OPCODE.close:
        return this.fail('the server closed the WebSocket');
      default:
      // Pongs that nobody asked for.
    }
  }

  protected attachedAll(): void {
    for (let slot = 0; slot < this.place.count; slot++) this.listener.attached(this.place.first + slot);
  }
}
