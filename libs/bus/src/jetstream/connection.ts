import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '@lastcall/kernel';
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { PermissionViolationError } from '@nats-io/nats-core';
import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import type { BusLog, BusTuning } from '../tuning.js';
import { inboxPrefix } from './permissions.js';

/**
 * The connection to the NATS servers: reconnects for ever and tells who waits when it is back.
 *
 * What is written while it is away is lost by the client; who needs it to arrive waits for `whenConnected` or repeats.
 */
export class Connection {
  private connected = true;
  private readonly reconnected = new Set<() => void>();
  /** What this user may not use, as the server said since the last connection; see `kindOf`. */
  private readonly refused = new Set<string>();

  private constructor(
    readonly nats: NatsConnection,
    readonly jetstream: JetStreamClient,
    readonly manager: JetStreamManager,
    private readonly log: BusLog,
  ) {
    // Ends with the connection.
    void this.watch();
  }

  /** Tries until the time is up, then throws a Fault. `ready` is part of what has to succeed. */
  static async open(
    url: string,
    tuning: BusTuning,
    log: BusLog,
    ready: (connection: Connection) => Promise<void>,
  ): Promise<Connection> {
    const endAt = Date.now() + tuning.connectTimeoutMs;
    for (;;) {
      try {
        return await Connection.attempt(url, tuning, log, ready);
      } catch (cause) {
        if (Date.now() + tuning.reconnectWaitMs > endAt) {
          throw new Fault(`cannot open the bus at ${withoutSecrets(url)}`, { cause });
        }
        log.warn({ err: cause }, 'bus not reachable, will be tried again');
        await delay(tuning.reconnectWaitMs);
      }
    }
  }

  get isConnected(): boolean {
    return this.connected && !this.nats.isClosed();
  }

  /** Whether the server refuses this user something without which events do not flow. Broadcasts only shorten a wait. */
  get isRefused(): boolean {
    return [...this.refused].some((subject) => !isOptional(subject));
  }

  /** What is under this subject is not refused any more: permissions can change while we are connected. */
  accepted(subject: string): void {
    for (const one of this.refused) if (one.startsWith(kindOf(subject))) this.refused.delete(one);
  }

  /** Calls `then` after each reconnection, until the answer is called. */
  onReconnect(then: () => void): () => void {
    this.reconnected.add(then);
    return () => this.reconnected.delete(then);
  }

  /** Resolves when connected; false when that took longer than `timeoutMs`. */
  async whenConnected(timeoutMs: number): Promise<boolean> {
    if (this.isConnected) return true;
    if (this.nats.isClosed()) return false;
    return new Promise((resolve) => {
      const finish = (connected: boolean): void => {
        clearTimeout(timer);
        unsubscribe();
        resolve(connected);
      };
      const timer = setTimeout(() => finish(false), timeoutMs);
      const unsubscribe = this.onReconnect(() => finish(true));
    });
  }

  async close(): Promise<void> {
    if (this.nats.isClosed()) return;
    // Draining waits for the server, which may be away.
    if (this.connected) await this.nats.drain().catch(() => this.nats.close());
    else await this.nats.close();
  }

  private static async attempt(
    url: string,
    tuning: BusTuning,
    log: BusLog,
    ready: (connection: Connection) => Promise<void>,
  ): Promise<Connection> {
    const nats = await connect(connectionOptions(url, tuning));
    try {
      const manager = await jetstreamManager(nats, { checkAPI: false, timeout: tuning.publishTimeoutMs });
      const connection = new Connection(nats, jetstream(nats), manager, log);
      await ready(connection);
      return connection;
    } catch (error) {
      await nats.close();
      throw error;
    }
  }

  /** Said once, not with each attempt. */
  private refuse({ operation, subject }: PermissionViolationError): void {
    const kind = kindOf(subject);
    if (this.refused.has(kind)) return;
    this.refused.add(kind);
    const message =
      'the bus does not permit this to the user of LASTCALL_BUS; deploy/nats/users.conf has what each service needs';
    this.log.error({ operation, subject }, message);
  }

  private async watch(): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === 'disconnect') {
        if (this.connected) this.log.warn({ server: status.server }, 'bus connection lost');
        this.connected = false;
      } else if (status.type === 'reconnect') {
        this.connected = true;
        this.refused.clear();
        this.log.info({ server: status.server }, 'bus connected again');
        for (const then of [...this.reconnected]) then();
      } else if (status.type === 'error' && status.error instanceof PermissionViolationError) {
        this.refuse(status.error);
      } else if (status.type === 'error') {
        this.log.error({ err: status.error }, 'bus reports an error');
      }
    }
  }
}

/** The subject without what differs from one time to the next: installation, place in the stream, random part of an inbox. */
function kindOf(subject: string): string {
  const levels = subject.startsWith('$JS.ACK.')
    ? 4
    : subject.startsWith('_INBOX.')
      ? 2
      : subject.startsWith('$')
        ? Infinity
        : 3;
  return subject.split('.').slice(0, levels).join('.');
}

const isOptional = (subject: string): boolean =>
  subject.split('.')[1] === 'broadcast' || subject.startsWith('$JS.API.STREAM.UPDATE.');

/** `nats://user:password@host:port` or `nats://token@host:port`; `tls://` demands TLS; several with commas. */
export function connectionOptions(url: string, tuning: BusTuning): NodeConnectionOptions {
  const servers = url.split(',').map((server) => new URL(server.trim()));
  const credentials = servers.find((server) => server.username !== '');
  const username = decodeURIComponent(credentials?.username ?? '');
  const password = decodeURIComponent(credentials?.password ?? '');
  return {
    servers: servers.map((server) => server.host),
    name: 'lastcall',
    maxReconnectAttempts: -1,
    reconnectTimeWait: tuning.reconnectWaitMs,
    reconnectJitter: tuning.reconnectWaitMs,
    // Wrong credentials may be put right while we run, as a server that is away may come back.
    ignoreAuthErrorAbort: true,
    timeout: tuning.publishTimeoutMs,
    pingInterval: 10_000,
    ...(servers.some((server) => server.protocol === 'tls:') ? { tls: {} } : {}),
    ...(username === '' || password === '' ? {} : { inboxPrefix: inboxPrefix(username) }),
    ...(username === '' ? {} : password === '' ? { token: username } : { user: username, pass: password }),
  };
}

function withoutSecrets(url: string): string {
  return url.replaceAll(/\/\/[^/@,]*@/g, '//');
}
