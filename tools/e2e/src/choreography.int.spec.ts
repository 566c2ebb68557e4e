import { catalogModule } from '@lastcall/catalog';
import { consumedBy, EVENT_TYPES, EVENTS, type ServiceName } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import type { AnyServiceModule } from '@lastcall/runtime';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { startStack } from '@lastcall/testkit';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { drawChoreography, strayEvents } from './choreography.js';

const MODULES: readonly AnyServiceModule[] = [
  catalogModule,
  schedulerModule,
  preflightModule,
  sessionModule,
  installerModule,
];
const README = join(resolve(__dirname, '../../..'), 'README.md');
const BETWEEN = /(<!-- choreography -->\n\n)[\s\S]*?(\n\n<!-- \/choreography -->)/;

/** What each service really takes in: a module that declares anything else than the table does not start. */
async function declared(): Promise<ReadonlyMap<ServiceName, readonly string[]>> {
  const found = new Map<ServiceName, readonly string[]>();
  const watching = MODULES.map((module) => ({
    ...module,
    create: async (context: Parameters<typeof module.create>[0]) => {
      const parts = await module.create(context);
      found.set(module.name, Object.keys(parts.consumers));
      return parts;
    },
  }));
  const stack = await startStack({ modules: watching });
  await stack.stop();
  return found;
}

describe('the choreography', () => {
  it('has an owner, a publisher and a consumer for every event', () => expect(strayEvents()).toEqual([]));

  it('is what the services declare', async () => {
    const consumers = await declared();
    for (const { name } of MODULES) {
      // Revoked credentials are the runtime's own, in every service.
      const wanted = consumedBy(name).filter((type) => type !== 'TokenRevoked');
      expect([...(consumers.get(name) ?? [])].sort()).toEqual([...wanted].sort());
    }
    const taken = new Set([...consumers.values()].flat());
    expect(EVENT_TYPES.filter((type) => !taken.has(type) && type !== 'TokenRevoked')).toEqual([]);
    expect(EVENTS.TokenRevoked.consumers).toHaveLength(MODULES.length);
  });

  it('is drawn in the README as the table has it', () => {
    const readme = readFileSync(README, 'utf8');
    expect(readme).toMatch(BETWEEN);
    const drawn = readme.replace(BETWEEN, (_, before: string, after: string) => before + drawChoreography() + after);
    if (process.env['LASTCALL_DRAW'] === '1') writeFileSync(README, drawn);
    else expect(readme).toBe(drawn);
  });
});
