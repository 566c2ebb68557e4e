import { catalogModule } from '@lastcall/catalog';
import { operationsV1 } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { findFreePorts, startEdge, startStack, type Edge, type Stack } from '@lastcall/testkit';
import { commandLineOn, type CommandLine } from './world/command-line.js';
import { addSite } from './world/site.js';

/* What the doctor says of a cluster: two processes behind one address, all well, and then without one of them. */

let most: Stack;
let installer: Stack;
let edge: Edge;
let lastcall: CommandLine;

beforeAll(async () => {
  const [port] = await findFreePorts(1);
  const installerAddress = `127.0.0.1:${port}`;
  const modules = [catalogModule, schedulerModule, preflightModule, sessionModule];
  most = await startStack({ modules, settings: { installerAddress } });
  const settings = { grpcAddress: installerAddress, identityDir: most.identityDir, catalogAddress: most.grpcAddress };
  installer = await startStack({ modules: [installerModule], settings });
  edge = await startEdge({ routes: { 'lastcall.installer.': installerAddress, 'lastcall.': most.grpcAddress } });
  lastcall = commandLineOn({ ...most, grpcAddress: edge.address });
  await addSite(most);
}, 60_000);
afterAll(async () => {
  await edge.stop();
  await installer.stop();
  await most.stop();
});

it('says that nothing is wrong, of every service and every installation', async () => {
  const { exitCode, out } = await lastcall.run('doctor');
  expect(out).toMatch(/catalog +version 0\.1\.0, up .*; store and bus answer/);
  expect(out).toMatch(/installer +version 0\.1\.0, up /);
  expect(out).toMatch(/signatures +no signed metadata is near its end/);
  expect(out).toMatch(/berlin +gate open, 0 of 0 hosts connected/);
  expect(out).toMatch(/Nothing is wrong\.\n$/);
  expect(exitCode).toBe(0);
  const { services } = (await lastcall.json('doctor', '-i', 'berlin')) as { services: unknown[] };
  expect(services).toHaveLength(5);
  expect(services.at(-1)).toMatchObject({ service: 'installer', busConnected: true, address: expect.any(String) });
});

it('is for operators, and a process tells of itself only when it is asked so', async () => {
  const states = most.client(operationsV1.OperationsServiceService, 'operator').listServiceStates({ ownProcess: true });
  expect((await states).serviceStates.map(({ service }) => service)).not.toContain('installer');
  const viewer = most.client(operationsV1.OperationsServiceService, 'viewer');
  await expect(viewer.listServiceStates({ ownProcess: true })).rejects.toMatchObject({ reason: 'NOT_PERMITTED' });
});

it('says which service is away, and goes on with the others in bounded time', async () => {
  await installer.stop();
  const began = Date.now();
  const { exitCode, out } = await lastcall.run('doctor');
  expect(Date.now() - began).toBeLessThan(12_000);
  expect(exitCode).toBe(1);
  expect(out).toMatch(/installer +WRONG: cannot be asked at 127\.0\.0\.1:\d+: .+\n +Look whether installer runs/);
  expect(out).toMatch(/installer +WRONG: does not answer here/);
  expect(out).toMatch(/session +version 0\.1\.0/);
  expect(out).toMatch(/2 things are wrong\.\n$/);
});
