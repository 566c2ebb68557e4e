import { schedulerV1, sessionV1, type Principal } from '@lastcall/contracts';
import { Defect, Fault, reject, RejectedError, systemClock, type Rejected } from '@lastcall/kernel';
import { CODE, createClient, openChannel, openStream, type Channel } from '@lastcall/sdk';
import { openStore, type Store } from '@lastcall/store';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthenticator, type Authenticator } from '../auth/authenticator.js';
import { createKeySource } from '../auth/key-source.js';
import { ensureIdentity } from '../identity/ensure-identity.js';
import { createTokenIssuer } from '../identity/token-issuer.js';
import { createLogger } from '../logging.js';
import { openAuditTrail } from '../operations/audit-trail.js';
import { bindRpc, type RpcBinding, type RpcContext, type ServerStream } from '../service.js';
import { noTelemetry } from '../telemetry/telemetry.js';
import { createGrpcServer, type GrpcServer } from './grpc-server.js';

const { SchedulerServiceService } = schedulerV1;
const { SessionServiceService } = sessionV1;
type AttachStream = ServerStream<sessionV1.AttachRequest, sessionV1.AttachResponse>;

const name = 'installations/a/jobs/nightly';
let dir: string;
let store: Store;
let authenticator: Authenticator;
let credentials: Record<'admin' | 'client', string>;
let logged: string[];
let server: GrpcServer | undefined;
const channels: Channel[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lastcall-grpc-'));
  await ensureIdentity(dir);
  store = await openStore({ url: '', file: join(dir, 'scheduler.db'), service: 'scheduler', database: '' });
  const keys = await createKeySource(join(dir, 'keys.json'), systemClock);
  authenticator = createAuthenticator({ keys, isRevoked: () => false, clock: systemClock });
  const issuer = await createTokenIssuer(join(dir, 'signing-key.pem'));
  const issuedAt = Date.now();
  const issue = async (role: 'admin' | 'client', installation?: string) =>
    (await issuer.issue({ subject: role, role, installation, issuedAt, expiresAt: issuedAt + 3_600_000 })).credential;
  credentials = { admin: await issue('admin'), client: await issue('client', 'a') };
});
afterAll(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});
afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  await server?.stop();
  server = undefined;
});

async function serve(binding: RpcBinding, more: { maxConnectionAgeMs?: number } = {}): Promise<string> {
  logged = [];
  server = createGrpcServer({
    settings: {
      grpcAddress: '127.0.0.1:0',
      maxConnectionAgeMs: 0,
      maxConnectionAgeGraceMs: 200,
      stopTimeoutMs: 2_000,
      ...more,
    },
    log: createLogger('debug', { write: (line) => void logged.push(line) }),
    telemetry: noTelemetry,
  });
  return server.start([{ binding, authenticator, audit: await openAuditTrail('scheduler', store) }]);
}

async function readAll<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

function channelTo(address: string, credential = credentials.admin): Channel {
  const channel = openChannel({ address, credential: () => credential });
  channels.push(channel);
  return channel;
}

const jobAnswer = (job: { name?: string; title?: string }) => schedulerV1.GetJobResponse.create({ job });

type GetJob = (request: schedulerV1.GetJobRequest, context: RpcContext) => Promise<schedulerV1.GetJobResponse>;

async function getJobOf(handler: GetJob, credential?: string) {
  const address = await serve(bindRpc(SchedulerServiceService, { getJob: handler }));
  return createClient(SchedulerServiceService, channelTo(address, credential));
}

