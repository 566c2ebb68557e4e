import { catalogV1, healthV1, operationsV1 } from '@lastcall/contracts';
import { CODE, createClient, openChannel, type CallError, type Channel } from '@lastcall/sdk';
import { startEdge, type Edge } from './edge.js';
import { findFreePorts } from './free-ports.js';
import { createSmallCatalog } from './small-catalog.js';
import { startStack, type Stack } from './stack.js';

describe('the edge of a cluster', () => {
  let stack: Stack;
  let edge: Edge;
  let channel: Channel;

  beforeAll(async () => {
    stack = await startStack({ modules: [createSmallCatalog()] });
    const [nobody] = await findFreePorts(1);
    edge = await startEdge({
      routes: {
        'lastcall.catalog.': stack.grpcAddress,
        'grpc.health.v1.Health': stack.grpcAddress,
        'lastcall.operations.': `127.0.0.1:${nobody}`,
      },
    });
    channel = openChannel({ address: edge.address, credential: () => stack.token('admin') });
  });
  afterAll(async () => {
    channel.close();
    await edge.stop();
    await stack.stop();
  });

  it('passes refusals on with their details', async () => {
    const catalog = createClient(catalogV1.CatalogServiceService, channel);
    await expect(catalog.getProduct({ name: 'products/p' })).rejects.toMatchObject({
      code: CODE.notFound,
      reason: 'NO_SUCH_PRODUCT',
    });
  });

  it('passes streams on as they come, and their end by the reader', async () => {
    const health = createClient(healthV1.HealthService, channel);
    for await (const { status } of health.watch({ service: '' })) {
      expect(status).toBe(healthV1.HealthCheckResponse_ServingStatus.SERVING);
      break;
    }
    const answers = Array.from({ length: 50 }, () => health.check({ service: '' }));
    expect(await Promise.all(answers)).toHaveLength(50);
  });

  it('takes replicas in turn, and leaves one out that cannot be reached', async () => {
    const [nobody] = await findFreePorts(1);
    const replicas = [stack.grpcAddress, `127.0.0.1:${nobody}`];
    const two = await startEdge({ routes: { 'lastcall.operations.': replicas } });
    const through = openChannel({ address: two.address, credential: () => stack.token('admin') });
    // A write, which the client does not repeat by itself.
    const operations = createClient(operationsV1.OperationsServiceService, through);
    const refusals: number[] = [];
    for (let i = 0; i < 5; i++) {
      const refused = await operations
        .redriveDeadLetter({ name: 'deadletters/x', ownProcess: true })
        .catch((error: unknown) => error);
      refusals.push((refused as CallError).code);
    }
    through.close();
    await two.stop();
    const { notFound, unavailable } = CODE;
    expect(refusals).toEqual([notFound, unavailable, notFound, notFound, notFound]);
  });

  it('says that a service cannot be reached, and that it has no route', async () => {
    const operations = createClient(operationsV1.OperationsServiceService, channel);
    const redrive = operations.redriveDeadLetter({ name: 'deadletters/x', ownProcess: true });
    await expect(redrive).rejects.toMatchObject({ code: CODE.unavailable });
    const other = { x: { ...operationsV1.OperationsServiceService.redriveDeadLetter, path: '/other.v1.Service/X' } };
    await expect(createClient(other, channel).x({ name: '', ownProcess: true })).rejects.toMatchObject({
      code: CODE.unimplemented,
    });
  });
});
