import { consumedBy, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { Fault, orThrow } from '@lastcall/kernel';
import { createClient, openChannel, openStream, type Channel } from '@lastcall/sdk';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { createTokenIssuer, type TokenRequest } from '../identity/token-issuer.js';
import { ensureIdentity } from '../identity/ensure-identity.js';
import { createLogger, type Logger } from '../logging.js';
import { bindRpc, type AnyServiceModule, type Duty } from '../service.js';
import { readSettings } from '../settings/index.js';
import { startProcess, type RunningProcess } from '../start-process.js';

/* What a service writes while it answers calls, read from its log: whose line it is can be seen without knowing who wrote it. */

const { SchedulerServiceService } = schedulerV1;
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;

interface Line {
  readonly msg: string;
  readonly trace?: string;
  readonly installation?: string;
  readonly run?: string;
  readonly host?: string;
}

describe('the log of calls', () => {
  let dir: string;
  let running: RunningProcess;
  let lines: Line[];
  const channels: Channel[] = [];
  const duty: Duty = { name: 'woken', everyMs: 3_600_000, runOnce: async () => undefined };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lastcall-log-'));
    await ensureIdentity(join(dir, 'identity'));
    const settings = orThrow(readSettings({ modules: [service], env: {}, options: { ...anyPort, dataDir: dir } }));
    const log = createLogger('debug', { write: (line) => void lines.push(JSON.parse(line) as Line) });
    lines = [];
    running = await startProcess({ modules: [service], settings, log });
  });
  beforeEach(() => (lines = []));
  afterAll(async () => {
    for (const channel of channels) channel.close();
    await running.stop();
    rmSync(dir, { recursive: true });
  });

  const anyPort = { grpcAddress: '127.0.0.1:0', httpAddress: '127.0.0.1:0' };
  const none = async (): Promise<void> => undefined;

  const service: AnyServiceModule = {
    name: 'scheduler',
    settings: z.object({}),
    create: async ({ log }) => {
      const ran = Promise.withResolvers<void>();
      duty.runOnce = async () => {
        log.info('the duty ran');
        if (lines.some(({ msg }) => msg === 'woke the duty')) ran.resolve();
        return undefined;
      };
      return {
        rpc: [runsOf(log, () => ran.promise), usersOf(log)],
        http: [{ method: 'GET', path: '/tuf/*', handle: () => Promise.reject(new Fault('the disk is gone')) }],
        consumers: Object.fromEntries(
          consumedBy('scheduler')
            .filter((type) => type !== 'TokenRevoked')
            .map((type) => [type, none]),
        ),
        duties: [duty],
      };
    },
  };

  function runsOf(log: Logger, dutyRan: () => Promise<void>) {
    return bindRpc(SchedulerServiceService, {
      getRun: async () => {
        log.info('looked for the run');
        throw new Fault('the store is gone');
      },
      getJob: async () => {
        log.info('woke the duty');
        duty.wake?.();
        await dutyRan();
        return schedulerV1.GetJobResponse.create({ job: {} });
      },
      watchRun: async function* () {
        log.info('watches the run');
        yield schedulerV1.WatchRunResponse.create();
      },
    });
  }

  function usersOf(log: Logger) {
    return bindRpc(sessionV1.SessionServiceService, {
      attach: async (stream) => {
        for await (const _ of stream) log.info('heard of the user');
        stream.end();
      },
    });
  }

  async function channelOf(role: TokenRequest['role'], installation?: string): Promise<Channel> {
    const issuer = await createTokenIssuer(join(dir, 'identity', 'signing-key.pem'));
    const [issuedAt, expiresAt] = [Date.now(), Date.now() + 3_600_000];
    const { credential } = await issuer.issue({ subject: 'mia', role, installation, issuedAt, expiresAt });
    const channel = openChannel({ address: running.grpcAddress, credential: () => credential });
    channels.push(channel);
    return channel;
  }

  /** With the header that a caller sends who traces. */
  function call(channel: Channel, method: 'getRun' | 'getJob', name: string, header = traceparent): Promise<unknown> {
    const { path, requestSerialize, responseDeserialize } = SchedulerServiceService[method];
    const headers = channel.headers();
    headers.set('traceparent', header);
    return new Promise((resolve) => {
      const write = requestSerialize;
      const read = responseDeserialize as (bytes: Buffer) => unknown;
      channel.grpc.makeUnaryRequest(path, write, read, { name }, headers, {}, (error, answer) =>
        resolve(error ?? answer),
      );
    });
  }

  const said = (msg: string): Line | undefined => lines.find((line) => line.msg === msg);

  it('has trace, installation and run of a call in what its handler says and in what is said of its end', async () => {
    await call(await channelOf('admin'), 'getRun', 'installations/berlin/runs/r-1');
    const about = { trace: TRACE, installation: 'berlin', run: 'r-1' };
    expect(said('looked for the run')).toMatchObject(about);
    expect(said('a call failed')).toMatchObject({ ...about, method: SchedulerServiceService.getRun.path });
  });

  it('says of a refused call what it was about, and takes no header for a trace that is none', async () => {
    await call(await channelOf('viewer', 'madrid'), 'getRun', 'installations/berlin/runs/r-1', 'x'.repeat(5_000));
    expect(said('a call was refused')).toMatchObject({ installation: 'berlin', run: 'r-1' });
    expect(said('a call was refused')?.trace).toBeUndefined();
  });

  it('says it of a stream of answers', async () => {
    const client = createClient(SchedulerServiceService, await channelOf('admin'));
    const request = schedulerV1.WatchRunRequest.fromPartial({ name: 'installations/berlin/runs/r-1' });
    for await (const _ of client.watchRun(request));
    expect(said('watches the run')).toMatchObject({ installation: 'berlin', run: 'r-1' });
  });

  it('says of a stream of requests whose it is, without the name of the user', async () => {
    const stream = openStream(sessionV1.SessionServiceService.attach, await channelOf('client', 'berlin'));
    stream.write({ message: { $case: 'heartbeat', value: {} } });
    stream.end();
    for await (const _ of stream);
    expect(said('heard of the user')).toMatchObject({ installation: 'berlin' });
    expect(JSON.stringify(lines)).not.toContain('mia');
  });

  it('says nothing of a call in the lines of a duty that the call has woken', async () => {
    lines.length = 0;
    await call(await channelOf('admin'), 'getJob', 'installations/berlin/jobs/nightly');
    expect(said('woke the duty')).toMatchObject({ trace: TRACE, installation: 'berlin' });
    expect(said('the duty ran')).not.toHaveProperty('installation');
    expect(said('the duty ran')).not.toHaveProperty('trace');
  });

  it('has trace and installation of a request over HTTP', async () => {
    const issuer = await createTokenIssuer(join(dir, 'identity', 'signing-key.pem'));
    const times = { issuedAt: Date.now(), expiresAt: Date.now() + 3_600_000 };
    const request: TokenRequest = { subject: 'mia', role: 'viewer', installation: 'berlin', ...times };
    const { credential } = await issuer.issue(request);
    const headers = { authorization: `Bearer ${credential}`, traceparent };
    const answer = await fetch(`${running.httpUrl}/tuf/root.json`, { headers });
    expect(answer.status).toBe(503);
    expect(said('a request failed')).toMatchObject({ trace: TRACE, installation: 'berlin' });
  });
});
