import { check, currentVersion, readData, type Check } from './evidence.js';
import { addHost, hostDir } from './site.js';
import type { Play } from './play.js';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/*
 * A single seat: back up, download with progress, confirm, restart.
 */

const SEAT = 'home-office';

export async function singleSeat({ stage, site, releases }: Play): Promise<Check[]> {
  stage.act('One seat');
  await stage.type('lastcall', ['release', 'publish', releases['11.0.0']]);
  const settings = [
    '--product',
    'encore',
    '--kind',
    'single-user',
    '--zone',
    'Europe/Berlin',
    '--title',
    'Home office',
  ];
  await stage.type('lastcall', ['installation', 'add', SEAT, ...settings]);
  await addHost(stage, site, { id: 'srv1', role: 'server', users: 0 }, SEAT, true);
  const api = `http://127.0.0.1:${site.encorePort}`;
  const booking = { event: 'premiere', seat: '1-1', customer: 'ada', user: 'ada' };
  await fetch(`${api}/bookings`, { method: 'POST', body: JSON.stringify(booking) });

  stage.act('Update now');
  await stage.type('lastcall', ['release', 'publish', releases['11.1.0']]);
  await stage.type('lastcall', ['update', 'check']);
  await stage.type('lastcall', ['update', 'now', '--yes']);
  const { version } = currentVersion(stage, 'srv1');
  const data = readData(stage);
  const backups = readdirSync(join(hostDir(stage, 'srv1'), 'backups'));
  const alive = (await (await fetch(`${api}/alive`)).json()) as { version: string };
  return [
    check('the seat has 11.1.0', version === '11.1.0', version),
    check('the application was restarted into it', alive.version === '11.1.0', alive.version),
    check('a backup was made before', backups.length === 1, backups.join(', ')),
    check('the booking is there', data.schema === 2 && data.bookings.has('premiere 1-1'), `schema ${data.schema}`),
  ];
}
