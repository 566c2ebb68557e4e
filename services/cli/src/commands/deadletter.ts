import { operationsV1 } from '@lastcall/contracts';
import { createClient } from '@lastcall/sdk';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { table } from '../render/text.js';
import { ownZone, timeIn } from '../render/time.js';
import { lastPart } from '../render/words.js';
import type { Work } from '../work.js';

export function addDeadletter(cli: Cli): void {
  const noun = cli.noun('deadletter', 'Events that a service could not take in');
  cli.define<ListOptions>(
    noun,
    {
      use: 'list',
      does: 'Lists them, newest first',
      example: 'lastcall deadletter list --service session',
      options: (command) => command.option('--service <name>', 'only those of this service; the others are not asked'),
    },
    list,
  );
  cli.define(
    noun,
    {
      use: 'redrive <id>',
      does: 'Hands one to its service once more; when it is taken in, it is no dead letter any more',
      example: 'lastcall deadletter redrive dl-4f2a',
    },
    redrive,
  );
}

const operations = ({ services }: Work) => createClient(operationsV1.OperationsServiceService, services.channel);

interface ListOptions {
  readonly service?: string;
}

async function list(work: Work, { service = '' }: ListOptions): Promise<void> {
  const deadLetters = await allPages(async (pageToken) => {
    const page = await operations(work).listDeadLetters({ pageSize: 1_000, pageToken, service, ownProcess: false });
    return { items: page.deadLetters, next: page.nextPageToken };
  });
  const zone = ownZone();
  work.print(operationsV1.ListDeadLettersResponse.toJSON({ deadLetters, nextPageToken: '' }), () =>
    table(
      ['id', 'service', 'event', 'installation', `since (${zone})`, 'reason'],
      deadLetters.map((letter) => [
        lastPart(letter.name),
        letter.consumer,
        letter.event,
        letter.installation,
        timeIn(letter.createTime, zone),
        letter.reason,
      ]),
      'no dead letters',
    ),
  );
}

async function redrive(work: Work, _: object, id: string): Promise<void> {
  const answer = await operations(work).redriveDeadLetter({ name: `deadletters/${lastPart(id)}`, ownProcess: false });
  work.print(answer, () => `${lastPart(id)} was taken in\n`);
}
