import type { hostEdgeV1 } from '@lastcall/contracts';
import { checkId, isRejected, reject, RejectedError } from '@lastcall/kernel';
import type { RpcContext, ServiceContext } from '@lastcall/runtime';
import { hostIdOf } from './documents.js';
import { refuseAgentVersion } from './domain/agent-version.js';
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

const ORDERS_TOPIC = 'installer-host-orders';
const STREAMS_TOPIC = 'installer-host-streams';

export function createHostEdge(options: HostEdgeOptions): HostEdge {
  const { context, presence } = options;
  const { bus, log } = context;
  const links = new Map<string, HostLink>();
  const subscriptions: { stop(): Promise<void> }[] = [];
  const say = (topic: string, host: HostKey): Promise<void> =>
    bus
      .broadcast(topic, Buffer.from(hostIdOf(host.installation, host.host)))
      .catch((err: unknown) =>
        log.warn({ err, ...host }, 'other replicas were not told; they will see it in the store'),
      );
  const onTopic = (react: (link: HostLink) => Promise<void>) => (data: Uint8Array) => {
    const link = links.get(Buffer.from(data).toString());
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
        if (!(await presence.counts(link.host, link.id))) link.end(replaced());
      });
      subscriptions.push(await bus.listen(ORDERS_TOPIC, send), await bus.listen(STREAMS_TOPIC, check));
    },
    stop: async () => {
      await Promise.all(subscriptions.map((s) => s.stop()));
      await Promise.all([...links.values()].map((link) => close(options, links, link)));
    },
  };
}

async function connect(
  options: HostEdgeOptions,
  links: Map<string, HostLink>,
  stream: HostStream,
  { principal, signal }: RpcContext,
  announce: (host: HostKey) => Promise<void>,
): Promise<void> {
  const { context, orders, presence } = options;
  const { log } = context;
  const host = hostOf(principal?.subject ?? '');
  const messages = stream[Symbol.asyncIterator]();
  const hello = await readHello(messages);
  const refused = refuseAgentVersion(hello.agentVersion, context.settings.minimumAgentVersion);
  if (refused) throw new RejectedError(refused);
  const link = createHostLink({ host, stream, orders, presence, silenceMs: context.settings.hostSilenceMs, log });
  signal.addEventListener('abort', () => link.end(), { once: true });
  if (signal.aborted) link.end();
  register(links, link);
  try {
    await presence.opened(host, link.id, hello);
    await Promise.all([orders.hello(host, hello.installedVersion, hello.fence), announce(host)]);
    link.welcome(context.catalogUrl);
    await link.push();
    options.onConnected(host).catch((err: unknown) => log.warn({ err, ...host }, 'catching up was not looked after'));
    const why = await Promise.race([link.read(messages), link.ended]);
    if (isRejected(why)) throw new RejectedError(why);
  } finally {
    await close(options, links, link);
  }
}

/** Proven by the key that the subject's host joined with. */
function hostOf(subject: string): HostKey {
  const [installation = '', host = '', ...more] = subject.split('/');
  const isWrong = checkId('installation', installation) ?? checkId('host', host) ?? more.length > 0;
  if (isWrong)
    throw new RejectedError(reject('not-permitted', 'NOT_AN_AGENT', 'only a host that has joined may connect'));
  return { installation, host };
}

/** The transport's keepalive and the agent's own deadline bound the wait for it. */
async function readHello(messages: AsyncIterator<hostEdgeV1.ConnectRequest>): Promise<hostEdgeV1.AgentHello> {
  const first = await messages.next();
  const message = first.done ? undefined : first.value.message;
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
