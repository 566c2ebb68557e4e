import { catalogV1, commonV1, durationToMs, installationKind } from '@lastcall/contracts';
import type { Command } from 'commander';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { choice, durationOption, hoursOption, repeatable } from '../option-values.js';
import { changedPolicy, policyOptions, type PolicyOptions } from '../policy-options.js';
import { policyLines } from '../render/policy.js';
import { fields, table } from '../render/text.js';
import { ownZone, span, time } from '../render/time.js';
import { kindWord, lastPart, roleWord } from '../render/words.js';
import type { Work } from '../work.js';

interface InstallationOptions extends PolicyOptions {
  readonly title?: string;
  readonly product: string;
  readonly kind: 'single-user' | 'multi-user';
  readonly channel?: string;
  readonly zone?: string;
  readonly hours?: string[];
  readonly holiday?: string[];
  readonly holidaysOf?: string;
  readonly worksOn?: string[];
  readonly reactionTime?: string;
  readonly group?: string;
  readonly approval?: 'required' | 'none';
  readonly secondPerson?: string;
  readonly secondPersonWithin?: string;
}

function settings(command: Command): Command {
  command
    .option('--title <text>', 'title')
    .option('--channel <channel>', 'line of releases that it follows')
    .option('--zone <zone>', 'IANA time zone, such as Europe/Berlin')
    .addOption(repeatable('--hours <span>', 'business hours, such as "mon-fri 08:00-18:00"; several times'))
    .addOption(repeatable('--holiday <date>', 'YYYY-MM-DD, a day without business hours; several times, "" for none'))
    .option('--holidays-of <region>', 'public holidays of a country, or a state of it, such as DE-BE; "" for none')
    .addOption(
      repeatable('--works-on <date>', 'YYYY-MM-DD, such a holiday with business hours; several times, "" for none'),
    )
    .option('--reaction-time <span>', 'from the notice to the logoff, such as 5m')
    .option('--group <group>', 'group for waves, such as canary; "" for none')
    .addOption(choice('--approval <when>', 'whether a second person has to approve jobs', ['required', 'none']))
    .option('--second-person <actions>', 'what by hand needs a second person: gate,logoff,override; "" for nothing')
    .option('--second-person-within <span>', 'how long a request for one waits, 1m to 24h (default: 1h)');
  return policyOptions(command);
}

export function addInstallation(cli: Cli): void {
  const noun = cli.noun('installation', 'Places where a product runs');
  cli.define<InstallationOptions>(
    noun,
    {
      use: 'add <installation>',
      does: 'Adds an installation',
      example: 'lastcall installation add berlin --product encore --zone Europe/Berlin --hours "mon-fri 08:00-18:00"',
      options: (command) =>
        settings(command.requiredOption('--product <product>', 'product that runs there')).addOption(
          choice('--kind <kind>', 'one seat or many', ['multi-user', 'single-user']).default('multi-user'),
        ),
    },
    add,
  );
  cli.define(noun, { use: 'list', does: 'Lists installations', example: 'lastcall installation list' }, list);
  cli.define(
    noun,
    {
      use: 'show [installation]',
      does: 'Shows one installation',
      example: 'lastcall installation show berlin',
      installation: true,
    },
    show,
  );
  cli.define<InstallationOptions>(
    noun,
    {
      use: 'set <installation>',
      does: 'Changes settings of an installation; what is not named stays',
      example: 'lastcall installation set berlin --reaction-time 10m --announce-before 24h,1h --hold-longest 30m',
      options: settings,
    },
    set,
  );
}

function given(options: InstallationOptions, current?: catalogV1.Installation): Partial<catalogV1.Installation> {
  const sessionPolicy = changedPolicy(options, current?.sessionPolicy);
  const { title, channel, zone, hours, holiday, holidaysOf, worksOn, reactionTime, group, approval } = options;
  const secondPerson = givenSecondPerson(options, current?.secondPerson);
  return {
    ...(title !== undefined && { title }),
    ...(secondPerson && { secondPerson }),
    ...(channel !== undefined && { channel }),
    ...(zone !== undefined && { timeZone: zone }),
    ...(hours && { businessHours: hours.flatMap(hoursOption) }),
    ...(holiday && { holidays: listed(holiday) }),
    ...(holidaysOf !== undefined && { holidaysOf }),
    ...(worksOn && { workedHolidays: listed(worksOn) }),
    ...(reactionTime !== undefined && { reactionTime: durationOption('--reaction-time', reactionTime) }),
    ...(group !== undefined && { group }),
    ...(approval !== undefined && { approvalRequired: approval === 'required' }),
    ...(sessionPolicy && { sessionPolicy }),
  };
}

