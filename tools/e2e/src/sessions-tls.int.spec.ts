import { sessionV1 } from '@lastcall/contracts';
import { attachSession, CODE, createClient, openChannel, type AttachedSession } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import {
  createCertificates,
  createTempFolder,
  startStack,
  type CertificatePair,
  type Stack,
  type TempFolder,
  until,
} from '@lastcall/testkit';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LASTCALL, startProgram } from './world/lastcall-processes.js';
import { installationKnown, VERSION } from './world/run-said.js';
import { INSTALLATION, PARENT } from './world/services.js';

/*
 * The edge with TLS as clients meet it: the SDK inside an application and the operator's tool, before a server whose certificate is
 * right, and before those whose certificate is not. Nothing is said to a server that cannot show who it is, and a person reads why.
 */

const SHORT_MS = 4_000;
const NOT_REACHABLE = 5;
const GATE = `${PARENT}/gate`;

const trusted = createCertificates();
const stranger = createCertificates();
const endOf = ({ cert }: CertificatePair): number => Date.parse(new X509Certificate(cert).validTo);

interface Heard {
  readonly attached: string[];
  readonly refusals: string[];
  readonly errors: unknown[];
}

describe('TLS at the edge of sessions', () => {
  let folder: TempFolder;
  let stack: Stack;
  const sessions: AttachedSession[] = [];
  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.goodbye()));
    await stack.stop();
    await folder.remove();
  });

  async function start({ cert, key }: CertificatePair): Promise<void> {
    folder = await createTempFolder('tls');
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder.path, name), text);
      return join(folder.path, name);
    };
    const tlsCertFile = await file('cert.pem', cert);
    const tlsKeyFile = await file('key.pem', key);
    await file('ca.pem', trusted.ca);
    stack = await startStack({ modules: [sessionModule], settings: { tlsCertFile, tlsKeyFile } });
    await stack.publish('InstallationChanged', INSTALLATION, installationKnown());
    await file('client.token', stack.token('client', INSTALLATION));
    await file('operator.token', stack.token('admin'));
  }

  const environment = (token: string) => ({
    LASTCALL_ADDR: stack.grpcAddress,
    LASTCALL_TLS_CA_FILE: join(folder.path, 'ca.pem'),
    LASTCALL_TOKEN_FILE: join(folder.path, token),
    LASTCALL_INSTALLATION: INSTALLATION,
  });

  function attach(): { readonly session: AttachedSession; readonly heard: Heard } {
    const heard: Heard = { attached: [], refusals: [], errors: [] };
    const session = attachSession({
      user: 'ann',
      version: VERSION,
      env: environment('client.token'),
      onAttached: (id) => heard.attached.push(id),
      onRefused: (text) => heard.refusals.push(text),
      onError: (error) => heard.errors.push(error),
    });
    sessions.push(session);
    return { session, heard };
  }

  async function operatorsTool(): Promise<{ readonly code: number | null; readonly text: string }> {
    const child = startProgram(LASTCALL, ['notice', 'send', 'The printer works again.'], environment('operator.token'));
    const { code } = await child.exited;
    return { code, text: child.lines.join('\n') };
  }

  it('the right certificate: users are let in, and operators are answered', async () => {
    await start(trusted.issue('lastcall'));
    const { heard } = attach();
    await until(async () => heard.attached.length === 1, 'the welcome', 10_000);
    const channel = openChannel({
      address: stack.grpcAddress,
      credential: () => stack.token('admin'),
      tls: { ca: Buffer.from(trusted.ca) },
    });
    const { count } = await createClient(sessionV1.SessionServiceService, channel).countSessions({ parent: PARENT });
    expect(count).toBe(1);
    channel.close();
  });

  it.each([
    ['of another name', () => trusted.issue('lastcall', { dnsName: 'lastcall.example' }), /altnames|IP: 127\.0\.0\.1/i],
    ['of an authority that nobody trusts', () => stranger.issue('lastcall'), /certificate/i],
    // A server does not start with one that has ended; this one ends while the program of the test looks at it.
    ['that has expired', () => trusted.issue('lastcall', { validUntil: Date.now() + SHORT_MS }), /expired/i],
  ])('a certificate %s: nobody says a word to that server, and a person reads why', async (_, issue, why) => {
    const pair = issue();
    await start(pair);
    await until(async () => Date.now() > endOf(pair) || endOf(pair) > Date.now() + SHORT_MS, 'its end', 2 * SHORT_MS);
    const { session, heard } = attach();
    const channel = openChannel({
      address: stack.grpcAddress,
      credential: () => stack.token('admin'),
      tls: { ca: Buffer.from(trusted.ca) },
    });
    const operator = createClient(sessionV1.SessionServiceService, channel);
    const failure = operator.getGate({ name: GATE }, { timeoutMs: 3_000 });
    await expect(failure).rejects.toMatchObject({ code: CODE.unavailable, message: expect.stringMatching(why) });
    channel.close();

    const { code, text } = await operatorsTool();
    expect(code).toBe(NOT_REACHABLE);
    expect(text).toMatch(why);

    // The application goes on without: nothing is thrown, nothing is refused, it tries again.
    // Its developer is told once, after a few attempts, in the same words.
    await until(async () => heard.errors.length > 0, 'the SDK to tell why');
    const problem = { code: 'LASTCALL_UNREACHABLE', message: expect.stringMatching(why) };
    expect(heard).toMatchObject({ attached: [], refusals: [], errors: [problem] });
    await until(async () => session.phase === 'backing-off' || session.phase === 'connecting', 'the SDK to try again');
  });
});
