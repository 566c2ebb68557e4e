import { sharedNow, timeOfDayOffset } from '../clock.js';
import type { Dialect } from './dialect.js';
import type { Link, Listener } from './link.js';
import type { NoticeFacts } from './notices.js';
import { Tally, type TallySummary } from './tally.js';

/*
 * Thousands of sessions of one process, and what has become of them. Owns the order of a round: first everything that has come is read, then
 * it is acknowledged, as on machines of their own, where nobody waits for another's acknowledgement.
 */

export interface SwarmOptions {
  readonly dialect: Dialect;
  readonly port: number;
  readonly sessions: number;
  readonly perConnection: number;
  /** Connections that are made at once. */
  readonly atOnce: number;
  /** How often each session gives a sign of life; 0: never. Rests while a round is measured. */
  readonly heartbeatMs: number;
}

export interface RoundOptions {
  readonly acknowledge: boolean;
  /** Ask for an answer after the last acknowledgement: it comes when the server has taken in what was sent before. */
  readonly ask: boolean;
}

export interface Round {
  readonly notice: NoticeFacts | undefined;
  readonly told: TallySummary;
  /** When the acknowledgements were sent. */
  readonly acknowledged: TallySummary;
  /** When the answer came that was asked for. */
  readonly answeredAt: number | undefined;
  /** Other bytes than just before: once, when the notice was encoded once. */
  readonly encodings: number;
  readonly timeOfDayOffset: number;
}

export interface Ends extends TallySummary {
  readonly reasons: Readonly<Record<string, number>>;
  readonly timeOfDayOffset: number;
}

/** Connections from one address: fewer than the system has ports for. */
const PER_ADDRESS = 20_000;
const BEAT_MS = 100;

export class Swarm implements Listener {
  private readonly links: Link[] = [];
  private readonly connecting = new Set<() => void>();
  private readonly attaching: Tally;
  private readonly telling: Tally;
  private readonly acknowledging: Tally;
  private readonly withdrawing: Tally;
  private readonly ending: Tally;
  private readonly reasons: Record<string, number> = {};
  private readonly flushing: Link[] = [];
  private readonly broken = Promise.withResolvers<never>();
  private round = { options: { acknowledge: false, ask: false }, first: 0, stale: 0, encodings: 0, isOn: false };
  private lastLink: Link | undefined;
  private onHeartbeat: (() => void) | undefined;

  constructor(private readonly options: SwarmOptions) {
    const tally = (): Tally => new Tally(options.sessions);
    [this.attaching, this.telling, this.acknowledging] = [tally(), tally(), tally()];
    [this.withdrawing, this.ending] = [tally(), tally()];
    // Whoever waits for something is told.
    this.broken.promise.catch(() => undefined);
  }

  async attach(): Promise<TallySummary> {
    const { sessions, perConnection, atOnce, dialect, port } = this.options;
    const connect = async (): Promise<void> => {
      for (let first = this.nextFirst(); first < sessions; first = this.nextFirst()) {
        const count = Math.min(perConnection, sessions - first);
        const localAddress = addressFor(this.links.length);
        const link = dialect.createLink(this, { port, localAddress, first, count });
        this.links.push(link);
        link.connect();
        await this.orBroken(this.attachedAll(first, count));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, connect));
    await this.orBroken(this.attaching.all());
    this.beat();
    return this.attaching.summary();
  }

  private next = 0;
  private nextFirst(): number {
    const first = this.next;
    this.next += this.options.perConnection;
    return first;
  }

