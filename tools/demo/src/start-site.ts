import { findFreePorts, startEdge } from '@lastcall/testkit';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Endpoints, readEndpoints } from './site.js';
import type { Stage } from './stage.js';

/*
 * Lastcall itself: one process with everything, five services on NATS and MongoDB behind one address, or one that somebody else runs.
 */

const SERVICES = ['catalog', 'scheduler', 'preflight', 'session', 'installer'] as const;
/** So that the demo is over soon, by service: how long a release settles, and a host that is switched off is asked for its facts. */
const SHORT_WAITS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  installer: { LASTCALL_SETTLE_MS: '2000' },
  preflight: { LASTCALL_FACTS_TIMEOUT_MS: '6000' },
};
const ROOT = resolve(__dirname, '../../..');

export interface Backends {
  readonly nats: string;
  readonly mongodb: string;
}

/** One that runs already: where it is, and a file with an administrator's credential. */
export interface Elsewhere {
  readonly address: string;
  readonly catalogUrl: string;
  readonly tokenFile: string;
}

export function reachElsewhere(dataDir: string, { address, catalogUrl, tokenFile }: Elsewhere): Endpoints {
  copyFileSync(tokenFile, join(dataDir, 'operator.token'));
  const endpoints = { grpc: address, http: catalogUrl };
  writeFileSync(join(dataDir, 'endpoints.json'), JSON.stringify(endpoints));
  return endpoints;
}

export async function startEmbedded(stage: Stage, dataDir: string): Promise<Endpoints> {
  const args = ['up', '--data', dataDir, '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  stage.say('$ lastcall up');
  const up = stage.start('lastcall', args, { ...SHORT_WAITS['installer'], ...SHORT_WAITS['preflight'] });
  await up.until(/is running/, 30_000);
  return readEndpoints(dataDir);
}

/** Keys and credentials are made once and given to all five, as a cluster's secret would be. */
export async function startDistributed(stage: Stage, dataDir: string, { nats, mongodb }: Backends): Promise<Endpoints> {
  await stage.type('lastcall', ['up', '--data', dataDir, '--prepare']);
  const ports = await findFreePorts(SERVICES.length * 2);
  const addresses = SERVICES.map((_, i) => `127.0.0.1:${ports[i]}`);
  const http = SERVICES.map((_, i) => `127.0.0.1:${ports[SERVICES.length + i]}`);
  const shared = {
    LASTCALL_BUS: nats,
    LASTCALL_STORE: mongodb,
    LASTCALL_PREFIX: `demo-${process.pid}`,
    LASTCALL_IDENTITY_DIR: join(dataDir, 'identity'),
    LASTCALL_CATALOG_URL: `http://${http[0]}`,
    ...Object.fromEntries(SERVICES.map((name, i) => [`LASTCALL_${name.toUpperCase()}_ADDRESS`, addresses[i] ?? ''])),
  };
  const started = SERVICES.map((name, i) => {
    const own = join(dataDir, name);
    mkdirSync(own, { recursive: true });
    const env = {
      ...shared,
      ...SHORT_WAITS[name],
      LASTCALL_DATA_DIR: own,
      LASTCALL_GRPC_ADDRESS: addresses[i] ?? '',
      LASTCALL_HTTP_ADDRESS: http[i] ?? '',
    };
    stage.say(`$ node services/${name}/dist/main.js`);
    return stage.startNode(join(ROOT, 'services', name, 'dist/main.js'), [], env, stage.dir);
  });
  await Promise.all(started.map((service) => service.until(/"ready"/, 60_000)));
  const routes = Object.fromEntries(SERVICES.map((name, i) => [`lastcall.${name}.`, addresses[i] ?? '']));
  const edge = await startEdge({ routes: { ...routes, 'lastcall.identity.': addresses[0] ?? '' } });
  stage.onClear(() => edge.stop());
  const endpoints = { grpc: edge.address, http: `http://${http[0]}` };
  writeFileSync(join(dataDir, 'endpoints.json'), JSON.stringify(endpoints));
  return endpoints;
}