describe('a unary call', () => {
  it('hands over who calls and answers', async () => {
    let seen: Principal | undefined;
    const client = await getJobOf(async (request, { principal, peer }) => {
      seen = principal;
      expect(peer).toMatch(/^127\.0\.0\.1:\d+$/);
      return jobAnswer({ name: request.name });
    });
    expect((await client.getJob({ name })).job?.name).toBe(name);
    expect(seen).toMatchObject({ subject: 'admin', role: 'admin' });
  });

  it('tells a refusal with reason, facts and every field', async () => {
    const violations = [
      { field: 'title', description: 'is empty' },
      { field: 'start.time', description: 'is in the past' },
    ];
    const facts = { job: 'nightly' };
    const client = await getJobOf(async () => {
      throw new RejectedError(reject('invalid', 'BAD_JOB', 'The job is no good.', { violations, facts }));
    });
    const error = { code: CODE.invalidArgument, reason: 'BAD_JOB', message: 'The job is no good.', violations, facts };
    await expect(client.getJob({ name })).rejects.toMatchObject(error);
  });

  it('cuts what would not fit into trailers, and says that it did', async () => {
    const violations = Array.from({ length: 500 }, (_, i) => ({ field: `hosts[${i}]`, description: 'x'.repeat(100) }));
    const refusal = reject('refused', 'TOO_MUCH', 'm'.repeat(50_000), { violations });
    const client = await getJobOf(async () => {
      throw new RejectedError(refusal);
    });
    const error = await client.getJob({ name }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: CODE.failedPrecondition, reason: 'TOO_MUCH' });
    const { violations: told, facts } = error as typeof refusal;
    expect(told.length).toBeGreaterThan(20);
    expect(facts['violations']).toBe(`${told.length} of 500 shown`);
  });

  it('tells a fault as something that may be repeated, and a defect as nothing at all', async () => {
    const secret = 'password=hunter2';
    const fault = await getJobOf(() => Promise.reject(new Fault(secret)));
    const faulty = await fault.getJob({ name }, { timeoutMs: 300 }).catch((e: unknown) => e);
    expect(faulty).toMatchObject({ code: CODE.unavailable });
    await server?.stop();
    const defect = await getJobOf(() => Promise.reject(new Defect(secret)));
    const broken = await defect.getJob({ name }).catch((e: unknown) => e);
    expect(broken).toMatchObject({ code: CODE.internal });
    for (const error of [faulty, broken]) expect((error as Error).message).not.toContain(secret);
    expect(logged.join('')).toContain(secret);
  });

  it('ends at its deadline, and the handler is told', async () => {
    let ended: Promise<unknown> | undefined;
    const client = await getJobOf(async (_request, { signal }) => {
      ended = once(signal, 'abort');
      await ended;
      throw new Fault('too late');
    });
    await expect(client.getJob({ name }, { timeoutMs: 100 })).rejects.toMatchObject({ code: CODE.deadlineExceeded });
    await ended;
  });

  it('is not larger than 1 MiB, either way', async () => {
    const client = await getJobOf(async () => jobAnswer({ title: 'x'.repeat(2 ** 20) }));
    await expect(client.getJob({ name: 'y'.repeat(2 ** 21) })).rejects.toMatchObject({ code: CODE.resourceExhausted });
    await expect(client.getJob({ name })).rejects.toMatchObject({ code: CODE.resourceExhausted });
  });

  it('needs a credential that may', async () => {
    const client = await getJobOf(async () => jobAnswer({}), credentials.client);
    await expect(client.getJob({ name })).rejects.toMatchObject({
      code: CODE.permissionDenied,
      reason: 'NOT_PERMITTED',
    });
    const nobody = createClient(SchedulerServiceService, channelTo(channels[0]?.address ?? '', ''));
    await expect(nobody.getJob({ name })).rejects.toMatchObject({
      code: CODE.unauthenticated,
      reason: 'NO_CREDENTIAL',
    });
  });

  it('that nobody handles is not implemented', async () => {
    const client = await getJobOf(async () => jobAnswer({}));
    await expect(client.listJobs(schedulerV1.ListJobsRequest.create({}))).rejects.toMatchObject({
      code: CODE.unimplemented,
    });
  });

  it('that is open when the server stops may end', async () => {
    let release: (() => void) | undefined;
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const client = await getJobOf(async () => {
      begin();
      await new Promise<void>((resolve) => (release = resolve));
      return jobAnswer({ name });
    });
    const answer = client.getJob({ name });
    await begun;
    const stopped = server?.stop();
    release?.();
    expect((await answer).job?.name).toBe(name);
    await stopped;
  });
});

