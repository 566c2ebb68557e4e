import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeStoreContract } from './contract.js';
import type { TestDatabase } from './contract-tools.js';

async function createDatabase(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-sqlite-'));
  return {
    options: { url: '', file: join(folder, 'session.db'), service: 'session', database: '' },
    shared: false,
    drop: async () => rmSync(folder, { recursive: true }),
  };
}

describeStoreContract('SQLite', createDatabase);
