import { eventsV1, identityV1, operationsV1 } from '@lastcall/contracts';
import { mongodbUrl, natsUrl } from './backends.js';
import { createSmallCatalog } from './small-catalog.js';
import { startStack } from './stack.js';

/*
 * The same stack on the other pair of bus and store, twice on the same data.
 */

const [suite, name] =
  natsUrl() === undefined || mongodbUrl() === undefined
    ? [describe.skip, 'a stack on NATS and MongoDB (needs LASTCALL_TEST_NATS_URL and LASTCALL_TEST_MONGODB_URL)']
    : [describe, 'a stack on NATS and MongoDB'];

suite(name, () => {
  it('keeps what was said and recorded over a restart', async () => {
    const taken: string[] = [];
    const options = { modules: [createSmallCatalog({ taken })], bus: 'nats', store: 'mongodb' } as const;
    const first = await startStack(options);
    await first.client(identityV1.TokenServiceService).revokeToken({ name: 'tokens/t1' });
    await first.seen('TokenRevoked');
    await first.stop({ keep: true });

    const second = await startStack({ ...options, prefix: first.prefix });
    const host = eventsV1.HostJoined.create({ installation: 'a', host: 'srv' });
    await second.publish('HostJoined', 'a', host);
    await second.seen('HostJoined');
    const operations = second.client(operationsV1.OperationsServiceService);
    const { auditRecords } = await operations.listAuditRecords({ pageSize: 0, pageToken: '', ownProcess: true });
    expect(auditRecords.map((record) => record.resource)).toEqual(['tokens/t1']);
    await second.stop();
    expect(taken).toEqual(['HostJoined srv']);
  });
});