describe('a stream of answers', () => {
  const runName = 'installations/a/runs/r1';
  const response = (phase: number) => schedulerV1.WatchRunResponse.create({ run: { name: `${runName}/${phase}` } });

  it('brings them in order and ends', async () => {
    const address = await serve(
      bindRpc(SchedulerServiceService, {
        watchRun: async function* () {
          for (let i = 0; i < 500; i++) yield response(i);
        },
      }),
    );
    const seen: string[] = [];
    const client = createClient(SchedulerServiceService, channelTo(address));
    for await (const { run } of client.watchRun({ name: runName })) seen.push(run?.name ?? '');
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => `${runName}/${i}`));
  });

  it('stops when the reader goes', async () => {
    let ended: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => (ended = resolve));
    const address = await serve(
      bindRpc(SchedulerServiceService, {
        watchRun: async function* (_request, { signal }) {
          yield response(1);
          await once(signal, 'abort').finally(ended);
        },
      }),
    );
    const client = createClient(SchedulerServiceService, channelTo(address));
    for await (const _ of client.watchRun({ name: runName })) break;
    await finished;
  });

  it('is told to come again when the server stops', async () => {
    const address = await serve(
      bindRpc(SchedulerServiceService, {
        watchRun: async function* (_request, { signal }) {
          yield response(1);
          await once(signal, 'abort');
        },
      }),
    );
    const client = createClient(SchedulerServiceService, channelTo(address));
    const read = async () => {
      for await (const _ of client.watchRun({ name: runName })) void server?.stop();
    };
    await expect(read()).rejects.toMatchObject({ code: CODE.unavailable });
  });

  it('ends with the details of a refusal', async () => {
    const refusal = reject('not-found', 'RUN_NOT_FOUND', 'There is no such run.');
    const address = await serve(
      bindRpc(SchedulerServiceService, {
        // eslint-disable-next-line require-yield -- it refuses before the first answer
        watchRun: async function* () {
          throw new RejectedError(refusal);
        },
      }),
    );
    const client = createClient(SchedulerServiceService, channelTo(address));
    await expect(readAll(client.watchRun({ name: runName }))).rejects.toMatchObject({ reason: 'RUN_NOT_FOUND' });
  });
});

