import { connect, type Socket } from 'node:net';
import type { Acknowledgements } from './acknowledgements.js';

/*
 * One connection of the swarm, and the sessions on it. Owns the socket and the acknowledgements that go out; what the bytes mean is its
 * dialect's.
 */

/** Who counts. Sessions are numbers, over all links. */
export interface Listener {
  attached(session: number): void;
  /** Answers whether it is to be acknowledged. */
  told(session: number, notice: number): boolean;
  tookBack(session: number): void;
  heartbeat(session: number): void;
  ended(session: number, why: string): void;
  /** It cannot go on. */
  failed(session: number, why: string): void;
  /** Has acknowledgements to send when everything was read that is there. */
  flushLater(link: Link): void;
  acknowledged(session: number): void;
}

export interface LinkPlace {
  readonly port: number;
  /** To come from; absent: any. */
  readonly localAddress: string | undefined;
  /** Number of its first session. */
  readonly first: number;
  /** How many sessions. */
  readonly count: number;
}

/** Lent to one socket at a time: what is read is looked at before the next one reads. */
const LENT = Buffer.allocUnsafe(64 * 1_024);

export abstract class Link {
  private socket: Socket | undefined;
  private readonly due: Uint16Array;
  private dueCount = 0;
  private dueNotice = -1;

  constructor(
    protected readonly listener: Listener,
    protected readonly place: LinkPlace,
    private readonly acknowledgements: Acknowledgements,
  ) {
    this.due = new Uint16Array(place.count);
  }

  /** What it says first. */
  protected abstract greet(): Buffer;
  /** Takes what has come: the first `length` bytes, lent until this returns. */
  protected abstract receive(bytes: Buffer, length: number): void;
  /** A sign of life of all its sessions, where the protocol has one. */
  abstract beat(): void;

  connect(): void {
    const { port, localAddress } = this.place;
    const onread = { buffer: LENT, callback: (length: number) => this.read(length) };
    this.socket = connect({ host: '127.0.0.1', port, onread, ...(localAddress !== undefined && { localAddress }) });
    this.socket
      .setNoDelay(true)
      .once('connect', () => this.write(this.greet()))
      // The reason is told; that it closes comes afterwards.
      .on('error', (error) => this.fail(error.message))
      .once('close', () => this.fail('the connection was closed'));
  }

  close(): void {
    this.socket?.destroy();
  }

  private read(length: number): boolean {
    try {
      this.receive(LENT, length);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
      this.close();
    }
    return true;
  }

  protected fail(why: string): void {
    for (let slot = 0; slot < this.place.count; slot++) this.listener.failed(this.place.first + slot, why);
  }

  protected write(bytes: Buffer): void {
    this.socket?.write(bytes);
  }

  /** The session in this slot was told. */
  protected tell(slot: number, notice: number): void {
    if (!this.listener.told(this.place.first + slot, notice)) return;
    if (this.dueCount === 0) this.listener.flushLater(this);
    else if (this.dueNotice !== notice) this.flush();
    this.dueNotice = notice;
    this.due[this.dueCount++] = slot;
  }

  /** Sends what is due, in one piece. */
  flush(): void {
    const { dueCount, dueNotice, due, acknowledgements } = this;
    if (dueCount === 0) return;
    this.dueCount = 0;
    if (dueCount === this.place.count) this.write(acknowledgements.ofAll(dueNotice));
    else for (let i = 0; i < dueCount; i++) this.write(acknowledgements.of(dueNotice, due[i] ?? 0));
    for (let i = 0; i < dueCount; i++) this.listener.acknowledged(this.place.first + (due[i] ?? 0));
  }
}
