import { findFreePorts, startChild, type Child } from '@lastcall/testkit';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProgram, type Program } from '../questions.js';
import type { PeerQuestions } from '../peers/peer.js';
import { NOTICE_CHARACTERS, type TargetName } from './shape.js';
import { textOf, type Target, type TargetParts } from './target.js';

/* The peers: a server that broadcasts what it is told to, and counts what comes back. */

type Broadcaster = Pick<Program<PeerQuestions>, 'ask'>;

const FILES = { grpc: 'grpc', http2: 'http2', ws: 'ws', socketio: 'socket-io' } as const;

export async function startPeer(name: keyof typeof FILES, { bench, machine, shape }: TargetParts): Promise<Target> {
  const program = startProgram<PeerQuestions>(peerFile(FILES[name]), machine.server);
  bench.onEnd(() => program.stop());
  const port = await program.ask('listen', { perConnection: shape.perConnection });
  return target(name, port, program.pid, [], program, async () => void (await program.stop()));
}

interface NatsQuestions extends Pick<PeerQuestions, 'tell' | 'counted'> {
  readonly [name: string]: (question: never) => unknown;
  join(question: { readonly port: number }): Promise<void>;
}

/** The server from the path, and the service beside it, on the same processor. */
export async function startNats({ bench, machine }: TargetParts): Promise<Target> {
  const [port = 0, webSocketPort = 0] = await findFreePorts(2);
  const config = join(bench.dir, `nats-${port}.conf`);
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"
websocket { listen: "127.0.0.1:${webSocketPort}", no_tls: true }
`,
  );
  const [command = '', ...words] = [...machine.server, 'nats-server', '-c', config];
  const server: Child = startChild(command, words);
  bench.onEnd(() => server.stop());
  await server.until(/Server is ready/);
  const service = startProgram<NatsQuestions>(peerFile('nats'), machine.server);
  bench.onEnd(() => service.stop());
  await service.ask('join', { port });
  return target('nats', webSocketPort, server.pid, [service.pid], service, async () => {
    await service.stop();
    await server.stop();
  });
}

function peerFile(name: string): string {
  return join(__dirname, `../peers/${name}.js`);
}

function target(
  name: TargetName,
  port: number,
  pid: number,
  besides: readonly number[],
  program: Broadcaster,
  stop: () => Promise<void>,
): Target {
  return {
    name,
    port,
    pid,
    besides,
    credential: '',
    installation: '',
    heartbeatMs: 0,
    answers: false,
    tell: (id) => program.ask('tell', { text: textOf(id, NOTICE_CHARACTERS) }),
    counted: (sessions) => program.ask('counted', { sessions }),
    stop,
  };
}
