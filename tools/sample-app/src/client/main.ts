import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createApi, type Api } from './api.js';
import { attach } from './lastcall.js';
import { VERSION } from '../release.js';
import { EXIT_START_AGAIN, Screen } from './screen.js';

/*
 * Encore's terminal client: logs in, books, keeps a draft, and saves it when it is logged off.
 *
 *   node client.js --user NAME        then: book EVENT SEAT CUSTOMER, list, draft TEXT, ok, hold MINUTES WHY, ready, quit
 *   node client.js --first-start      started once on a terminal server after an update
 */

const { values } = parseArgs({ options: { user: { type: 'string' }, 'first-start': { type: 'boolean' } } });
const user = values['first-start'] ? 'first-start' : (values.user ?? 'guest');
const screen = new Screen(user);
const api: Api = createApi(process.env['ENCORE_URL'] ?? 'http://127.0.0.1:8080', user);
let draft = '';

async function saveOpenWork(): Promise<void> {
  if (draft === '') return;
  await api.saveDraft(draft);
  screen.say('open work saved');
}

async function leave(): Promise<void> {
  await saveOpenWork();
  process.exit(EXIT_START_AGAIN);
}

const session = attach({ user, firstStart: values['first-start'] ?? false, leave }, screen);

async function obey(line: string): Promise<void> {
  const [word = '', ...rest] = line.trim().split(/\s+/);
  switch (word) {
    case 'book':
      return screen.say(await api.book(rest[0] ?? '', rest[1] ?? '', rest.slice(2).join(' ') || user));
    case 'list':
      return screen.say(await api.list());
    case 'draft':
      draft = rest.join(' ');
      return;
    case 'ok':
      return session.acknowledge();
    case 'hold':
      return screen.hold(await session.hold(rest.slice(1).join(' '), Number(rest[0])));
    case 'ready':
      await saveOpenWork();
      return session.ready();
    case 'quit':
      await saveOpenWork();
      await session.goodbye();
      process.exit(0);
  }
}

/** What a client sets up once on a host, for all its users. */
function setUpHost(): void {
  const folder = process.env['LASTCALL_DATA_DIR'];
  if (folder !== undefined) writeFileSync(join(folder, 'first-start.txt'), `${VERSION}\n`);
}

void session.finished.then((reason) => {
  if (reason === 'first-start-done') setUpHost();
  process.exit(reason === 'first-start-done' || reason === 'goodbye' ? 0 : 1);
});
if (!values['first-start']) {
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      obey(line).catch((error: unknown) =>
        screen.say(`failed: ${error instanceof Error ? error.message : String(error)}`),
      );
    })
    .on('close', () => void obey('quit'));
}
