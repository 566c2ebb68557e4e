import { identityV1 } from '@lastcall/contracts';
import { writeFile } from 'node:fs/promises';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { choice, wholeOption } from '../option-values.js';
import { table } from '../render/text.js';
import { ownZone, time, timeIn } from '../render/time.js';
import { lastPart, tokenRoleWord } from '../render/words.js';
import type { Work } from '../work.js';

const ROLES = ['admin', 'operator', 'approver', 'viewer', 'client'] as const;

interface CreateOptions {
  readonly role: (typeof ROLES)[number];
  readonly installation?: string;
  readonly days?: string;
  readonly out?: string;
}

export function addToken(cli: Cli): void {
  const noun = cli.noun('token', 'Credentials of people and applications');
  cli.define<CreateOptions>(
    noun,
    {
      use: 'create <subject>',
      does: 'Issues a credential; it can be seen this once',
      example: 'lastcall token create encore --role client -i berlin --out /etc/encore/lastcall.token',
      options: (command) =>
        command
          .addOption(choice('--role <role>', 'what it may do', ROLES).makeOptionMandatory())
          .option('-i, --installation <id>', 'bind it to one installation (a client must be)')
          .option('--days <n>', 'days until it ends (default: 90): up to 366, for a viewer or client up to 3650')
          .option('--out <file>', 'write it to this file, readable by you only, instead of showing it'),
    },
    create,
  );
  cli.define(noun, { use: 'list', does: 'Lists credentials, newest first', example: 'lastcall token list' }, list);
  cli.define(
    noun,
    { use: 'revoke <token>', does: 'Ends a credential now, everywhere', example: 'lastcall token revoke tok-abc' },
    revoke,
  );
}

async function create(work: Work, options: CreateOptions, subject: string): Promise<void> {
  const installation =
    options.installation ?? (options.role === 'client' ? work.io.env['LASTCALL_INSTALLATION'] : '') ?? '';
  if (options.role === 'client' && installation === '') {
    throw new UsageError('a credential for a client belongs to one installation; name it with -i');
  }
  const role = identityV1.roleFromJSON(`ROLE_${options.role.toUpperCase()}`);
  const validDays = wholeOption('--days', options.days, 1, 3_650) ?? 0;
  const answer = await work.services.tokens.createToken({
    subject,
    role,
    installation: lastPart(installation),
    validDays,
  });
  const { credential, token } = answer;
  if (options.out === undefined) {
    work.print(identityV1.CreateTokenResponse.toJSON(answer), () => `${credential}\n`);
  } else {
    await writeFile(options.out, `${credential}\n`, { mode: 0o600 });
    work.print(token && identityV1.Token.toJSON(token), () => `written to ${options.out}\n`);
  }
  if (!work.json && token) {
    work.io.err.write(
      `${lastPart(token.name)}, ${tokenRoleWord(token.role)}, until ${time(token.expireTime, ownZone())}.\n`,
    );
  }
}

async function list(work: Work): Promise<void> {
  const tokens = await allPages(async (pageToken) => {
    const page = await work.services.tokens.listTokens({ pageSize: 1_000, pageToken });
    return { items: page.tokens, next: page.nextPageToken };
  });
  const zone = ownZone();
  work.print(identityV1.ListTokensResponse.toJSON({ tokens, nextPageToken: '' }), () =>
    table(
      ['token', 'subject', 'role', 'installation', `created (${zone})`, 'ends', 'revoked'],
      tokens.map((t) => [
        lastPart(t.name),
        t.subject,
        tokenRoleWord(t.role),
        t.installation || 'all',
        timeIn(t.createTime, zone),
        timeIn(t.expireTime, zone),
        timeIn(t.revokeTime, zone),
      ]),
      'no credentials',
    ),
  );
}

async function revoke(work: Work, _: object, id: string): Promise<void> {
  const { token } = await work.services.tokens.revokeToken({ name: `tokens/${lastPart(id)}` });
  if (token) work.print(identityV1.Token.toJSON(token), () => `revoked ${lastPart(token.name)} of ${token.subject}\n`);
}
