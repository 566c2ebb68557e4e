import { sha256Hex } from '@lastcall/kernel';
import { CallError, CODE, type Connection } from '@lastcall/sdk';
import { catalogAgent, readFileOf } from './catalog-http.js';

/** A blob by its hash, checked; of as many bytes as were said. */
export async function downloadBlob(connection: Connection, sha256: string, sizeBytes: number): Promise<Buffer> {
  const agent = catalogAgent(connection, 1);
  try {
    const body = await readFileOf(connection, agent, `blobs/${sha256}`, sizeBytes);
    if (body.byteLength === sizeBytes && sha256Hex(body) === sha256) return body;
  } finally {
    agent.destroy();
  }
  throw new CallError(CODE.dataLoss, `blob ${sha256} of the catalog has other bytes`);
}