describe('a stream in both directions', () => {
  const heartbeat = sessionV1.AttachRequest.fromPartial({ message: { $case: 'heartbeat', value: {} } });
  const notice = sessionV1.AttachResponse.fromPartial({ message: { $case: 'notice', value: { notice: 'n1' } } });

  async function attachTo(handler: (stream: AttachStream, context: RpcContext) => Promise<void>, more = {}) {
    const address = await serve(bindRpc(SessionServiceService, { attach: handler }), more);
    return openStream(SessionServiceService.attach, channelTo(address, credentials.client));
  }

  it('answers, and passes what was encoded once as it is', async () => {
    const encoded = SessionServiceService.attach.responseSerialize(notice);
    const stream = await attachTo(async (server) => {
      for await (const _ of server) {
        server.write(notice);
        server.writeEncoded(encoded);
      }
    });
    stream.write(heartbeat);
    stream.end();
    expect(await readAll(stream)).toEqual([notice, notice]);
  });

  it('counts what waits for a slow reader, and says that it is slow', async () => {
    let report: (queued: { bytes: number; wasSlow: boolean }) => void = () => undefined;
    const reported = new Promise<{ bytes: number; wasSlow: boolean }>((resolve) => (report = resolve));
    const large = sessionV1.AttachResponse.fromPartial({
      message: { $case: 'notice', value: { text: 'x'.repeat(100_000) } },
    });
    const stream = await attachTo(async (server, { signal }) => {
      let wasSlow = false;
      for (let i = 0; i < 100; i++) wasSlow = !server.write(large) || wasSlow;
      report({ bytes: server.queuedBytes, wasSlow });
      await once(signal, 'abort');
    });
    const { bytes, wasSlow } = await reported;
    expect(wasSlow).toBe(true);
    expect(bytes).toBeGreaterThan(5_000_000);
    stream.cancel();
  });

  it('is read without a loop, to its end', async () => {
    const kinds: string[] = [];
    const stream = await attachTo(
      (server) =>
        new Promise((resolve, reject) => {
          server.read({
            message: ({ message }) => {
              kinds.push(message?.$case ?? '');
              server.write(notice);
            },
            wrong: () => reject(new Error('nothing is wrong')),
            end: resolve,
          });
        }),
    );
    for (let i = 0; i < 3; i++) stream.write(heartbeat);
    stream.end();
    expect(await readAll(stream)).toEqual([notice, notice, notice]);
    expect(kinds).toEqual(['heartbeat', 'heartbeat', 'heartbeat']);
  });

  it.each([
    ['too large', 'x'.repeat(200), 'MESSAGE_TOO_LARGE', CODE.resourceExhausted],
    ['not one of it', 'no message', 'BAD_MESSAGE', CODE.invalidArgument],
  ])('refuses a message that is %s, in a loop and without', async (_, text, reason, code) => {
    const loop = async (server: AttachStream): Promise<void> => {
      for await (const message of server) throw new Error(`it read ${JSON.stringify(message)}`);
    };
    const reader = (server: AttachStream): Promise<void> =>
      new Promise((resolve, reject) => {
        const wrong = (why: Rejected): void => reject(new RejectedError(why));
        server.read({ message: () => reject(new Error('it was read')), wrong, end: resolve });
      });
    for (const handler of [loop, reader]) {
      const address = await serve(bindRpc(SessionServiceService, { attach: handler }, { attach: 100 }));
      const raw = { ...SessionServiceService.attach, requestSerialize: (bytes: string) => Buffer.from(bytes) };
      const stream = openStream(raw, channelTo(address, credentials.client));
      (stream as { write(message: unknown): boolean }).write(text);
      await expect(readAll(stream)).rejects.toMatchObject({ code, reason });
      await server?.stop();
    }
  });

  it('ends quietly when the client breaks off', async () => {
    let end: (messages: number) => void = () => undefined;
    const ended = new Promise<number>((resolve) => (end = resolve));
    const stream = await attachTo(async (server) => {
      let messages = 0;
      for await (const _ of server) {
        messages++;
        server.write(notice);
      }
      end(messages);
      server.write(notice);
      server.end();
    });
    stream.write(heartbeat);
    await stream[Symbol.asyncIterator]().next();
    stream.cancel();
    expect(await ended).toBe(1);
    expect(logged.join('')).not.toContain('mistake');
  });

  it('is told to come again when the server stops, while its handler still reads', async () => {
    const stream = await attachTo(async (server) => {
      server.write(notice);
      for await (const _ of server) server.write(notice);
    });
    const read = async () => {
      for await (const _ of stream) void server?.stop();
    };
    await expect(read()).rejects.toMatchObject({ code: CODE.unavailable });
  });

  it('is asked to move on when its connection is too old', async () => {
    const stream = await attachTo(
      async (server) => {
        server.write(notice);
        for await (const _ of server) server.write(notice);
      },
      { maxConnectionAgeMs: 50 },
    );
    await expect(readAll(stream)).rejects.toMatchObject({ code: expect.any(Number) });
  });

  it('hides the text of what broke', async () => {
    const stream = await attachTo(() => Promise.reject(new Error('password=hunter2')));
    const error = await readAll(stream).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: CODE.internal });
    expect((error as Error).message).not.toContain('hunter2');
  });
});
