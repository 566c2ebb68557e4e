import { sessionV1 } from '@lastcall/contracts';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { wholeOption } from '../option-values.js';
import { historyText } from '../render/history.js';
import { count, oneLine, table } from '../render/text.js';
import { timeIn } from '../render/time.js';
import { lastPart } from '../render/words.js';
import { watchList } from '../watch/watch-list.js';
import type { Work } from '../work.js';

interface ListOptions {
  readonly user?: string;
  readonly host?: string;
  readonly lost?: boolean;
  readonly unread?: boolean;
  readonly limit?: string;
  readonly watch?: boolean;
}

export function addSession(cli: Cli): void {
  const noun = cli.noun('session', 'Users who are logged in');
  cli.define<ListOptions>(
    noun,
    {
      use: 'list',
      does: 'Lists who is logged in, oldest first',
      example: 'lastcall session list --host ts-1 --unread',
      installation: true,
      options: (command) =>
        command
          .option('--user <user>', 'only this user')
          .option('--host <host>', 'only on this host')
          .option('--lost', 'only those whose connection is lost at the moment')
          .option('--unread', 'only those who have not confirmed that they read the notice')
          .option('--limit <n>', 'only the first n, 1 to 100000')
          .option('--watch', 'show the list as it changes, until Ctrl-C'),
    },
    list,
  );
  cli.define(
    noun,
    {
      use: 'history',
      does: 'Shows how many users are usually logged in, by weekday and hour: the median of eight weeks, and the most',
      example: 'lastcall session history',
      installation: true,
    },
    history,
  );
  const notice = cli.noun('notice', 'Messages to users');
  cli.define(
    notice,
    {
      use: 'send <text>',
      does: 'Shows a message to everybody who is logged in; nothing else happens',
      example: 'lastcall notice send "The printer on floor 2 works again."',
      installation: true,
    },
    send,
  );
}

async function list(work: Work, options: ListOptions): Promise<void> {
  const { timeZone } = await work.installation();
  const limit = wholeOption('--limit', options.limit, 1, 100_000);
  const read = () => sessions(work, options, limit);
  if (options.watch) {
    return watchList(work, {
      read,
      keyOf: (s) => s.name,
      toJson,
      text: (found) => text(found, timeZone),
      line: (s, what) => changeLine(s, what, timeZone),
    });
  }
  const found = await read();
  work.print(toJson(found), () => text(found, timeZone));
}

function toJson(sessions: readonly sessionV1.Session[]): unknown {
  return sessionV1.ListSessionsResponse.toJSON({ sessions: [...sessions], nextPageToken: '' });
}

const PAGE = 1_000;

/** Page by page, and no page more than are wanted. */
async function sessions(
  work: Work,
  { user = '', host = '', lost = false, unread = false }: ListOptions,
  limit = Infinity,
): Promise<readonly sessionV1.Session[]> {
  const { name: parent } = await work.installation();
  let missing = limit;
  const found = await allPages(async (pageToken) => {
    const page = await work.services.session.listSessions({ parent, pageSize: PAGE, pageToken, user, host });
    const items = page.sessions.filter((s) => (!lost || s.lost) && (!unread || !s.read));
    missing -= items.length;
    return { items, next: missing <= 0 ? '' : page.nextPageToken };
  });
  return found.slice(0, limit);
}

function text(found: readonly sessionV1.Session[], zone: string): string {
  return table(
    ['user', 'name', 'host', 'version', 'kind', `since (${zone})`, 'last seen', 'notice', 'connection', 'session'],
    found.map((s) => [
      s.user,
      s.displayName,
      s.host,
      s.version,
      s.clientKind,
      timeIn(s.createTime, zone),
      timeIn(s.lastSeenTime, zone),
      noticeWord(s),
      s.lost ? 'lost' : 'up',
      lastPart(s.name),
    ]),
    'nobody is logged in',
  );
}

/** How far the standing notice has come; empty when there is none, or when it has not been received. */
function noticeWord({ acknowledged, read }: sessionV1.Session): string {
  return read ? 'read' : acknowledged ? 'received' : '';
}

/** A sign of life is no news. */
function changeLine(s: sessionV1.Session, what: 'new' | 'changed' | 'gone', zone: string): string {
  const who = oneLine(`${s.user}${s.host === '' ? '' : ` on ${s.host}`} (${lastPart(s.name)})`);
  if (what === 'gone') return `${who} left`;
  if (what === 'new') return `${who} since ${timeIn(s.createTime, zone)}, version ${oneLine(s.version)}`;
  return `${who} ${[s.lost ? 'lost' : 'up', noticeWord(s) && `notice ${noticeWord(s)}`].filter(Boolean).join(', ')}`;
}

async function history(work: Work): Promise<void> {
  const { name: parent } = await work.installation();
  const answer = await work.services.session.getSessionHistory({ parent, quarterHours: [] });
  work.print(sessionV1.GetSessionHistoryResponse.toJSON(answer), () => historyText(answer));
}

async function send(work: Work, _: object, message: string): Promise<void> {
  const { name: parent } = await work.installation();
  const answer = await work.services.session.sendNotice({ parent, text: message });
  work.print(sessionV1.SendNoticeResponse.toJSON(answer), () => `sent to ${count(answer.sessionCount, 'user')}\n`);
}
