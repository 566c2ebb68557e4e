import { join } from 'node:path';
import { openBus } from '../open-bus.js';
import { createNatsServer, describeWithServer, freePorts, type NatsServer } from './nats-server.js';

const folder = join(__dirname, '../../../../deploy/nats');

describeWithServer('deploy/nats', () => {
  let server: NatsServer;
  afterEach(() => server.cleanUp());

  it.each(['server.conf', 'cluster.conf'])(
    '%s starts a server that syncs always and demands the password of a user',
    async (file) => {
      const [port = 0, monitor = 0, route = 0] = await freePorts(3);
      const cluster = `nats://127.0.0.1:${route}`;
      server = createNatsServer({
        port,
        name: 'deployed',
        configuration: join(folder, file),
        args: ['-m', String(monitor), ...(file === 'cluster.conf' ? ['--cluster', cluster, '--routes', cluster] : [])],
      });
      await server.start();
      const open = (url: string) => openBus({ url, file: '', prefix: 'lastcall', tuning: { connectTimeoutMs: 0 } });
      for (const url of [server.url, server.urlOf('catalog').replace(/:p/, ':wrong'), server.urlOf('lastcall')]) {
        await expect(open(url)).rejects.toMatchObject({ cause: { name: 'AuthorizationError' } });
      }
      const response = await fetch(`http://127.0.0.1:${monitor}/jsz`);
      expect(await response.json()).toMatchObject({ config: { sync_always: true } });
      if (file === 'server.conf') await (await open(server.urlOf('catalog'))).close();
    },
  );
});
