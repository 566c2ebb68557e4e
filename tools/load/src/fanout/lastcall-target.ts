import { addManyUsers, startLastcall } from '@lastcall/bench';
import { formatName, sessionV1 } from '@lastcall/contracts';
import type { UnaryClient } from '@lastcall/sdk';
import { findFreePorts, until } from '@lastcall/testkit';
import { NOTICE_CHARACTERS, REACTION_S } from './shape.js';
import { textOf, type Target, type TargetParts } from './target.js';

/*
 * Lastcall as users run it, with an installation in its catalog and a credential for its clients. A notice without consequence goes out as
 * a message; one that is acknowledged and counted as a shutting of the gate, which is taken back.
 */

export interface LastcallTarget extends Target {
  /** Takes back what shut the gate. */
  withdraw(): Promise<void>;
  /** Sessions and acknowledgements of the standing notice, as the service lists them. */
  listed(): Promise<{ readonly sessions: number; readonly acknowledged: number }>;
  /** Resolves when the gate is shut: zero is proven. */
  closed(): Promise<void>;
  count(): Promise<number>;
}

const INSTALLATION = 'many';
const PAGE = 1_000;
const PATIENCE_MS = 60_000;
/** Texts of a message say nothing about its frame; what is around them on the wire is left out of the text. */
const AROUND = 60;
const HEARTBEAT_MS = 15_000;

export async function startLastcallTarget(parts: TargetParts): Promise<LastcallTarget> {
  const { bench, machine, shape } = parts;
  const [port = 0] = await findFreePorts(1);
  const sessions = shape.clients + shape.sentinels;
  const lastcall = await startLastcall(bench, {
    name: `lastcall-${shape.perConnection}-${port}`,
    backends: parts.backends,
    grpcAddress: `0.0.0.0:${port}`,
    under: machine.server,
    sessionEnv: limitsFor(sessions),
  });
  const credential = await addManyUsers(lastcall, INSTALLATION);
  const client = lastcall.client('session', sessionV1.SessionServiceService);
  const parent = formatName('installation', { installation: INSTALLATION });
  const name = formatName('gate', { installation: INSTALLATION });
  // The gate learns of the installation by an event.
  await until(async () => (await client.getGate({ name })).gate !== undefined, 'the gate');
  return {
    name: 'lastcall',
    port: Number(lastcall.addressOf('session').split(':').at(-1)),
    pid: lastcall.pidOf('session'),
    besides: lastcall.pids.filter((pid) => pid !== lastcall.pidOf('session')),
    credential,
    installation: INSTALLATION,
    heartbeatMs: HEARTBEAT_MS,
    answers: true,
    tell: async (id, acknowledge) => {
      const text = textOf(id, NOTICE_CHARACTERS - AROUND);
      const reactionTime = { seconds: BigInt(REACTION_S), nanos: 0 };
      if (acknowledge) await client.closeGate({ name, reason: text, reactionTime });
      else await client.sendNotice({ parent, text });
      return undefined;
    },
    counted: async () => undefined,
    withdraw: async () => void (await client.openGate({ name, reason: 'The next round.' })),
    listed: () => listAll(client, parent),
    closed: () =>
      until(
        async () => (await client.getGate({ name })).gate?.state === sessionV1.GateState.CLOSED,
        'the gate to be shut',
        PATIENCE_MS,
      ),
    count: async () => (await client.countSessions({ parent })).count,
    stop: () => lastcall.stop(),
  };
}

/** What is limited for good reasons, and stands in the way of very many sessions with one credential. */
function limitsFor(sessions: number): Record<string, string> {
  const limit = String(Math.max(20_000, sessions * 2));
  return {
    LASTCALL_ATTACH_BURST: limit,
    LASTCALL_ATTACH_BURST_PER_INSTALLATION: limit,
    LASTCALL_MAX_SESSIONS_PER_INSTALLATION: limit,
  };
}

type Client = UnaryClient<typeof sessionV1.SessionServiceService>;

async function listAll(client: Client, parent: string): Promise<{ sessions: number; acknowledged: number }> {
  let [sessions, acknowledged] = [0, 0];
  let pageToken = '';
  do {
    const page = await client.listSessions({ parent, pageSize: PAGE, pageToken, user: '', host: '' });
    sessions += page.sessions.length;
    acknowledged += page.sessions.filter((session) => session.acknowledged).length;
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return { sessions, acknowledged };
}
