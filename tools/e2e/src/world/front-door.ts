import { sessionV1 } from '@lastcall/contracts';
import type { UnaryClient } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { startStack, type Stack } from '@lastcall/testkit';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installationKnown, VERSION } from './run-said.js';
import { INSTALLATION, PARENT } from './services.js';
import { until } from './until.js';

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

export async function openFrontDoor(settings: Readonly<Record<string, unknown>> = {}): Promise<FrontDoor> {
  const stack = await startStack({ modules: [sessionModule], settings: { sessionLeaseMs: 2_000, ...settings } });
  const operator = stack.client(sessionV1.SessionServiceService);
  await stack.publish('InstallationChanged', INSTALLATION, installationKnown());
  const known = async (): Promise<boolean> => (await operator.getGate({ name: GATE })).gate?.version === VERSION;
  await until(known, 'the installation');
  const tokenFile = join(stack.dataDir, 'client.token');
  writeFileSync(tokenFile, stack.token('client', INSTALLATION));
  const list = async (user = ''): Promise<sessionV1.Session[]> =>
    (await operator.listSessions({ parent: PARENT, pageSize: 1_000, pageToken: '', user, host: '' })).sessions;
  return {
    stack,
    operator,
    env: { LASTCALL_ADDR: stack.grpcAddress, LASTCALL_TOKEN_FILE: tokenFile, LASTCALL_INSTALLATION: INSTALLATION },
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
    stop: () => stack.stop(),
  };
}
