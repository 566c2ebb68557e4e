import { catalogV1, hostEdgeV1, rpcErrorsV1, schedulerV1 } from '@lastcall/contracts';
import { Metadata, Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CallError, CODE } from './call-error.js';
import { openChannel, type Channel } from './channel.js';
import { createClient } from './client.js';
import { readConnection } from './connection.js';
import { openStream } from './stream.js';

type GetInstallation = (
  call: ServerUnaryCall<catalogV1.GetInstallationRequest, catalogV1.GetInstallationResponse>,
  callback: sendUnaryData<catalogV1.GetInstallationResponse>,
) => void;

const RUN = 'installations/berlin/runs/r-1';

/** A real server with the handlers that a test gives. */
async function serve(getInstallation: GetInstallation) {
  const server = new Server();
  server.addService(catalogV1.CatalogServiceService, {
    getInstallation,
    createInstallation: getInstallation,
  });
  server.addService(schedulerV1.SchedulerServiceService, {
    watchRun: (call: { write(m: unknown): void; emit(name: string, e: object): void }) => {
      for (const phase of ['preflight', 'ended']) {
        call.write(schedulerV1.WatchRunResponse.fromPartial({ run: { name: RUN, phase } }));
      }
      call.emit('error', { code: CODE.unavailable, details: 'gone' });
    },
  });
  server.addService(hostEdgeV1.HostEdgeServiceService, {
    connect: (call: { on(e: string, f: (m: never) => void): void; write(m: unknown): void; end(): void }) => {
      call.on('data', () => call.write(hostEdgeV1.ConnectResponse.fromPartial({ message: { $case: 'heartbeat', value: {} } }))); // prettier-ignore
      call.on('end', () => call.end());
    },
  } as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (e, p) => (e ? reject(e) : resolve(p))),
  );
  return { address: `127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}

const request = { name: 'installations/berlin' };
const answer = catalogV1.GetInstallationResponse.fromPartial({ installation: { name: request.name } });
const unavailable = { code: CODE.unavailable, details: 'restarting' };

describe('a client', () => {
  const toClose: (() => void)[] = [];
  afterEach(() => toClose.splice(0).forEach((close) => close()));

  async function open(handler: GetInstallation, credential = () => 'secret'): Promise<Channel> {
    const server = await serve(handler);
    const channel = openChannel({ address: server.address, credential, random: () => 0 });
    toClose.push(() => channel.close(), server.stop);
    return channel;
  }

  it('reads the credential for each call', async () => {
    const seen: unknown[] = [];
    let n = 0;
    const channel = await open(
      (call, callback) => {
        seen.push(call.metadata.get('authorization')[0]);
        callback(null, answer);
      },
      () => `token-${++n}`,
    );
    const client = createClient(catalogV1.CatalogServiceService, channel);
    await client.getInstallation(request);
    await client.getInstallation(request);
    expect(seen).toEqual(['Bearer token-1', 'Bearer token-2']);
  });

  it('repeats a read while the server cannot be reached', async () => {
    let calls = 0;
    const channel = await open((_, callback) => (++calls < 3 ? callback(unavailable) : callback(null, answer)));
    await createClient(catalogV1.CatalogServiceService, channel).getInstallation(request);
    expect(calls).toBe(3);
  });

  it('never repeats a write', async () => {
    let calls = 0;
    const channel = await open((_, callback) => {
      calls++;
      callback(unavailable);
    });
    const client = createClient(catalogV1.CatalogServiceService, channel);
    const create = client.createInstallation(catalogV1.CreateInstallationRequest.fromPartial({}));
    await expect(create).rejects.toMatchObject({ name: 'CallError', code: CODE.unavailable });
    expect(calls).toBe(1);
  });

  it('ends a call at its deadline, and when it is aborted', async () => {
    const channel = await open(() => {}); // A server that never answers.
    const client = createClient(catalogV1.CatalogServiceService, channel);
    await expect(client.getInstallation(request, { timeoutMs: 50 })).rejects.toMatchObject({ code: CODE.deadlineExceeded }); // prettier-ignore
    const signal = AbortSignal.timeout(50);
    await expect(client.getInstallation(request, { signal })).rejects.toMatchObject({ code: CODE.cancelled });
  });

  it('says everything that the server said about a refusal', async () => {
    const any = (name: string, value: Uint8Array) => ({
      typeUrl: `type.googleapis.com/google.rpc.${name}`,
      value: Buffer.from(value),
    });
    const violations = [{ type: 'CAUTION', subject: 'users-logged-in', description: '12 users' }];
    const status = rpcErrorsV1.Status.fromPartial({
      code: 9,
      message: 'Users are logged in.',
      details: [
        any('ErrorInfo', rpcErrorsV1.ErrorInfo.encode({ reason: 'CONFIRMATION_REQUIRED', domain: 'lastcall', metadata: { users: '12' } }).finish()), // prettier-ignore
        any('PreconditionFailure', rpcErrorsV1.PreconditionFailure.encode({ violations }).finish()),
        any('FromTheFuture', new Uint8Array([1, 2, 3])),
      ],
    });
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from(rpcErrorsV1.Status.encode(status).finish()));
    const channel = await open((_, callback) => callback({ code: 9, details: 'x', metadata }));
    const error: unknown = await createClient(catalogV1.CatalogServiceService, channel)
      .getInstallation(request)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CallError);
    expect(error).toMatchObject({
      code: 9,
      message: 'Users are logged in.',
      reason: 'CONFIRMATION_REQUIRED',
      facts: { users: '12' },
      violations: [{ field: 'users-logged-in', description: '12 users' }],
    });
  });

  it('hands over what a stream said before it failed', async () => {
    const channel = await open(() => {});
    const phases: unknown[] = [];
    const read = async (): Promise<void> => {
      const client = createClient(schedulerV1.SchedulerServiceService, channel);
      for await (const { run } of client.watchRun({ name: RUN })) phases.push(run?.phase);
    };
    await expect(read()).rejects.toMatchObject({ name: 'CallError', code: CODE.unavailable });
    expect(phases).toEqual(['preflight', 'ended']);
  });

  it('speaks both ways on one stream', async () => {
    const channel = await open(() => {});
    const stream = openStream(hostEdgeV1.HostEdgeServiceService.connect, channel);
    stream.write({ message: { $case: 'heartbeat', value: {} } });
    stream.end();
    const said: unknown[] = [];
    for await (const { message } of stream) said.push(message?.$case);
    expect(said).toEqual(['heartbeat']);
    expect(stream.write({ message: undefined })).toBe(false);
  });

  it('tells of a credential that cannot be read', async () => {
    const channel = await open(
      (_, callback) => callback(null, answer),
      () => {
        throw new Error('ENOENT');
      },
    );
    const call = createClient(catalogV1.CatalogServiceService, channel).getInstallation(request);
    await expect(call).rejects.toMatchObject({ code: CODE.unauthenticated, reason: 'CREDENTIAL_UNREADABLE' });
  });
});

describe('readConnection', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-sdk-'));
  afterAll(() => rmSync(dir, { recursive: true }));
  const data = { LASTCALL_DATA_DIR: dir };

  it('says what to do when there is nothing', () => {
    expect(() => readConnection(data)).toThrow(/lastcall up.*LASTCALL_ADDR/);
    expect(() => readConnection({ ...data, LASTCALL_ADDR: 'x:1' })).toThrow(/LASTCALL_TOKEN_FILE/);
  });

  it('finds a Lastcall of this machine, and picks up a rotated credential', () => {
    writeFileSync(join(dir, 'endpoints.json'), '{"grpc":"127.0.0.1:7421","http":"http://127.0.0.1:7420"}');
    writeFileSync(join(dir, 'operator.token'), 'one\n');
    const connection = readConnection(data);
    expect(connection).toMatchObject({ address: '127.0.0.1:7421', catalogUrl: 'http://127.0.0.1:7420' });
    expect(connection.credential()).toBe('one');
    writeFileSync(join(dir, 'operator.token'), 'two\n');
    expect(connection.credential()).toBe('two');
  });

  it('takes TLS from the address', () => {
    const connection = readConnection({ ...data, LASTCALL_ADDR: 'https://lastcall.example:443' });
    expect(connection).toMatchObject({ address: 'lastcall.example:443', tls: {} });
  });
});
