import { hostEdgeV1 } from '@lastcall/contracts';
import { backoffMs, SECOND_MS } from '@lastcall/kernel';
import { openStream, type ClientStream } from '@lastcall/sdk';
import { setTimeout as delay } from 'node:timers/promises';
import { lineError, type HostChannel } from './host-channel.js';
import type { Log } from './log.js';

/*
 * The one stream of this host to the services. Owns that there is one whenever that is possible: it comes back with full jitter, says
 * every 10 seconds that it lives, and gives up a stream on which nothing was heard for three of these. What has to be said again on each
 * stream, and what of it is still open, the owner knows: it is asked when a stream is accepted and on every sign of life.
 */

type Up = NonNullable<hostEdgeV1.ConnectRequest['message']>;
type Down = NonNullable<hostEdgeV1.ConnectResponse['message']>;
type Stream = ClientStream<hostEdgeV1.ConnectRequest, hostEdgeV1.ConnectResponse>;

export interface HostLinkOptions {
  readonly channel: HostChannel;
  readonly hello: () => Promise<hostEdgeV1.AgentHello>;
  readonly onMessage: (message: Down) => Promise<void>;
  /** What has to be said on every new stream. */
  readonly onWelcome: () => readonly Up[];
  /** What has to be said again on every sign of life, until it is confirmed. */
  readonly onPulse: () => readonly Up[];
  readonly log: Log;
  readonly heartbeatMs?: number;
}

export interface HostLink {
  start(): void;
  stop(): Promise<void>;
  /** Ends the stream that is open; another one follows, with the credential of then. */
  renew(): void;
  /** Sends if there is a stream; what matters is said again. */
  send(message: Up): void;
}

const HEARTBEAT_MS = 10 * SECOND_MS;
const SILENCES = 3;
const BACKOFF_MS = { base: 200, max: 10 * SECOND_MS } as const;
/** A server that takes every host in and loses it at once must not be run over: those attempts count on. */
const STEADY_MS = SECOND_MS;

export function createHostLink(options: HostLinkOptions): HostLink {
  const stopping = new AbortController();
  let accepted: Stream | undefined;
  let loop: Promise<void> | undefined;
  const onAccepted = (stream: Stream | undefined): void => {
    accepted = stream;
  };
  return {
    start: () => {
      loop ??= keepConnected(options, stopping.signal, onAccepted);
    },
    stop: async () => {
      stopping.abort();
      await loop;
    },
    renew: () => accepted?.end(),
    send: (message) => {
      accepted?.write({ message });
    },
  };
}

type OnAccepted = (stream: Stream | undefined) => void;

async function keepConnected(options: HostLinkOptions, signal: AbortSignal, onAccepted: OnAccepted): Promise<void> {
  const { log, channel } = options;
  for (let attempt = 1; !signal.aborted; attempt++) {
    let acceptedAt = Infinity;
    const lost = await holdStream(options, signal, (stream) => {
      if (stream) acceptedAt = performance.now();
      onAccepted(stream);
    }).catch((error: unknown) => lineError(channel, error));
    if (signal.aborted) return;
    if (performance.now() - acceptedAt >= STEADY_MS) attempt = 1;
    const againInMs = backoffMs(attempt, channel.random(), BACKOFF_MS.base, BACKOFF_MS.max);
    const next = { address: channel.address, attempt, againInMs };
    if (lost) log.warn('stream lost', { ...next, code: lost.code, reason: lost.reason, message: lost.message });
    else log.info('stream ended', next);
    await delay(againInMs, undefined, { signal }).catch(() => undefined); // Ended early by the stop.
  }
}

/** Holds one stream to its end; rejects when it is lost. */
async function holdStream(options: HostLinkOptions, signal: AbortSignal, onAccepted: OnAccepted): Promise<void> {
  const { channel, hello, log, onMessage } = options;
  const stream = openStream(hostEdgeV1.HostEdgeServiceService.connect, channel, { signal });
  const pulse = startPulse(stream, options);
  try {
    stream.write({ message: { $case: 'hello', value: await hello() } });
    for await (const { message } of stream) {
      pulse.heard();
      if (!message) continue;
      await onMessage(message);
      if (message.$case !== 'welcome') continue;
      onAccepted(stream);
      log.info('connected', { address: channel.address });
      for (const open of options.onWelcome()) stream.write({ message: open });
    }
  } finally {
    pulse.stop();
    onAccepted(undefined);
  }
}

function startPulse(stream: Stream, options: HostLinkOptions) {
  const everyMs = options.heartbeatMs ?? HEARTBEAT_MS;
  let silences = 0;
  const timer = setInterval(() => {
    silences += 1;
    if (silences > SILENCES) {
      options.log.warn('stream is silent', { heartbeatMs: everyMs });
      stream.cancel();
      return;
    }
    stream.write({ message: { $case: 'heartbeat', value: {} } });
    for (const open of options.onPulse()) stream.write({ message: open });
  }, everyMs);
  return {
    heard: () => {
      silences = 0;
    },
    stop: () => clearInterval(timer),
  };
}
