import { formatName, sessionV1 } from '@lastcall/contracts';
import { findFreePorts, until } from '@lastcall/testkit';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runBenchmark, type Bench } from './benchmark.js';
import { createCrowd, type Crowd } from './crowd.js';
import { startLastcall, startNode, type Lastcall } from './lastcall.js';
import { addManyUsers } from './many-users.js';
import { readMemory } from './process-usage.js';
import { median, percentile, ratio, rounded, summarize } from './statistics.js';

/*
 * bench:attach: 2,000 users of one installation at one `lastcall up`. How fast they are in, what each costs in memory, how long a message
 * takes to the last of them, and a real logoff: everybody is told, everybody has acknowledged as the service counts it, everybody is out.
 * The peer is a server that does nothing but write to all streams.
 */

const { values: options } = parseArgs({ options: { clients: { type: 'string', default: '2000' } } });
const CLIENTS = Number(options.clients);
const INSTALLATION = 'many';
const AT_ONCE = 100;
const MESSAGES = 5;
const TEXT = 'Encore is updated at noon. Please save your work and log off; you can log in again at a quarter past.';
const REACTION_S = 10;
const PAGE = 1_000;

interface Attached {
  readonly perSecond: number;
  readonly kibPerClient: number;
  readonly lastClientMs: number;
  readonly messages: readonly { readonly p50: number; readonly last: number }[];
}

/** The same for Lastcall and its peer: in they come, and a message goes to all, several times. */
async function attachAndTell(
  bench: Bench,
  name: string,
  crowd: Crowd,
  pid: number,
  send: () => Promise<unknown>,
): Promise<Attached> {
  const before = readMemory(pid).residentMib;
  const began = performance.now();
  await crowd.attach(AT_ONCE);
  const attachMs = performance.now() - began;
  const kibPerClient = ((readMemory(pid).residentMib - before) * 1024) / CLIENTS;
  bench.say(`${name}: ${CLIENTS} attached in ${Math.round(attachMs)} ms, ${kibPerClient.toFixed(1)} KiB each`);
  const messages: { p50: number; last: number }[] = [];
  for (let i = 0; i < MESSAGES; i++) {
    const told = crowd.everybodyGets('notice');
    const sentAt = performance.now();
    await send();
    const times = (await told).map((at) => at - sentAt);
    messages.push({ p50: rounded(percentile(times, 50)), last: rounded(percentile(times, 100)) });
    bench.say(`${name}: a message reached the last client after ${messages.at(-1)?.last} ms`);
  }
  return {
    perSecond: Math.round((CLIENTS * 1000) / attachMs),
    kibPerClient: rounded(kibPerClient),
    lastClientMs: rounded(median(messages.map(({ last }) => last))),
    messages,
  };
}

type Sessions = ReturnType<typeof sessionsOf>;
const sessionsOf = (lastcall: Lastcall) => lastcall.client('session', sessionV1.SessionServiceService);
const parent = formatName('installation', { installation: INSTALLATION });
const gateName = formatName('gate', { installation: INSTALLATION });

/** As the service knows it. */
async function countAcknowledged(sessions: Sessions): Promise<number> {
  let count = 0;
  let pageToken = '';
  do {
    const page = await sessions.listSessions({ parent, pageSize: PAGE, pageToken, user: '', host: '' });
    count += page.sessions.filter(({ acknowledged }) => acknowledged).length;
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return count;
}

/** A person shuts the gate: notice with a deadline, acknowledgements, logoff, zero proven. */
async function logEverybodyOff(bench: Bench, crowd: Crowd, sessions: Sessions): Promise<object> {
  const told = crowd.everybodyGets('notice');
  const ended = crowd.everybodyGets('ended');
  const began = performance.now();
  const reactionTime = { seconds: BigInt(REACTION_S), nanos: 0 };
  const { gate } = await sessions.closeGate({ name: gateName, reason: TEXT, reactionTime });
  const toldMs = (await told).map((at) => at - began);
  let acknowledged = 0;
  await until(async () => (acknowledged = await countAcknowledged(sessions)) === CLIENTS, 'all acknowledgements');
  const acknowledgedMs = performance.now() - began;
  bench.say(`the gate is closing: all told after ${Math.round(Math.max(...toldMs))} ms, ${acknowledged} acknowledged`);
  const deadline = (gate?.notice?.deadline?.getTime() ?? Date.now()) - Date.now() + performance.now();
  const endedMs = (await ended).map((at) => at - deadline);
  const { GateState } = sessionV1;
  await until(
    async () => (await sessions.getGate({ name: gateName })).gate?.state === GateState.CLOSED,
    'the gate to be shut',
  );
  const provenMs = performance.now() - deadline;
  const { count } = await sessions.countSessions({ parent });
  bench.say(
    `logged off: the last ${Math.round(Math.max(...endedMs))} ms after the deadline, ${count} sessions are left`,
  );
  return {
    toldMs: summarize(toldMs),
    acknowledged,
    allAcknowledgedMs: rounded(acknowledgedMs),
    firstEndedAfterDeadlineMs: rounded(Math.min(...endedMs)),
    lastEndedAfterDeadlineMs: rounded(Math.max(...endedMs)),
    zeroProvenAfterDeadlineMs: rounded(provenMs),
    sessionsLeft: count,
  };
}

async function measureLastcall(bench: Bench): Promise<{ attached: Attached; logoff: object }> {
  const [port = 0] = await findFreePorts(1);
  const lastcall = await startLastcall(bench, { name: 'lastcall', grpcAddress: `0.0.0.0:${port}` });
  const credential = await addManyUsers(lastcall, INSTALLATION);
  const sessions = sessionsOf(lastcall);
  // The gate learns of the installation by an event.
  await until(
    async () => (await sessions.getGate({ name: gateName })).gate !== undefined,
    'the gate to know the installation',
  );
  const crowd = createCrowd({ size: CLIENTS, port, installation: INSTALLATION, credential });
  bench.onEnd(() => crowd.close());
  const [pid = 0] = lastcall.pids;
  const send = () => sessions.sendNotice({ parent, text: TEXT });
  const attached = await attachAndTell(bench, 'lastcall', crowd, pid, send);
  const logoff = await logEverybodyOff(bench, crowd, sessions);
  crowd.close();
  await lastcall.stop();
  return { attached, logoff };
}

async function measurePeer(bench: Bench): Promise<Attached> {
  const peer = startNode([join(__dirname, 'bare-fan-out.js')]);
  bench.onEnd(() => peer.stop());
  const [, port] = await peer.until(/^port (\d+)$/);
  const crowd = createCrowd({ size: CLIENTS, port: Number(port), installation: INSTALLATION, credential: 'none' });
  bench.onEnd(() => crowd.close());
  const attached = await attachAndTell(bench, 'peer', crowd, peer.pid, async () => peer.write(`${TEXT}\n`));
  crowd.close();
  await peer.stop();
  return attached;
}

async function measure(bench: Bench): Promise<object> {
  const peer = await measurePeer(bench);
  const { attached, logoff } = await measureLastcall(bench);
  return {
    clients: CLIENTS,
    connections: CLIENTS,
    lastcall: attached,
    peer,
    ratioToPeer: {
      attachTime: ratio(peer.perSecond, attached.perSecond),
      memory: ratio(attached.kibPerClient, peer.kibPerClient),
      messageToLastClient: ratio(attached.lastClientMs, peer.lastClientMs),
    },
    logoff,
  };
}

void runBenchmark('bench:attach', measure);