function givenSecondPerson(
  { secondPerson, secondPersonWithin: within }: InstallationOptions,
  current: catalogV1.SecondPerson | undefined,
): catalogV1.SecondPerson | undefined {
  if (secondPerson === undefined && within === undefined) return undefined;
  const actions = secondPerson?.split(',').map((action) => action.trim());
  return {
    actions: actions ? listed(actions) : [...(current?.actions ?? [])],
    validFor: within === undefined ? current?.validFor : durationOption('--second-person-within', within),
  };
}

const listed = (values: readonly string[]): string[] => values.filter((value) => value !== '');

async function add(work: Work, options: InstallationOptions, id: string): Promise<void> {
  const request = catalogV1.CreateInstallationRequest.fromPartial({
    installationId: id,
    installation: {
      title: id,
      timeZone: ownZone(),
      channel: 'stable',
      ...given(options),
      product: options.product,
      kind: installationKind.toWire(options.kind),
    },
  });
  const { installation } = await work.services.catalog.createInstallation(request);
  if (installation) work.print(catalogV1.Installation.toJSON(installation), () => installationText(installation));
}

async function list(work: Work): Promise<void> {
  const installations = await allPages(async (pageToken) => {
    const request = catalogV1.ListInstallationsRequest.fromPartial({ pageToken });
    const page = await work.services.catalog.listInstallations(request);
    return { items: page.installations, next: page.nextPageToken };
  });
  work.print(catalogV1.ListInstallationsResponse.toJSON({ installations, nextPageToken: '' }), () =>
    table(
      ['installation', 'product', 'version', 'kind', 'hosts', 'channel', 'zone'],
      installations.map((i) => [
        lastPart(i.name),
        i.product,
        i.installedVersion,
        kindWord(i.kind),
        String(i.hosts.length),
        i.channel,
        i.timeZone,
      ]),
      'no installations',
    ),
  );
}

async function show(work: Work, _: object, id?: string): Promise<void> {
  const installation = id ? await work.services.installationNamed(lastPart(id)) : await work.installation();
  work.print(catalogV1.Installation.toJSON(installation), () => installationText(installation));
}

async function set(work: Work, options: InstallationOptions, id: string): Promise<void> {
  // Values that are wrong, or none, are told before anything is asked.
  if (Object.keys(given(options)).length === 0) throw new UsageError('names nothing to change');
  const current = await work.services.installationNamed(lastPart(id));
  const changes = given(options, current);
  const updateMask = Object.keys(changes).map((field) => field.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`));
  const request = { installation: { ...current, ...changes }, updateMask };
  const { installation } = await work.services.catalog.updateInstallation(request);
  if (installation) work.print(catalogV1.Installation.toJSON(installation), () => installationText(installation));
}

function installationText(i: catalogV1.Installation): string {
  const reactionTimeMs = durationToMs(i.reactionTime);
  return fields([
    ['Installation', lastPart(i.name)],
    ['Title', i.title],
    ['Product', i.product],
    ['Version', i.installedVersion || 'not known yet'],
    ['Kind', kindWord(i.kind)],
    ['Channel', i.channel],
    ['Group', i.group],
    ['Zone', i.timeZone],
    ['Business hours', i.businessHours.map((d) => `${d.weekday} ${d.opens}-${d.closes}`).join(', ') || 'never'],
    ['Holidays of', i.holidaysOf],
    ['Holidays', i.holidays.join(', ')],
    ['Works on', i.workedHolidays.join(', ')],
    ['Reaction time', reactionTimeMs === undefined ? undefined : span(reactionTimeMs)],
    ['Approval', i.approvalRequired ? 'jobs need that of a second person' : ''],
    ['Second person', secondPersonText(i.secondPerson)],
    ...(i.kind === commonV1.InstallationKind.MULTI_USER ? policyLines(i.sessionPolicy) : []),
    ['Hosts', i.hosts.map(hostText).join('\n') || 'none joined yet'],
    ['Created', time(i.createTime, i.timeZone)],
  ]);
}

function secondPersonText(rule: catalogV1.SecondPerson | undefined): string {
  if (!rule || rule.actions.length === 0) return '';
  return `for ${rule.actions.join(', ')}, within ${span(durationToMs(rule.validFor) ?? 3_600_000)}`;
}

function hostText({ host, role, version }: catalogV1.InstalledHost): string {
  return `${host} (${roleWord(role ?? commonV1.HostRole.UNSPECIFIED)}) ${version || 'nothing installed'}`;
}
