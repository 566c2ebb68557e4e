import { attachSession, openDefaultChannel, type AttachedSession, type ShownNotice } from '@lastcall/sdk';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/*
 * The server of a web application attaches each of its users, all of them over one connection. Browsers ask it what to show.
 *
 *   LASTCALL_ADDR=127.0.0.1:7421 LASTCALL_TOKEN_FILE=client.token LASTCALL_INSTALLATION=berlin node web-server.js
 *
 *   POST /login?user=ada   GET /state?user=ada   POST /read?user=ada   POST /ready?user=ada   POST /logout?user=ada
 */

interface User {
  readonly session: AttachedSession;
  /** What the browser shows. */
  page: 'working' | 'locked';
  text: string;
  notice: ShownNotice | undefined;
}

const users = new Map<string, User>();
// One connection for everybody. The web server keeps the program running, the sessions need not.
const channel = openDefaultChannel(process.env, { keepAlive: false });

function login(name: string): User {
  const known = users.get(name);
  if (known) return known;
  const lock = (text: string): void => void Object.assign(user, { page: 'locked', text, notice: undefined });
  const session = attachSession({
    channel,
    user: name,
    version: '1.0.0',
    clientKind: 'web',
    onAttached: () => void Object.assign(user, { page: 'working', text: '' }),
    onNotice: (notice) => (user.notice = notice),
    onNoticeWithdrawn: () => (user.notice = undefined),
    onRefused: (text) => lock(text),
    onLogoff: (_, text) => lock(text),
    onReopened: (whatsNew) => (user.text = whatsNew),
  });
  const user: User = { session, page: 'locked', text: 'Logging in …', notice: undefined };
  users.set(name, user);
  void session.finished.then(() => users.delete(name));
  return user;
}

/** What the browser asks for every second. The countdown is the same in all of them. */
function stateOf({ page, text, notice, session }: User): object {
  return { page, text, notice: notice?.text, secondsLeft: notice?.secondsLeft(), mayStay: session.exempt };
}

async function answer(request: IncomingMessage): Promise<{ status: number; body: object }> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const name = url.searchParams.get('user') ?? '';
  const user = url.pathname === '/login' && name !== '' ? login(name) : users.get(name);
  if (!user) return { status: 404, body: { problem: 'nobody is logged in with this name' } };
  if (url.pathname === '/read') user.notice?.acknowledge();
  if (url.pathname === '/ready') user.session.ready();
  if (url.pathname === '/logout') await user.session.goodbye();
  return { status: 200, body: stateOf(user) };
}

const server = createServer((request, response) => {
  void answer(request).then(({ status, body }) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
});
server.listen(Number(process.env['PORT'] ?? 8080), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
// Whoever is still logged in is told goodbye for, then the server ends.
process.once('SIGTERM', () => {
  void Promise.all([...users.values()].map(({ session }) => session.goodbye())).then(() => server.close());
});
