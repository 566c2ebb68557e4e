import { findFreePorts } from '@lastcall/testkit';
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import type { Play } from './play.js';
import { check, currentVersion, readData, type Check } from './evidence.js';
import { hostDir, stopEncore } from './site.js';
import type { Stage } from './stage.js';

/*
 * A seat that has nothing but a web space: the vendor copies a folder there, the seat takes what is signed.
 */

const SEAT = 'laptop';

export async function webSeat({ stage, releases }: Play): Promise<Check[]> {
  stage.act('A seat with a web space and no server');
  const folder = join(stage.dir, 'web');
  await stage.type('lastcall', ['mirror', 'export', '--to', folder, '--product', 'encore']);
  const url = await serveFolder(stage, folder);
  const [port = 0] = await findFreePorts(1);
  const data = ['--data', hostDir(stage, SEAT)];
  stage.onClear(() => stopEncore(stage, SEAT));
  const root = join(folder, 'tuf', 'root.json');
  const where = ['--url', url, '--product', 'encore', '--root', root, '--env', `ENCORE_PORT=${port}`];
  await stage.type('lastcall-agent', ['seat', 'init', ...data, ...where]);
  await stage.run('lastcall-agent', ['install', ...data, '--version', '11.0.0']);
  const api = `http://127.0.0.1:${port}`;
  const book = async (seat: string): Promise<void> => {
    const booking = { event: 'premiere', seat, customer: 'ada', user: 'ada' };
    await fetch(`${api}/bookings`, { method: 'POST', body: JSON.stringify(booking) });
  };
  const env = { LASTCALL_SEAT: hostDir(stage, SEAT), LASTCALL_ADDR: '' };
  await book('1-1');
  await stage.type('lastcall', ['update', 'check'], { env });
  await stage.type('lastcall', ['update', 'now', '--yes', '--restart', 'later'], { env });
  await book('1-2');
  await stage.type('lastcall', ['update', 'now', '--yes'], { env });
  const good = currentVersion(stage, SEAT).version;

  stage.act('The broken 11.2.0 on that seat');
  await stage.run('lastcall', ['release', 'publish', releases['11.2.0']]);
  await stage.run('lastcall', ['mirror', 'export', '--to', folder, '--product', 'encore']);
  await stage.type('lastcall', ['update', 'now', '--yes'], { env, expect: [1] });
  await stage.type('lastcall', ['update', 'check'], { env });
  const kept = readData(stage, SEAT);
  const alive = (await (await fetch(`${api}/alive`)).json()) as { version: string };
  const backups = readdirSync(join(hostDir(stage, SEAT), 'backups'));
  return [
    check('the seat took 11.1.0 from the web space', good === '11.1.0', good),
    check('it is on 11.1.0 again after the broken 11.2.0', alive.version === '11.1.0', alive.version),
    check(
      'with its data',
      kept.schema === 2 && kept.bookings.size === 2,
      `schema ${kept.schema}, ${kept.bookings.size} bookings`,
    ),
    check('and a backup of each update', backups.length === 2, backups.join(', ')),
  ];
}

/** Any web server would do. */
async function serveFolder(stage: Stage, folder: string): Promise<string> {
  const server = createServer((request, response) => {
    const file = join(folder, normalize(decodeURIComponent(request.url ?? '')));
    if (!existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end();
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stage.onClear(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
