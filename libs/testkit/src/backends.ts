import { encodeToken } from '@lastcall/contracts';
import { Fault } from '@lastcall/kernel';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

/*
 * Real servers for tests, when there are some. Whoever uses them takes a prefix of his own (`randomId('test')`) and takes away
 * afterwards what he made.
 */

/** `nats://…` of a server for tests, or undefined. */
export function natsUrl(): string | undefined {
  return process.env['LASTCALL_TEST_NATS_URL'] || undefined;
}

/** `mongodb://…` of a server for tests, or undefined. */
export function mongodbUrl(): string | undefined {
  return process.env['LASTCALL_TEST_MONGODB_URL'] || undefined;
}

/** Kubeconfig of an administrator of a cluster for tests, or undefined. Never KUBECONFIG: that may be a cluster where people work. */
export function kubernetesConfig(): string | undefined {
  return process.env['LASTCALL_TEST_KUBERNETES'] || undefined;
}

const BACKENDS = {
  nats: [natsUrl, 'LASTCALL_TEST_NATS_URL'],
  mongodb: [mongodbUrl, 'LASTCALL_TEST_MONGODB_URL'],
  kubernetes: [kubernetesConfig, 'LASTCALL_TEST_KUBERNETES'],
} as const;

/** `describe` when the backend is there, else a skipped suite that names what is missing. */
export function describeWith(backend: keyof typeof BACKENDS, name: string, suite: () => void): void {
  const [found, variable] = BACKENDS[backend];
  if (found() === undefined) describe.skip(`${name} (needs ${variable})`, suite);
  else describe(name, suite);
}

/**
 * Deletes the stream of a bus. Speaks the protocol itself, because the client library belongs to the bus: connect, one
 * request, one answer.
 */
export async function dropNatsStream(url: string, prefix: string): Promise<void> {
  const { hostname, port, username: user, password: pass } = new URL(url);
  const stream = `${encodeToken(prefix)}-events`;
  const socket = connect(Number(port || 4222), hostname);
  const lines = createInterface({ input: socket });
  try {
    socket.write(`CONNECT ${JSON.stringify({ verbose: false, user, pass })}\r\nSUB _INBOX.testkit.${stream} 1\r\n`);
    socket.write(`PUB $JS.API.STREAM.DELETE.${stream} _INBOX.testkit.${stream} 0\r\n\r\n`);
    for await (const line of lines) {
      if (line.startsWith('PING')) socket.write('PONG\r\n');
      if (line.startsWith('-ERR')) throw new Fault(`nats-server said ${line}`);
      // `MSG` is the header of the answer, the next line is the answer.
      if (!line.includes('stream_delete_response')) continue;
      if (line.includes('"success":true')) return;
      throw new Fault(`the stream ${stream} could not be deleted: ${line}`);
    }
  } finally {
    lines.close();
    socket.destroy();
  }
}
