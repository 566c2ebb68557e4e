import { catalogV1, formatName } from '@lastcall/contracts';
import type { Command } from 'commander';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { durationOption, repeatable, wholeOption } from '../option-values.js';
import { waveText } from '../render/wave.js';
import { table } from '../render/text.js';
import { ownZone, timeIn } from '../render/time.js';
import { lastPart, waveStateWord } from '../render/words.js';
import type { Work } from '../work.js';

interface CreateOptions {
  readonly channel: string;
  readonly stage: string[];
  readonly stopAt?: string;
  readonly soak?: string;
  readonly needed?: string;
}

interface Reason {
  readonly reason: string;
}

export function addWave(cli: Cli): void {
  const noun = cli.noun('wave', 'Releases on their way through many installations');
  cli.define<CreateOptions>(
    noun,
    {
      use: 'create <wave> <product> <version>',
      does: 'Puts a published release into a channel, stage by stage',
      example:
        'lastcall wave create spring encore 11.1.0 --channel stable --stage canary --stage 25% --stage 100% --soak 24h',
      options: (command) =>
        command
          .requiredOption('--channel <channel>', 'line of releases whose installations get it')
          .addOption(
            repeatable(
              '--stage <members>',
              'a group, or a percentage of all; several times, the last one 100%',
            ).makeOptionMandatory(),
          )
          .option('--stop-at <number>', 'failed installations that stop it, such as 2 or 10%', '1')
          .option('--soak <span>', 'time from a stage that has it to the next', '24h')
          .option('--needed <percent>', 'percent of a stage that must have it before it soaks (default: 100)'),
    },
    create,
  );
  cli.define<{ product?: string }>(
    noun,
    {
      use: 'list',
      does: 'Lists waves, newest first',
      example: 'lastcall wave list --product encore',
      options: (command) => command.option('--product <product>', 'only those of this product'),
    },
    list,
  );
  cli.define(
    noun,
    { use: 'show <wave>', does: 'Says who is where in a wave, and why', example: 'lastcall wave show spring' },
    show,
  );
  defineDecisions(cli, noun);
}

/** What a person decides about a wave, each with a reason. */
const DECISIONS = [
  [
    'stop',
    'stopWave',
    'Stops a wave: nobody is offered the release until it is resumed',
    'lastcall wave stop spring --reason "a customer reports lost bookings"',
  ],
  [
    'resume',
    'resumeWave',
    'Lets a stopped wave go on; what has failed until now counts no more',
    'lastcall wave resume spring --reason "the disk in Bremen was full"',
  ],
  [
    'abort',
    'abortWave',
    'Ends a wave for good: nobody of the channel is offered this release any more',
    'lastcall wave abort spring --reason "11.1.1 comes instead"',
  ],
] as const;

function defineDecisions(cli: Cli, noun: Command): void {
  const because = (command: Command): void => {
    command.requiredOption('--reason <text>', 'why, for people');
  };
  for (const [verb, decide, does, example] of DECISIONS) {
    cli.define<Reason>(
      noun,
      { use: `${verb} <wave>`, does, example, options: because },
      async (work, { reason }, wave) =>
        printed(work, await work.services.waves[decide]({ name: nameOf(wave), reason })),
    );
  }
  cli.define<Reason>(
    noun,
    {
      use: 'admit <wave> <installation>',
      does: 'Lets one installation take the release before its turn',
      example: 'lastcall wave admit spring berlin --reason "needs the fix today"',
      options: because,
    },
    async (work, { reason }, wave, installation) => {
      const request = { name: nameOf(wave), installation: lastPart(installation), reason };
      await printed(work, await work.services.waves.admitInstallation(request));
    },
  );
}

const nameOf = (wave: string): string => formatName('wave', { wave: lastPart(wave) });

async function create(work: Work, options: CreateOptions, id: string, product: string, version: string): Promise<void> {
  const wave = catalogV1.Wave.fromPartial({
    ...{ product, version, channel: options.channel },
    stages: options.stage.map((text) => ({ members: membersOf(text) })),
    ...threshold(options.stopAt ?? '1'),
    soakTime: durationOption('--soak', options.soak),
    neededPercent: wholeOption('--needed', options.needed, 1, 100) ?? 0,
  });
  await printed(work, await work.services.waves.createWave({ waveId: id, wave }));
}

/** `canary`, or `25%`. */
function membersOf(text: string): NonNullable<catalogV1.WaveStage['members']> {
  const percent = /^(\d{1,3}) ?%$/.exec(text.trim())?.[1];
  return percent === undefined ? { $case: 'group', value: text } : { $case: 'percent', value: Number(percent) };
}

function threshold(text: string): Pick<catalogV1.Wave, 'stopAtCount'> | Pick<catalogV1.Wave, 'stopAtPercent'> {
  const [, number, percent] = /^(\d{1,5}) ?(%?)$/.exec(text.trim()) ?? [];
  if (number === undefined || Number(number) === 0) {
    throw new UsageError(`--stop-at is ${JSON.stringify(text)}; write a number from 1, or a percentage such as 10%`);
  }
  return percent === '' ? { stopAtCount: Number(number) } : { stopAtPercent: Number(number) };
}

async function list(work: Work, { product = '' }: { product?: string }): Promise<void> {
  const waves = await allPages(async (pageToken) => {
    const page = await work.services.waves.listWaves({ product, pageSize: 1_000, pageToken });
    return { items: page.waves, next: page.nextPageToken };
  });
  const zone = ownZone();
  const row = (w: catalogV1.Wave) => [
    ...[lastPart(w.name), w.product, w.version, w.channel, waveStateWord(w.state)],
    ...[`${w.stage} of ${w.stages.length}`, timeIn(w.createTime, zone), w.reason],
  ];
  work.print(catalogV1.ListWavesResponse.toJSON({ waves, nextPageToken: '' }), () =>
    table(
      ['wave', 'product', 'version', 'channel', 'state', 'stage', `created (${zone})`, 'why'],
      waves.map(row),
      'no waves',
    ),
  );
}

async function show(work: Work, _: object, id: string): Promise<void> {
  const { wave } = await work.services.waves.getWave({ name: nameOf(id) });
  await printed(work, { wave });
}

/** The wave, and who is where in it. */
async function printed(work: Work, { wave }: { readonly wave?: catalogV1.Wave | undefined }): Promise<void> {
  if (!wave) return;
  const installations = await allPages(async (pageToken) => {
    const request = { parent: wave.name, pageSize: 1_000, pageToken };
    const page = await work.services.waves.listWaveInstallations(request);
    return { items: page.installations, next: page.nextPageToken };
  });
  const json = {
    ...(catalogV1.Wave.toJSON(wave) as object),
    installations: installations.map((i) => catalogV1.WaveInstallation.toJSON(i)),
  };
  work.print(json, () => waveText(wave, installations));
}
