import { randomBytes } from 'node:crypto';
import { MongoClient } from 'mongodb';
import { describeStoreContract } from './contract.js';
import type { TestDatabase } from './contract-tools.js';

const url = process.env['LASTCALL_TEST_MONGODB_URL'] ?? '';

async function createDatabase(): Promise<TestDatabase> {
  const database = `lastcall_test_${randomBytes(6).toString('hex')}`;
  return {
    options: { url, file: '', service: 'session', database },
    shared: true,
    drop: async () => {
      const client = await MongoClient.connect(url);
      await client.db(database).dropDatabase();
      await client.close();
    },
  };
}

if (url === '') describe.skip('MongoDB: store contract', () => it('needs LASTCALL_TEST_MONGODB_URL', () => undefined));
else describeStoreContract('MongoDB', createDatabase);