  /** One waiter looks at its own sessions each time somebody was attached; there are only as many waiters as connections at once. */
  private attachedAll(first: number, count: number): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        for (let i = first; i < first + count; i++) if (!this.attaching.has(i)) return;
        this.connecting.delete(look);
        resolve();
      };
      this.connecting.add(look);
    });
  }

  /** From here on the next new notice is the one of this round. */
  arm(options: RoundOptions): void {
    this.telling.clear();
    this.acknowledging.clear();
    this.withdrawing.clear();
    const { notices } = this.options.dialect;
    this.round = { options, first: notices.count, stale: 0, encodings: notices.changes, isOn: true };
  }

  /** Resolves when everybody was told, and has acknowledged where they do. */
  async finish(): Promise<Round> {
    const { options, first, encodings } = this.round;
    const { notices } = this.options.dialect;
    await this.orBroken(this.telling.all());
    if (options.acknowledge) await this.orBroken(this.acknowledging.all());
    const answeredAt = options.ask ? await this.orBroken(this.answer()) : undefined;
    this.round.isOn = false;
    return {
      notice: notices.facts(first),
      told: this.telling.summary(),
      acknowledged: this.acknowledging.summary(),
      answeredAt,
      encodings: notices.changes - encodings,
      timeOfDayOffset: timeOfDayOffset(),
    };
  }

  /** What came in this round that should not have: a second time, or a notice of before. */
  late(): { readonly repeats: number; readonly stale: number } {
    return { repeats: this.telling.summary().repeats, stale: this.round.stale };
  }

  private answer(): Promise<number> {
    return new Promise((resolve) => {
      this.onHeartbeat = () => resolve(sharedNow());
      this.lastLink?.beat();
    });
  }

  /** Resolves when the notice of the round was taken back from everybody. */
  async withdrawn(): Promise<TallySummary> {
    await this.orBroken(this.withdrawing.all());
    return this.withdrawing.summary();
  }

  /** Resolves when every session was ended by the server. */
  async ends(): Promise<Ends> {
    await this.orBroken(this.ending.all());
    return { ...this.ending.summary(), reasons: this.reasons, timeOfDayOffset: timeOfDayOffset() };
  }

  close(): void {
    for (const link of this.links) link.close();
  }

  private orBroken<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.broken.promise]);
  }

  private beat(): void {
    const { heartbeatMs } = this.options;
    if (heartbeatMs === 0) return;
    let next = 0;
    let due = 0;
    setInterval(() => {
      if (this.round.isOn) return;
      for (due += (this.links.length * BEAT_MS) / heartbeatMs; due >= 1; due--) {
        this.links[next++ % this.links.length]?.beat();
      }
    }, BEAT_MS).unref();
  }

  attached(session: number): void {
    this.attaching.add(session, sharedNow());
    for (const look of this.connecting) look();
  }

  told(session: number, notice: number): boolean {
    if (notice < this.round.first) {
      this.round.stale++;
      return false;
    }
    this.telling.add(session, sharedNow());
    return this.round.options.acknowledge;
  }

  flushLater(link: Link): void {
    if (this.flushing.push(link) === 1) setImmediate(this.flush);
  }

  private readonly flush = (): void => {
    for (const link of this.flushing) link.flush();
    this.lastLink = this.flushing.at(-1);
    this.flushing.length = 0;
  };

  acknowledged(session: number): void {
    this.acknowledging.add(session, sharedNow());
  }

  tookBack(session: number): void {
    this.withdrawing.add(session, sharedNow());
  }

  heartbeat(): void {
    this.onHeartbeat?.();
  }

  ended(session: number, why: string): void {
    if (!this.attaching.has(session)) return this.break(session, why);
    if (!this.ending.has(session)) this.reasons[why] = (this.reasons[why] ?? 0) + 1;
    this.ending.add(session, sharedNow());
  }

  failed(session: number, why: string): void {
    if (!this.ending.has(session)) this.break(session, why);
  }

  private break(session: number, why: string): void {
    this.broken.reject(new Error(`session ${session}: ${why}`));
  }
}

/** Each address of this machine has ports of its own. */
function addressFor(link: number): string | undefined {
  const block = Math.floor(link / PER_ADDRESS);
  return block === 0 ? undefined : `127.0.0.${1 + block}`;
}
