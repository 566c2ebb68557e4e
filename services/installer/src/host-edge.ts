import { BROADCASTS, type hostEdgeV1 } from '@lastcall/contracts';
import { checkId, invalid, isRejected, reject, RejectedError } from '@lastcall/kernel';
import type { RpcContext, ServiceContext } from '@lastcall/runtime';
import { setTimeout as delay } from 'node:timers/promises';
import { hostIdOf } from './documents.js';
import { refuseAgentVersion } from './domain/agent-version.js';
import { checkAgent } from './joining.js';
import { createHostLink, replaced, type HostLink, type HostStream } from './host-link.js';
import type { HostKey, Orders } from './orders.js';
import type { Presence } from './presence.js';
import type { InstallerSettings } from './settings.js';

/*
 * The streams of all agents that are connected to this process, at most one a host. What other replicas have to know at once
 * is broadcast; that only shortens the wait until the next sign of life, when the store is asked.
 */

export interface HostEdge {
  connect(stream: HostStream, context: RpcContext): Promise<void>;
  /** Orders were queued for this host; the replica that holds its stream sends them. */
  announceOrders(host: HostKey): void;
  /** The host has a new key: streams that were opened with the old one end. */
  announceNewKey(host: HostKey): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface HostEdgeOptions {
  readonly context: ServiceContext<InstallerSettings>;
  readonly orders: Orders;
  readonly presence: Presence;
  /** A host has come back. */
  onConnected(host: HostKey): Promise<void>;
}

const { hostOrders: ORDERS_TOPIC, hostStreams: STREAMS_TOPIC } = BROADCASTS.installer;

export function createHostEdge(options: HostEdgeOptions): HostEdge {
  const { context, presence } = options;
  const { bus, log } = context;
  const links: Links = { byHost: new Map(), opened: new WeakSet(), served: new Set() };
  const subscriptions: { stop(): Promise<void> }[] = [];
  const say = (topic: string, host: HostKey): Promise<void> =>
    bus
      .broadcast(topic, Buffer.from(hostIdOf(host.installation, host.host)))
      .catch((err: unknown) =>
        log.warn({ err, ...host }, 'other replicas were not told; they will see it in the store'),
      );
  const onTopic = (react: (link: HostLink) => Promise<void>) => (data: Uint8Array) => {
    const link = links.byHost.get(Buffer.from(data).toString());
    if (!link) return;
    react(link).catch((err: unknown) => log.warn({ err, ...link.host }, 'a stream was not looked after; it will be'));
  };
  return {
    connect: (stream, rpc) => connect(options, links, stream, rpc, (host) => say(STREAMS_TOPIC, host)),
    announceOrders: (host) => void say(ORDERS_TOPIC, host),
    announceNewKey: (host) => say(STREAMS_TOPIC, host),
    start: async () => {
      const send = onTopic((link) => link.push());
      const check = onTopic(async (link) => {
        // What is said of a stream before it must not end one whose opening is on its way to the store.
        if (links.opened.has(link) && !(await presence.counts(link.host, link.id))) link.end(replaced());
      });
      subscriptions.push(await bus.listen(ORDERS_TOPIC, send), await bus.listen(STREAMS_TOPIC, check));
    },
    stop: async () => {
      await Promise.all(subscriptions.map((s) => s.stop()));
      for (const link of links.byHost.values()) link.end();
      await Promise.allSettled(links.served);
    },
  };
}

interface Links {
  /** The stream of each host. */
  readonly byHost: Map<string, HostLink>;
  /** Streams that the store knows. */
  readonly opened: WeakSet<HostLink>;
  /** Streams that have not been closed in the store yet. */
  readonly served: Set<Promise<void>>;
}

async function connect(
  options: HostEdgeOptions,
  links: Links,
  stream: HostStream,
  { principal, signal }: RpcContext,
  announce: (host: HostKey) => Promise<void>,
): Promise<void> {
  const { context, orders, presence } = options;
  const { log } = context;
  const host = hostOf(principal?.subject ?? '');
  const messages = stream[Symbol.asyncIterator]();
  const hello = await readHello(messages, context.settings.hostSilenceMs);
  const wrong = checkAgent(hello, 'hello.');
  if (wrong.length > 0) throw new RejectedError(invalid(wrong));
  const refused = refuseAgentVersion(hello.agentVersion, context.settings.minimumAgentVersion);
  if (refused) throw new RejectedError(refused);
  const link = createHostLink({ host, stream, orders, presence, silenceMs: context.settings.hostSilenceMs, log });
  signal.addEventListener('abort', () => link.end(), { once: true });
  if (signal.aborted) link.end();
  const keyFingerprint = principal?.keyFingerprint ?? '';
  const serving = serve(options, links, { link, hello, messages, keyFingerprint, announce });
  links.served.add(serving);
  await serving.finally(() => links.served.delete(serving));
}

interface Served {
  readonly link: HostLink;
  readonly hello: hostEdgeV1.AgentHello;
  readonly messages: AsyncIterator<hostEdgeV1.ConnectRequest>;
  /** Of the key that the stream was opened with. */
  readonly keyFingerprint: string;
  readonly announce: (host: HostKey) => Promise<void>;
}

async function serve(
  options: HostEdgeOptions,
  links: Links,
  { link, hello, messages, keyFingerprint, announce }: Served,
): Promise<void> {
  const { context, orders, presence } = options;
  const { log, catalogUrl } = context;
  const { host } = link;
  register(links.byHost, link);
  try {
    if (!(await presence.opened(host, link.id, hello, keyFingerprint))) throw new RejectedError(replaced());
    links.opened.add(link);
    await Promise.all([orders.hello(host, hello.installedVersion, hello.fence), announce(host)]);
    link.welcome(catalogUrl);
    await link.push();
    options.onConnected(host).catch((err: unknown) => log.warn({ err, ...host }, 'catching up was not looked after'));
    const why = await Promise.race([link.read(messages), link.ended]);
    if (isRejected(why)) throw new RejectedError(why);
  } finally {
    await close(options, links.byHost, link);
  }
}

/** Proven by the key that the subject's host joined with. */
export function hostOf(subject: string): HostKey {
  const [installation = '', host = '', ...more] = subject.split('/');
  const isWrong = checkId('installation', installation) ?? checkId('host', host) ?? more.length > 0;
  if (isWrong)
    throw new RejectedError(reject('not-permitted', 'NOT_AN_AGENT', 'only a host that has joined may connect'));
  return { installation, host };
}

async function readHello(
  messages: AsyncIterator<hostEdgeV1.ConnectRequest>,
  waitMs: number,
): Promise<hostEdgeV1.AgentHello> {
  const over = new AbortController();
  const tooLate = delay(waitMs, undefined, { signal: over.signal, ref: false }).catch(() => undefined);
  const first = await Promise.race([messages.next(), tooLate]);
  over.abort();
  const message = first && !first.done ? first.value.message : undefined;
  if (message?.$case === 'hello') return message.value;
  throw new RejectedError(reject('invalid', 'HELLO_EXPECTED', 'the first message of a stream must be its hello'));
}

function register(links: Map<string, HostLink>, link: HostLink): void {
  const id = hostIdOf(link.host.installation, link.host.host);
  links.get(id)?.end(replaced());
  links.set(id, link);
}

async function close(
  { context, presence }: HostEdgeOptions,
  links: Map<string, HostLink>,
  link: HostLink,
): Promise<void> {
  const id = hostIdOf(link.host.installation, link.host.host);
  link.end();
  if (links.get(id) === link) links.delete(id);
  // The lease says the same a little later.
  await presence
    .closed(link.host, link.id)
    .catch((err: unknown) => context.log.warn({ err, ...link.host }, 'the end of a stream was not stored'));
}
