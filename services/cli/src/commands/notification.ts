import { schedulerV1 } from '@lastcall/contracts';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { OperationFailed, UsageError } from '../failures.js';
import { repeatable } from '../option-values.js';
import { count, fields, oneLine, table } from '../render/text.js';
import { time, timeIn } from '../render/time.js';
import { deliveryStateWord, lastPart, notificationKindWord } from '../render/words.js';
import type { Work } from '../work.js';

const { NotificationKind } = schedulerV1;
type Target = schedulerV1.NotificationTarget;
type Delivery = schedulerV1.NotificationDelivery;

/** What a target can be told about, in words. */
const KINDS = new Map(
  Object.values(NotificationKind)
    .filter((kind) => typeof kind === 'number')
    .filter(
      (kind) => ![NotificationKind.UNSPECIFIED, NotificationKind.TEST, NotificationKind.UNRECOGNIZED].includes(kind),
    )
    .map((kind) => [notificationKindWord(kind), kind]),
);

export function addNotification(cli: Cli): void {
  const noun = cli.noun('notification', 'Who is told outside, by webhook or mail, what comes of jobs');
  cli.define<AddOptions>(
    noun,
    {
      use: 'add <target>',
      does: 'Adds a target; the secret that a webhook is signed with is shown this once',
      example: 'lastcall notification add pager --webhook https://pager.example.org/lastcall --on run-failed',
      installation: true,
      options: (command) =>
        command
          .option('--webhook <url>', 'http:// or https:// address that gets a signed POST')
          .option('--secret-file <file>', 'its secret (whsec_…); without it one is made')
          .addOption(repeatable('--mail <address>', 'address that gets mail; up to 20'))
          .addOption(repeatable('--on <kind>', `only these: ${[...KINDS.keys()].join(', ')}`))
          .option('--title <text>', 'what it is, for people', ''),
    },
    add,
  );
  cli.define(
    noun,
    { use: 'list', does: 'Lists targets', example: 'lastcall notification list', installation: true },
    list,
  );
  cli.define(
    noun,
    {
      use: 'show <target>',
      does: 'Shows a target and what it was told lately',
      example: 'lastcall notification show pager',
      installation: true,
    },
    show,
  );
  cli.define(
    noun,
    {
      use: 'delete <target>',
      does: 'Deletes a target with what is on its way to it',
      example: 'lastcall notification delete pager',
      installation: true,
    },
    async (work, _, id: string) => {
      await work.services.scheduler.deleteNotificationTarget({ name: await nameOf(work, id) });
      work.print({}, () => `deleted ${lastPart(id)}\n`);
    },
  );
  cli.define(
    noun,
    {
      use: 'test <target>',
      does: 'Sends a test and waits for what becomes of the first attempt',
      example: 'lastcall notification test pager',
      installation: true,
    },
    test,
  );
}

interface AddOptions {
  readonly webhook?: string;
  readonly secretFile?: string;
  readonly mail?: string[];
  readonly on?: string[];
  readonly title: string;
}

async function nameOf(work: Work, target: string): Promise<string> {
  return `${(await work.installation()).name}/notification-targets/${lastPart(target)}`;
}

async function add(work: Work, options: AddOptions, targetId: string): Promise<void> {
  const channel = channelOf(options);
  const kinds = (options.on ?? []).map(kindOf);
  const { name: parent, timeZone } = await work.installation();
  const target = schedulerV1.NotificationTarget.fromPartial({ title: options.title, channel, kinds });
  const answer = await work.services.scheduler.createNotificationTarget({ parent, targetId, target });
  work.print(schedulerV1.CreateNotificationTargetResponse.toJSON(answer), () =>
    [
      answer.target ? targetText(answer.target, timeZone) : '',
      answer.secret &&
        `\nSecret, shown this once: ${answer.secret}\nThe receiver checks signatures with it (Standard Webhooks).\n`,
      `Try it: lastcall notification test ${targetId}\n`,
    ].join(''),
  );
}

function channelOf({ webhook, secretFile, mail }: AddOptions): Target['channel'] {
  if ((webhook === undefined) === (mail === undefined)) {
    throw new UsageError('name one way: --webhook <url>, or --mail <address> once or more');
  }
  if (mail) {
    if (secretFile !== undefined) throw new UsageError('--secret-file is for --webhook; mail is not signed');
    return { $case: 'mail', value: { to: mail } };
  }
  return {
    $case: 'webhook',
    value: { url: webhook ?? '', secret: secretFile === undefined ? '' : readSecret(secretFile) },
  };
}

