import { sessionV1 } from '@lastcall/contracts';
import { createClient, openChannel, type UnaryClient } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { createCertificates, createTempFolder, startStack, type Stack, until } from '@lastcall/testkit';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installationKnown, VERSION } from './run-said.js';
import { INSTALLATION, PARENT } from './services.js';

/* A real session service with one installation, for programs of applications that attach to it. */

export interface FrontDoor {
  readonly stack: Stack;
  readonly operator: UnaryClient<typeof sessionV1.SessionServiceService>;
  /** What a program with the SDK finds in its environment. */
  readonly env: Readonly<Record<string, string>>;
  shut(reactionTimeMs: number): Promise<void>;
  open(): Promise<void>;
  /** Resolves when exactly these are logged in. */
  hasInside(users: readonly string[]): Promise<void>;
  /** Of the only session of this user. */
  sessionOf(user: string): Promise<sessionV1.Session | undefined>;
  stop(): Promise<void>;
}

const GATE = `${PARENT}/gate`;

export interface FrontDoorOptions {
  readonly tls?: boolean;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export async function openFrontDoor(options: FrontDoorOptions = {}): Promise<FrontDoor> {
  const folder = await createTempFolder('door');
  const tls = options.tls ? writeCertificates(folder.path) : undefined;
  const settings = { sessionLeaseMs: 5_000, ...tls?.settings, ...options.settings };
  const stack = await startStack({ modules: [sessionModule], settings });
  const address = stack.grpcAddress;
  const channel = openChannel({ address, credential: () => stack.token('admin'), tls: tls && { ca: tls.ca } });
  const operator = createClient(sessionV1.SessionServiceService, channel);
  await stack.publish('InstallationChanged', INSTALLATION, installationKnown());
  const known = async (): Promise<boolean> => (await operator.getGate({ name: GATE })).gate?.version === VERSION;
  await until(known, 'the installation');
  const tokenFile = join(folder.path, 'client.token');
  writeFileSync(tokenFile, stack.token('client', INSTALLATION));
  const list = async (user = ''): Promise<sessionV1.Session[]> =>
    (await operator.listSessions({ parent: PARENT, pageSize: 1_000, pageToken: '', user, host: '' })).sessions;
  return {
    stack,
    operator,
    env: {
      LASTCALL_ADDR: address,
      LASTCALL_TOKEN_FILE: tokenFile,
      LASTCALL_INSTALLATION: INSTALLATION,
      ...tls?.env,
    },
    shut: async (reactionTimeMs) => {
      const reactionTime = { seconds: BigInt(Math.floor(reactionTimeMs / 1000)), nanos: (reactionTimeMs % 1000) * 1e6 };
      await operator.closeGate({ name: GATE, reason: 'We move house.', reactionTime });
    },
    open: async () => void (await operator.openGate({ name: GATE, reason: 'We have moved.' })),
    hasInside: (users) => {
      const wanted = [...users].sort().join();
      const same = async (): Promise<boolean> =>
        (await list())
          .map(({ user }) => user)
          .sort()
          .join() === wanted;
      return until(same, `${wanted || 'nobody'} inside`);
    },
    sessionOf: async (user) => (await list(user))[0],
    stop: async () => {
      channel.close();
      await stack.stop();
      await folder.remove();
    },
  };
}

function writeCertificates(folder: string) {
  const certificates = createCertificates();
  const { cert, key } = certificates.issue('lastcall');
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  return {
    ca: Buffer.from(certificates.ca),
    settings: { tlsCertFile: file('cert.pem', cert), tlsKeyFile: file('key.pem', key) },
    env: { LASTCALL_TLS_CA_FILE: file('ca.pem', certificates.ca) },
  };
}
