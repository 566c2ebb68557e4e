import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { agentsOn } from './agent-service.js';
import type { SelfUpdatingHost } from './self-updating-host.js';

/** One agent of this version works, and takes the application through an update. */
export async function oneWorks(host: SelfUpdatingHost, version: string, fence = 2): Promise<void> {
  const { edge, service } = host;
  expect(agentsOn(host.dir)).toEqual([service.pid()]);
  for (const action of ['stageRelease', 'installRelease'] as const) {
    const order = edge.order({ $case: action, value: { product: 'encore', version: '11.1.0' } }, { fence });
    expect(await edge.result(order)).toMatchObject({ failure: undefined });
  }
  expect(readlinkSync(join(host.dir, 'current'))).toBe('versions/11.1.0');
  expect(host.data('db.json')).toEqual({ bookings: [], schema: '11.1.0' });
  const facts = { $case: 'collectFacts', value: { product: 'encore', version: '' } } as const;
  const { evidence } = await edge.result(edge.order(facts, { fence: 0 }));
  expect(evidence).toMatchObject({ $case: 'facts', value: { agentVersion: version, installedVersion: '11.1.0' } });
}
