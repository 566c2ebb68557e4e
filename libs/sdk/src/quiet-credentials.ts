import { ChannelCredentials, type Client } from '@grpc/grpc-js';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * Connections that do not keep their program running. The transport does that on purpose while a stream is open, and has no option for it:
 * it calls `ref()` on the socket with each stream, and waits on a timer for calls that have no connection yet. A connection that is only
 * being made cannot be let go of at all (its request is the operating system's), so it is given up after a time instead.
 */

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;
type ConnectorArguments = Parameters<ChannelCredentials['_createSecureConnector']>;

/** How long a server may take to accept a connection. */
const CONNECT_MS = 5_000;
const PAUSE_MS = 1_000;

export class QuietCredentials extends ChannelCredentials {
  constructor(private readonly inner: ChannelCredentials) {
    super();
  }

  _isSecure(): boolean {
    return this.inner._isSecure();
  }

  /** Connections are shared by equal credentials; one that must not hold the program is never shared with one that does. */
  _equals(other: ChannelCredentials): boolean {
    return other instanceof QuietCredentials && this.inner._equals(other.inner);
  }

  _createSecureConnector(...args: ConnectorArguments): Connector {
    const inner = this.inner._createSecureConnector(...args);
    const port = portOf(args[0].path);
    let gaveUp = false;
    return {
      waitForReady: async () => {
        await inner.waitForReady();
        // The transport tries again at once. A program that has nothing else to do ends in this pause.
        if (gaveUp) await delay(PAUSE_MS, undefined, { ref: false });
        gaveUp = false;
        limitNextConnection(port, () => (gaveUp = true));
      },
      connect: async (socket) => {
        silence(socket);
        const connected = await inner.connect(socket);
        silence(connected.socket);
        return connected;
      },
      getCallCredentials: () => inner.getCallCredentials(),
      destroy: () => inner.destroy(),
    };
  }
}

/** With TLS there are two, one round the other. */
function silence(socket: Socket): void {
  socket.unref();
  socket.ref = () => socket;
}

function portOf(target: string): number {
  return Number(/:(\d+)$/.exec(target)?.[1] ?? 443);
}

interface AwaitedConnection {
  readonly port: number;
  onGivenUp(): void;
}

const awaited = new Set<AwaitedConnection>();
let looking = 0;

/**
 * The transport connects right after its connector was ready, in the same turn of the event loop, and hands the socket out when it is
 * connected: too late to limit the time. So the sockets that begin to connect in this turn are looked at, and those to this port are limited.
 */
function limitNextConnection(port: number, onGivenUp: () => void): void {
  const connection = { port, onGivenUp };
  if (looking++ === 0) subscribe('net.client.socket', lookAtSocket);
  awaited.add(connection);
  setImmediate(() => {
    awaited.delete(connection);
    if (--looking === 0) unsubscribe('net.client.socket', lookAtSocket);
  });
}

function lookAtSocket(message: unknown): void {
  const { socket } = message as { socket: Socket };
  socket.once('connectionAttempt', (_ip, port) => {
    for (const connection of awaited) {
      if (connection.port !== port) continue;
      awaited.delete(connection);
      return limit(socket, () => connection.onGivenUp());
    }
  });
}

function limit(socket: Socket, onGivenUp: () => void): void {
  const giveUp = (): void => {
    onGivenUp();
    socket.destroy(new Error(`the server did not accept the connection within ${CONNECT_MS} ms`));
  };
  const timer = setTimeout(giveUp, CONNECT_MS).unref();
  socket.once('close', () => clearTimeout(timer)).once('connect', () => clearTimeout(timer));
}

/** Calls that wait for a connection do not hold the program either. */
export function letQueueGo(client: Client): void {
  const { internalChannel } = client.getChannel() as { internalChannel?: { callRefTimerRef?: () => void } };
  if (internalChannel?.callRefTimerRef) internalChannel.callRefTimerRef = () => {};
}
