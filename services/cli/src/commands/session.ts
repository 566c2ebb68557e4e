import { sessionV1 } from '@lastcall/contracts';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { count, table } from '../render/text.js';
import { timeIn } from '../render/time.js';
import { lastPart } from '../render/words.js';
import type { Work } from '../work.js';

export function addSession(cli: Cli): void {
  const noun = cli.noun('session', 'Users who are logged in');
  cli.define<{ user?: string; host?: string }>(
    noun,
    {
      use: 'list',
      does: 'Lists who is logged in, oldest first',
      example: 'lastcall session list --host ts-1',
      installation: true,
      options: (command) =>
        command.option('--user <user>', 'only this user').option('--host <host>', 'only on this host'),
    },
    list,
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

async function list(work: Work, { user = '', host = '' }: { user?: string; host?: string }): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const sessions = await allPages(async (pageToken) => {
    const page = await work.services.session.listSessions({ parent, pageSize: 1_000, pageToken, user, host });
    return { items: page.sessions, next: page.nextPageToken };
  });
  work.print(sessionV1.ListSessionsResponse.toJSON({ sessions, nextPageToken: '' }), () =>
    table(
      ['user', 'name', 'host', 'version', 'kind', `since (${timeZone})`, 'notice read', 'session'],
      sessions.map((s) => [
        s.user,
        s.displayName,
        s.host,
        s.version,
        s.clientKind,
        timeIn(s.createTime, timeZone),
        s.acknowledged ? 'yes' : 'no',
        lastPart(s.name),
      ]),
      'nobody is logged in',
    ),
  );
}

async function send(work: Work, _: object, text: string): Promise<void> {
  const { name: parent } = await work.installation();
  const answer = await work.services.session.sendNotice({ parent, text });
  work.print(sessionV1.SendNoticeResponse.toJSON(answer), () => `sent to ${count(answer.sessionCount, 'user')}\n`);
}
