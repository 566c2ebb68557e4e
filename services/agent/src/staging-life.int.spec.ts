import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { hostOrderV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { until } from '@lastcall/testkit';
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { readHostRecord, writeHostRecord } from './host-record.js';
import { layoutOf } from './layout.js';
import { removeAgentProgram, startAgentProcess, type AgentProcess } from './testing/agent-process.js';
import { sampleRelease } from './testing/sample-release.js';
import { holdBlob } from './testing/hold-blob.js';
import { startTestHost, type TestHost } from './testing/test-host.js';
import { sendRange } from './testing/tuf-repository.js';

/*
 * Staging in the life of an agent: what it does not hold up, what it survives, and what is not needed any more when it is done.
 */

type Action = NonNullable<hostOrderV1.HostOrder['action']>;

const BIG = Buffer.alloc(3_000_000, 'lastcall ');
const BIG_URL = `/blobs/${sha256Hex(BIG)}`;
const version = { product: 'encore', version: '11.1.0' };
const stage: Action = { $case: 'stageRelease', value: version };
const install: Action = { $case: 'installRelease', value: version };
const facts: Action = { $case: 'collectFacts', value: version };
const backup: Action = { $case: 'takeBackup', value: { product: 'encore', restorePoint: 'rp-1' } };
const rollBack: Action = {
  $case: 'rollBackRelease',
  value: { product: 'encore', version: '11.0.0', restorePoint: 'rp-1', keepStopped: false },
};

let host: TestHost;
const started: AgentProcess[] = [];
beforeEach(async () => {
  host = await startTestHost(new Server(), ServerCredentials.createInsecure());
  const files = [{ path: 'big.bin', mode: 0o644, bytes: BIG }];
  host.repository.publish(sampleRelease('11.0.0'), sampleRelease('11.1.0', { files }));
  await host.join();
  await host.install('11.0.0');
});
afterEach(async () => {
  for (const process of started.splice(0)) await process.kill();
  await host.close();
});
afterAll(removeAgentProgram);

const holdBigFile = (sentBytes: number): Promise<() => void> => holdBlob(host.repository, BIG, sentBytes);
const isStaged = (): boolean => existsSync(join(host.dir, 'versions/11.1.0'));
const partBytes = (): number => {
  const part = join(host.dir, 'blobs/partial', sha256Hex(BIG));
  return existsSync(part) ? statSync(part).size : 0;
};

it('answers facts while a file is on its way, and puts nothing else beside it', async () => {
  await host.start();
  const held = holdBigFile(100_000);
  const staging = host.edge.order(stage);
  const goOn = await held;
  const asked = await host.edge.result(host.edge.order(facts, { fence: 0 }));
  expect(asked.evidence).toMatchObject({ $case: 'facts', value: { staged: false, unknown: {} } });
  const installing = host.edge.order(install);
  const afterIt = host.edge.order(facts, { fence: 0 });
  await host.edge.until('accepted', ({ order }) => order === afterIt);
  expect(host.edge.received.some((m) => m.$case === 'result' && m.value.order === afterIt)).toBe(false);
  goOn();
  expect((await host.edge.result(staging)).failure).toBeUndefined();
  expect((await host.edge.result(installing)).failure).toBeUndefined();
  expect(await host.edge.result(afterIt)).toMatchObject({ installedVersion: '11.1.0' });
});

it('continues in the middle of a file after kill -9', async () => {
  const run = (): AgentProcess => {
    const process = startAgentProcess('run', '--data', host.dir);
    started.push(process);
    return process;
  };
  const first = run();
  const held = holdBigFile(2_000_000);
  const staging = host.edge.order(stage);
  await held;
  // Progress counts other files too, so the bytes of this one are looked for where they have to remain.
  await until(() => partBytes() > 0, 'a part of the file on the disk');
  await first.kill();
  const kept = partBytes();
  expect(kept).toBeGreaterThan(0);
  const ranges: (string | undefined)[] = [];
  host.repository.intercept = (request, response) => {
    if (request.url !== BIG_URL) return false;
    ranges.push(request.headers.range);
    sendRange(request, response, BIG);
    return true;
  };
  run();
  expect(await host.edge.result(staging)).toMatchObject({ failure: undefined });
  expect(ranges).toEqual([`bytes=${kept}-`]);
  expect(readFileSync(join(host.dir, 'versions/11.1.0/big.bin')).equals(BIG)).toBe(true);
});

it('goes on when the server comes back', async () => {
  await host.start();
  const broken: ServerResponse[] = [];
  host.repository.intercept = (request, response) => {
    if (request.url !== BIG_URL || broken.length >= 5) return false;
    broken.push(response);
    response.destroy();
    return true;
  };
  expect((await host.edge.result(host.edge.order(stage))).failure).toBeUndefined();
  expect(broken).toHaveLength(5);
  expect(isStaged()).toBe(true);
});

it('needs no network for anything that follows: the whole HTTP of the services is gone', async () => {
  await host.start();
  expect((await host.edge.result(host.edge.order(stage))).failure).toBeUndefined();
  await host.repository.close();
  const asked = await host.edge.result(host.edge.order(facts, { fence: 0 }));
  expect(asked.evidence).toMatchObject({ $case: 'facts', value: { staged: true, unknown: {} } });
  expect((await host.edge.result(host.edge.order(backup))).failure).toBeUndefined();
  const installed = await host.edge.result(host.edge.order(install));
  expect(installed).toMatchObject({ failure: undefined, installedVersion: '11.1.0' });
  expect(await host.edge.result(host.edge.order(rollBack))).toMatchObject({
    failure: undefined,
    installedVersion: '11.0.0',
  });
});

it('keeps to the limit that the host was given at the join', async () => {
  const layout = layoutOf(host.dir);
  const maxRate = 2_000_000;
  writeHostRecord(layout, { ...readHostRecord(layout), maxRate });
  await host.start();
  const began = Date.now();
  expect((await host.edge.result(host.edge.order(stage))).failure).toBeUndefined();
  // What the network holds by itself comes at once.
  expect(Date.now() - began).toBeGreaterThan(((BIG.byteLength - 300_000) / maxRate) * 1_000);
});

it('holds the limit of the business hours all day where they cannot be asked for', async () => {
  const layout = layoutOf(host.dir);
  writeHostRecord(layout, { ...readHostRecord(layout), maxRateInHours: 2_000_000 });
  await host.start();
  const began = Date.now();
  expect((await host.edge.result(host.edge.order(stage))).failure).toBeUndefined();
  expect(Date.now() - began).toBeGreaterThan(1_300);
  expect(host.lines.filter((line) => line.includes('business hours are not known'))).toHaveLength(1);
});