/** From a file: arguments can be read by everybody on the machine. */
function readSecret(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new UsageError(`--secret-file ${file} cannot be read: ${(cause as Error).message}`);
  }
}

function kindOf(word: string): schedulerV1.NotificationKind {
  const kind = KINDS.get(word);
  if (kind !== undefined) return kind;
  throw new UsageError(`--on is ${JSON.stringify(word)}; allowed are ${[...KINDS.keys()].join(', ')}`);
}

async function list(work: Work): Promise<void> {
  const { name: parent } = await work.installation();
  const targets = await allPages(async (pageToken) => {
    const page = await work.services.scheduler.listNotificationTargets({ parent, pageSize: 1_000, pageToken });
    return { items: page.targets, next: page.nextPageToken };
  });
  work.print(schedulerV1.ListNotificationTargetsResponse.toJSON({ targets, nextPageToken: '' }), () =>
    table(
      ['target', 'to', 'told about', 'title'],
      targets.map((t) => [lastPart(t.name), toText(t), kindsText(t), t.title]),
      'no notification targets',
    ),
  );
}

const SHOWN = 20;

async function show(work: Work, _: object, id: string): Promise<void> {
  const name = await nameOf(work, id);
  const { timeZone } = await work.installation();
  const { target } = await work.services.scheduler.getNotificationTarget({ name });
  const recent = { parent: name, pageSize: SHOWN, pageToken: '' };
  const { deliveries } = await work.services.scheduler.listNotificationDeliveries(recent);
  if (!target) return;
  const json = {
    target: schedulerV1.NotificationTarget.toJSON(target),
    deliveries: deliveries.map((d) => schedulerV1.NotificationDelivery.toJSON(d)),
  };
  work.print(json, () => `${targetText(target, timeZone)}\n${deliveriesText(deliveries, timeZone)}`);
}

const LOOK_EVERY_MS = 200;
const PATIENCE_MS = 30_000;

async function test(work: Work, _: object, id: string): Promise<void> {
  const name = await nameOf(work, id);
  const { timeZone } = await work.installation();
  const { delivery } = await work.services.scheduler.testNotificationTarget({ name });
  const after = await firstAttempt(work, name, delivery?.id ?? '');
  if (after && deliveryStateWord(after.state) === 'delivered') {
    work.print(schedulerV1.NotificationDelivery.toJSON(after), () => `${lastPart(id)} has it\n`);
    return;
  }
  const again = after?.nextAttemptTime ? `; it is tried again at ${time(after.nextAttemptTime, timeZone)}` : '';
  throw new OperationFailed(
    `${lastPart(id)} was not told: ${after?.lastError || 'nothing was heard of it yet'}${again}`,
  );
}

/** What became of it; as it is when nobody says so in time. */
async function firstAttempt(work: Work, parent: string, id: string): Promise<Delivery | undefined> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const recent = { parent, pageSize: SHOWN, pageToken: '' };
    const { deliveries } = await work.services.scheduler.listNotificationDeliveries(recent);
    const found = deliveries.find((d) => d.id === id);
    const ended = found && (deliveryStateWord(found.state) !== 'waiting' || found.lastError !== '');
    if (ended || Date.now() > until) return found;
    await delay(LOOK_EVERY_MS);
  }
}

function toText({ channel }: Target): string {
  if (channel?.$case === 'webhook') return channel.value.url;
  return channel?.$case === 'mail' ? channel.value.to.join(', ') : '';
}

function kindsText({ kinds }: Target): string {
  return kinds.length === 0 ? 'everything' : kinds.map(notificationKindWord).join(', ');
}

function targetText(target: Target, zone: string): string {
  return fields([
    ['Target', lastPart(target.name)],
    ['Title', target.title],
    [target.channel?.$case === 'mail' ? 'Mail' : 'Webhook', toText(target)],
    ['Told about', kindsText(target)],
    ['Created', time(target.createTime, zone)],
  ]);
}

function deliveriesText(deliveries: readonly Delivery[], zone: string): string {
  return table(
    [`told (${zone})`, 'what', 'state', 'attempts', 'next attempt', 'last error', 'id'],
    deliveries.map((d) => [
      timeIn(d.createTime, zone),
      oneLine(d.title),
      deliveryStateWord(d.state),
      count(d.attempts, 'attempt'),
      timeIn(d.nextAttemptTime, zone),
      d.lastError,
      d.id,
    ]),
    'it was told nothing yet',
  );
}
