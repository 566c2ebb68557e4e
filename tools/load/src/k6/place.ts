import {
  addManyUsers,
  readCpu,
  readMemory,
  startLastcall,
  startNode,
  type Backends,
  type Bench,
  type Lastcall,
} from '@lastcall/bench';
import { formatName, msToDuration, sessionV1 } from '@lastcall/contracts';
import type { UnaryClient } from '@lastcall/sdk';
import { until } from '@lastcall/testkit';
import { join } from 'node:path';

/*
 * Where the clients go: a Lastcall of their own with an installation and a credential for its clients, what an operator does there, and what
 * it costs. One process on SQLite, or the five services on NATS and MongoDB with replicas of the session service behind one address.
 */

export interface Place {
  /** What clients dial, `host:port`. */
  readonly address: string;
  /** The session service's own, without anything before them. */
  readonly replicaAddresses: readonly string[];
  readonly installation: string;
  readonly credential: string;
  /** Resolves when the gate is shut for everybody who comes from now on. */
  closeGate(reactionMs: number): Promise<{ readonly answeredAt: number; readonly deadlineAt: number }>;
  openGate(): Promise<void>;
  sendNotice(text: string): Promise<string>;
  gateState(): Promise<sessionV1.GateState>;
  count(): Promise<number>;
  list(): Promise<readonly sessionV1.Session[]>;
  /** SIGKILL to the last of the replicas. */
  killReplica(): void;
  usage(): Usage;
  stop(): Promise<void>;
}

/** Of the processes of the session service that live; embedded: of the one process. */
export interface Usage {
  readonly residentMib: number;
  readonly cpuMs: number;
}

export interface PlaceOptions {
  readonly name: string;
  readonly replicas: number;
  readonly backends: Backends | undefined;
  readonly under: readonly string[];
  readonly sessionEnv: Readonly<Record<string, string>>;
  /** How long it takes to wake 1,000 who wait. */
  readonly reopeningRampMs: number;
}

type Sessions = UnaryClient<typeof sessionV1.SessionServiceService>;

const INSTALLATION = 'crowded';
const PAGE = 1_000;
/** A busy machine answers late; that is no mistake. */
const CALL = { timeoutMs: 60_000 };

const parent = formatName('installation', { installation: INSTALLATION });
const name = formatName('gate', { installation: INSTALLATION });

export async function startPlace(bench: Bench, options: PlaceOptions): Promise<Place> {
  const { backends, replicas, under, sessionEnv } = options;
  const lastcall = await startLastcall(bench, {
    name: options.name,
    backends,
    sessionReplicas: Math.max(1, replicas),
    under,
    sessionEnv,
  });
  const credential = await addManyUsers(lastcall, INSTALLATION, {
    sessionPolicy: { reopeningRamp: msToDuration(options.reopeningRampMs) },
  });
  const sessions = lastcall.client('session', sessionV1.SessionServiceService);
  // The gate learns of the installation by an event.
  await until(async () => (await sessions.getGate({ name })).gate !== undefined, 'the gate');
  const edge = replicas > 0 ? await startEdgeProgram(bench, lastcall) : undefined;
  const alive = lastcall.replicas.map(({ pid }) => pid);
  return {
    ...operationsOn(sessions),
    address: edge?.address ?? lastcall.addressOf('session'),
    replicaAddresses: lastcall.replicas.map((replica) => replica.address),
    installation: INSTALLATION,
    credential,
    killReplica: () => {
      const last = alive.length > 1 ? alive.pop() : undefined;
      if (last === undefined) throw new Error('one replica has to live');
      process.kill(last, 'SIGKILL');
    },
    usage: () => ({
      residentMib: sum(alive.map((pid) => readMemory(pid).residentMib)),
      cpuMs: sum(alive.map((pid) => readCpu(pid).usedMs)),
    }),
    stop: async () => {
      await edge?.stop();
      await lastcall.stop();
    },
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function operationsOn(
  sessions: Sessions,
): Pick<Place, 'closeGate' | 'openGate' | 'sendNotice' | 'gateState' | 'count' | 'list'> {
  return {
    closeGate: async (reactionMs) => {
      const reason = 'Encore is updated.';
      const { gate } = await sessions.closeGate({ name, reason, reactionTime: msToDuration(reactionMs) }, CALL);
      return { answeredAt: Date.now(), deadlineAt: gate?.notice?.deadline?.getTime() ?? 0 };
    },
    openGate: async () => void (await sessions.openGate({ name, reason: 'The update is over.' }, CALL)),
    sendNotice: async (text) => (await sessions.sendNotice({ parent, text }, CALL)).notice?.notice ?? '',
    gateState: async () => (await sessions.getGate({ name }, CALL)).gate?.state ?? sessionV1.GateState.UNRECOGNIZED,
    count: async () => (await sessions.countSessions({ parent }, CALL)).count,
    list: async () => {
      const found: sessionV1.Session[] = [];
      let pageToken = '';
      do {
        const page = await sessions.listSessions({ parent, pageSize: PAGE, pageToken, user: '', host: '' }, CALL);
        found.push(...page.sessions);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return found;
    },
  };
}

/** A program of its own: thousands of connections must not make this one, which conducts, late. */
async function startEdgeProgram(
  bench: Bench,
  { replicas }: Lastcall,
): Promise<{ readonly address: string; stop(): Promise<unknown> }> {
  const routes = { 'lastcall.session.': replicas.map(({ address }) => address) };
  const edge = startNode([join(__dirname, 'edge-main.js'), JSON.stringify(routes)]);
  bench.onEnd(() => edge.stop());
  const [, address = ''] = await edge.until(/^edge at (\S+)$/);
  return { address, stop: () => edge.stop() };
}
