import { hostEdgeV1, hostOrderV1 } from '@lastcall/contracts';
import { openStream, type Channel } from '@lastcall/sdk';

/*
 * A host that has nothing to do: it takes every order and says at once that it is done. What remains of a run is the choreography. Real
 * streams on the real edge, a heartbeat as agents have it; no disk and no programs.
 */

export interface LightAgentOptions {
  readonly host: string;
  readonly version: string;
  readonly channel: Channel;
  /** What it says about itself, beyond a large machine without data. */
  readonly facts?: Partial<hostOrderV1.HostFacts>;
  /** Each order, when it comes. */
  onOrder(order: hostOrderV1.HostOrder): void;
}

export interface LightAgent {
  /** Resolves when the edge has welcomed it. */
  readonly connected: Promise<void>;
  stop(): void;
}

const HEARTBEAT_MS = 10_000;
const GIB = 1024n ** 3n;

export function startLightAgent(options: LightAgentOptions): LightAgent {
  const stream = openStream(hostEdgeV1.HostEdgeServiceService.connect, options.channel);
  const say = (message: hostEdgeV1.ConnectRequest['message']): void => void stream.write({ message });
  const state = { version: options.version };
  const beat = setInterval(() => say({ $case: 'heartbeat', value: {} }), HEARTBEAT_MS).unref();
  say({
    $case: 'hello',
    value: { agentVersion: '0.1.0', platform: 'linux-x64', installedVersion: state.version, fence: 0 },
  });
  const connected = new Promise<void>((resolve, reject) => {
    const listen = async (): Promise<void> => {
      for await (const { message } of stream) {
        if (message?.$case === 'welcome') resolve();
        if (message?.$case !== 'order') continue;
        options.onOrder(message.value);
        say({ $case: 'accepted', value: { order: message.value.order } });
        say({
          $case: 'result',
          value: { order: message.value.order, result: resultOf(message.value, state, options.facts) },
        });
      }
    };
    listen()
      .catch(reject)
      .finally(() => clearInterval(beat));
  });
  return { connected, stop: () => stream.cancel() };
}

function resultOf(
  { action }: hostOrderV1.HostOrder,
  state: { version: string },
  facts?: Partial<hostOrderV1.HostFacts>,
): hostOrderV1.OrderResult {
  if (action?.$case === 'installRelease' || action?.$case === 'rollBackRelease') state.version = action.value.version;
  return hostOrderV1.OrderResult.fromPartial({
    installedVersion: state.version,
    finishedAt: new Date(),
    evidence: evidenceOf(action, state.version, facts),
  });
}

function evidenceOf(
  action: hostOrderV1.HostOrder['action'],
  version: string,
  facts?: Partial<hostOrderV1.HostFacts>,
): NonNullable<hostOrderV1.OrderResult['evidence']> | undefined {
  switch (action?.$case) {
    case 'collectFacts':
      return { $case: 'facts', value: { ...factsOf(version), ...facts } };
    case 'stageRelease':
      return { $case: 'stage', value: hostOrderV1.StageEvidence.create({ fileCount: 1 }) };
    case 'installRelease':
    case 'rollBackRelease':
      return { $case: 'install', value: hostOrderV1.InstallEvidence.create() };
    default:
      return undefined;
  }
}

/** A large machine without data: every check passes, and there is nothing to back up. */
function factsOf(installedVersion: string): hostOrderV1.HostFacts {
  return hostOrderV1.HostFacts.fromPartial({
    os: 'linux',
    osVersion: '6.1.0',
    architecture: 'x64',
    cpuCount: 8,
    memoryBytes: 16n * GIB,
    stageFreeBytes: 100n * GIB,
    backupFreeBytes: 100n * GIB,
    agentVersion: '0.1.0',
    installedVersion,
    clock: new Date(),
    antivirus: { product: 'none' },
    canBackUp: false,
  });
}
