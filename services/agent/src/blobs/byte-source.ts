import { connect, isIP } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { shownBy, type HostTls } from '../host-tls.js';

/*
 * The bytes of one connection, pulled. They are read into one buffer that is used again and again: with a new one for each piece the
 * collector of garbage takes more time than the network. Owns when a connection counts as dead: nothing comes, or too little for too long. Only
 * the time is counted in which bytes were waited for.
 */

export interface Pace {
  /** How long nothing may come; also the span over which bytes are counted. */
  readonly stalledMs: number;
  /** What has to come in such a span at least. */
  readonly minBytes: number;
}

export const PACE: Pace = { stalledMs: 30_000, minBytes: 30_000 };

/** Nothing comes, or next to nothing. */
export class TooSlowError extends Error {
  override readonly name = 'TooSlowError';
}

export interface ByteSource {
  send(text: string): void;
  /** What came, good until the next call; undefined when the other side has ended. */
  next(): Promise<Buffer | undefined>;
  /** Whoever waits gets this error. */
  destroy(error?: Error): void;
  /** Nothing is left over and the other side has not ended. */
  readonly isIdle: boolean;
}

const READ_BYTES = 256 * 1024;

export function openByteSource(origin: URL, pace: Pace, tls?: HostTls): ByteSource {
  let came: Buffer | undefined;
  let over: { readonly error?: Error } | undefined;
  let wake: () => void = () => undefined;
  const arrived = (bytes: Buffer): void => {
    came = bytes;
    wake();
  };
  const ended = (error?: Error): void => {
    over ??= error ? { error } : {};
    wake();
  };
  const socket = openSocket(origin, arrived, tls);
  socket.on('error', ended).on('end', () => ended());
  socket.on('close', () => ended());
  const count = createPace(pace);
  const waitForMore = async (): Promise<void> => {
    const more = new Promise<void>((resolve) => (wake = resolve));
    const watch = setTimeout(() => socket.destroy(new TooSlowError(silent(pace))), pace.stalledMs);
    const began = performance.now();
    socket.resume();
    await more;
    clearTimeout(watch);
    if (!over) count(performance.now() - began, came?.byteLength ?? 0);
  };
  return {
    send: (text) => socket.write(text),
    next: async () => {
      came = undefined;
      if (!over) await waitForMore();
      if (came) return came;
      if (over?.error) throw over.error;
      return undefined;
    },
    destroy: (error) => socket.destroy(error),
    get isIdle() {
      return !over && !socket.destroyed;
    },
  };
}

function openSocket(origin: URL, arrived: (bytes: Buffer) => void, tls: HostTls | undefined) {
  const host = origin.hostname.replace(/^\[|\]$/g, '');
  if (origin.protocol === 'https:') {
    // An address is no name that a server can be asked for.
    const named = isIP(host) === 0 ? { servername: host } : {};
    const socket = tlsConnect({ host, port: Number(origin.port || 443), ...named, ...shownBy(tls) });
    return socket.on('data', (bytes: Buffer) => {
      socket.pause();
      arrived(bytes);
    });
  }
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  return connect({
    host,
    port: Number(origin.port || 80),
    noDelay: true,
    onread: {
      buffer,
      callback: (bytes, read) => {
        arrived((read as Buffer).subarray(0, bytes));
        return false; // Nothing more until it is asked for: the buffer is in use.
      },
    },
  });
}

function silent({ stalledMs }: Pace): string {
  return `nothing arrived for ${stalledMs / 1_000} s`;
}

/** Throws when too little came in the time that was waited. */
function createPace({ stalledMs, minBytes }: Pace): (waitedMs: number, bytes: number) => void {
  let span = { waitedMs: 0, bytes: 0 };
  return (waitedMs, bytes) => {
    span = { waitedMs: span.waitedMs + waitedMs, bytes: span.bytes + bytes };
    if (span.waitedMs < stalledMs) return;
    const { waitedMs: waited, bytes: few } = span;
    span = { waitedMs: 0, bytes: 0 };
    if (few < minBytes) throw new TooSlowError(`only ${few} bytes arrived in ${Math.round(waited / 1_000)} s`);
  };
}
