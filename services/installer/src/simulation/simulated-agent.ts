import { atToDate, hostEdgeV1, hostOrderV1 } from '@lastcall/contracts';
import { openStream, type Channel, type ClientStream } from '@lastcall/sdk';
import { generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';

/*
 * A host's agent in domain terms, for tests: a real client with a key of its own that signs its own credential, journals
 * orders, does them one after the other, and repeats results until they are confirmed. It changes nothing but a version in
 * memory, and fails, hangs or lies where a test says so.
 */

export type ActionName = NonNullable<hostOrderV1.HostOrder['action']>['$case'];

/** `lie`: says that it is done and names the old version. `hang`: accepts and gives no result until released. */
export type Behaviour = 'done' | 'fail' | 'hang' | 'lie';

/** What happened on the host, in order; tests wait for these. */
export interface AgentWord {
  readonly word: 'welcome' | 'received' | 'began' | 'finished' | 'stored' | 'ended' | 'heartbeat';
  readonly order?: string;
  readonly action?: ActionName;
  /** Why a stream ended. */
  readonly reason?: string;
  readonly value?: hostOrderV1.HostOrder;
}

interface JournalEntry {
  readonly order: hostOrderV1.HostOrder;
  result?: hostOrderV1.OrderResult;
  stored: boolean;
}

export interface SimulatedAgent {
  readonly installation: string;
  readonly host: string;
  readonly publicKey: Buffer;
  version: string;
  /** A credential that the host signed itself. */
  credential(): string;
  /** What it does with its next orders of this kind; after those it does them well. */
  next(action: ActionName, ...behaviours: Behaviour[]): void;
  /** Lets everything that hangs finish. */
  release(): void;
  connect(channel: Channel, hello?: Partial<hostEdgeV1.AgentHello>): void;
  /** Cuts the stream; work goes on. */
  cut(): void;
  heartbeat(): void;
  /** Says all results again, those that were confirmed too. */
  repeatResults(): void;
  send(message: hostEdgeV1.ConnectRequest['message']): void;
}

export interface SimulatedAgentOptions {
  readonly installation: string;
  readonly host: string;
  readonly version: string;
  readonly onWord: (word: AgentWord) => void;
}

type Stream = ClientStream<hostEdgeV1.ConnectRequest, hostEdgeV1.ConnectResponse>;

export function createSimulatedAgent(options: SimulatedAgentOptions): SimulatedAgent {
  const { installation, host, onWord } = options;
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const journal = new Map<string, JournalEntry>();
  const planned = new Map<ActionName, Behaviour[]>();
  const hanging = new Set<() => void>();
  let stream: Stream | undefined;
  let work = Promise.resolve();
  let fence = 0;

  const send = (message: hostEdgeV1.ConnectRequest['message']): void => void stream?.write({ message });

  const agent: SimulatedAgent = {
    installation,
    host,
    version: options.version,
    publicKey: rawKey(publicKey),
    credential: () => selfSigned(privateKey, installation, host),
    next: (action, ...behaviours) => planned.set(action, [...(planned.get(action) ?? []), ...behaviours]),
    release: () => hanging.forEach((go) => go()),
    connect: (channel, hello = {}) => {
      stream = openStream(hostEdgeV1.HostEdgeServiceService.connect, channel);
      send({
        $case: 'hello',
        value: { agentVersion: '0.1.0', platform: 'linux-x64', installedVersion: agent.version, fence, ...hello },
      });
      void listen(stream);
      for (const entry of journal.values()) if (entry.result && !entry.stored) sayResult(entry);
    },
    cut: () => stream?.cancel(),
    heartbeat: () => send({ $case: 'heartbeat', value: {} }),
    repeatResults: () => journal.forEach((entry) => entry.result && sayResult(entry)),
    send,
  };

  async function listen(mine: Stream): Promise<void> {
    try {
      for await (const { message } of mine) if (message) hear(message);
      onWord({ word: 'ended', reason: '' });
    } catch (error) {
      const { reason = '', message } = error as { reason?: string; message: string };
      onWord({ word: 'ended', reason: reason || message });
    }
  }

  function hear(message: NonNullable<hostEdgeV1.ConnectResponse['message']>): void {
    switch (message.$case) {
      case 'welcome':
        return onWord({ word: 'welcome' });
      case 'heartbeat':
        return onWord({ word: 'heartbeat' });
      case 'resultStored': {
        const entry = journal.get(message.value.order);
        if (entry) entry.stored = true;
        return onWord({ word: 'stored', order: message.value.order });
      }
      case 'order':
        return take(message.value);
    }
  }

  function take(order: hostOrderV1.HostOrder): void {
    onWord({ word: 'received', order: order.order, ...(order.action && { action: order.action.$case }), value: order });
    const known = journal.get(order.order);
    send({ $case: 'accepted', value: { order: order.order } });
    if (known?.result) return sayResult(known);
    if (known) return;
    const entry: JournalEntry = { order, stored: false };
    journal.set(order.order, entry);
    work = work.then(() => begin(entry));
  }

  async function begin(entry: JournalEntry): Promise<void> {
    const { order } = entry;
    const action = order.action?.$case ?? 'collectFacts';
    onWord({ word: 'began', order: order.order, action });
    const isOld = order.fence > 0 && order.fence < fence;
    fence = Math.max(fence, order.fence);
    const behaviour = planned.get(action)?.shift() ?? 'done';
    progress(order.order, 'swap');
    if (behaviour === 'hang') await new Promise<void>((go) => hanging.add(go));
    entry.result = isOld || behaviour === 'fail' ? failed(action) : done(order, behaviour);
    onWord({ word: 'finished', order: order.order, action });
    sayResult(entry);
  }

  function progress(order: string, step: string): void {
    send({ $case: 'progress', value: { order, progress: { step, done: 1n, total: 2n, note: '' } } });
  }

  function done({ action }: hostOrderV1.HostOrder, behaviour: Behaviour): hostOrderV1.OrderResult {
    const changes =
      action?.$case === 'installRelease' || action?.$case === 'rollBackRelease' || action?.$case === 'downgradeRelease';
    if (changes && behaviour !== 'lie') agent.version = action.value.version;
    const dataChanged = action?.$case === 'rollBackRelease' && action.value.restorePoint !== '';
    return hostOrderV1.OrderResult.fromPartial({
      installedVersion: agent.version,
      finishedAt: atToDate(Date.now()),
      ...(changes && { evidence: { $case: 'install', value: { steps: [], dataChanged } } }),
    });
  }

  function failed(action: string): hostOrderV1.OrderResult {
    const failure = { reason: 'COMMAND_FAILED', message: `${action} failed on ${host}`, host, facts: {} };
    return hostOrderV1.OrderResult.fromPartial({ failure, installedVersion: agent.version });
  }

  function sayResult({ order, result }: JournalEntry): void {
    send({ $case: 'result', value: { order: order.order, result } });
  }

  return agent;
}

/** The last 32 bytes of the SPKI form are the key itself. */
function rawKey(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(-32);
}

function selfSigned(key: KeyObject, installation: string, host: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss: 'lastcall', aud: 'lastcall', sub: `${installation}/${host}`, role: 'agent', jti: randomUUID() };
  const body = `${part({ alg: 'EdDSA', kid: 'agent' })}.${part({ ...claims, iat, exp: iat + 300 })}`;
  return `${body}.${sign(null, Buffer.from(body), key).toString('base64url')}`;
}
