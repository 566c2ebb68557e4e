import { formatName, hostRole, installerV1 } from '@lastcall/contracts';
import type { HostRole } from '@lastcall/kernel';
import type { Cli } from '../define.js';
import { choice, spanOption } from '../option-values.js';
import { bytes, fields, table } from '../render/text.js';
import { time, timeIn } from '../render/time.js';
import { lastPart, roleWord } from '../render/words.js';
import type { Work } from '../work.js';
import { addUpdateAgent, listHosts } from './host-update-agent.js';

export function addHost(cli: Cli): void {
  const noun = cli.noun('host', 'Machines of an installation');
  cli.define(
    noun,
    { use: 'list', does: 'Lists the hosts that have joined', example: 'lastcall host list', installation: true },
    list,
  );
  cli.define(
    noun,
    { use: 'show <host>', does: 'Shows one host', example: 'lastcall host show server-1', installation: true },
    show,
  );
  cli.define<{ role: HostRole; valid: string }>(
    noun,
    {
      use: 'join-token <host>',
      does: 'Makes a one-time token with which the agent of a host joins; it is shown once',
      example: 'lastcall host join-token server-1 --role server',
      installation: true,
      options: (command) =>
        command
          .addOption(
            choice('--role <role>', 'what the host does', [
              'server',
              'terminal-server',
              'workstation',
            ]).makeOptionMandatory(),
          )
          .option('--valid <span>', 'how long it can be used', '1h'),
    },
    joinToken,
  );
  addRelease(cli, noun);
  addCutOff(cli, noun);
  addUpdateAgent(cli, noun);
}

interface ReleaseOptions {
  reason: string;
  data?: 'restore' | 'keep';
}

function addRelease(cli: Cli, noun: ReturnType<Cli['noun']>): void {
  cli.define<ReleaseOptions>(
    noun,
    {
      use: 'release-quarantine <host>',
      does: 'Brings a quarantined host back once more, or has one that was given up catch up anew; when it is healthy, its users are let in again',
      example: 'lastcall host release-quarantine ts1 --reason "disk replaced"',
      installation: true,
      options: (command) =>
        command
          .requiredOption('--reason <text>', 'why, for people; it is kept in the audit')
          .addOption(
            choice(
              '--data <what>',
              'for the server: back to the backup of the failed run (what came later is lost), or as it is',
              ['restore', 'keep'],
            ),
          ),
    },
    releaseQuarantine,
  );
}

function addCutOff(cli: Cli, noun: ReturnType<Cli['noun']>): void {
  cli.define<{ reason: string }>(
    noun,
    {
      use: 'cut-off <host>',
      does: 'Accepts the key of a host no more, at once: it may be stolen. The host comes back with a new join token and a new key',
      example: 'lastcall host cut-off desk-7 --reason "the laptop is gone"',
      installation: true,
      options: (command) => command.requiredOption('--reason <text>', 'why, for people; it is kept in the audit'),
    },
    cutOff,
  );
}

async function cutOff(work: Work, { reason }: { reason: string }, id: string): Promise<void> {
  const installation = await work.installation();
  const host = lastPart(id);
  const name = formatName('host', { installation: lastPart(installation.name), host });
  const answer = await work.services.installer.cutOffHost({ name, reason });
  const role = roleWord(answer.host?.role ?? 0);
  const back = `lastcall host join-token ${host} --role ${role}, and on the host: lastcall-agent join --new-key`;
  work.print(installerV1.CutOffHostResponse.toJSON(answer), () => `${host} is cut off. To let it in again: ${back}\n`);
}

async function releaseQuarantine(work: Work, { reason, data }: ReleaseOptions, id: string): Promise<void> {
  const installation = await work.installation();
  const name = formatName('host', { installation: lastPart(installation.name), host: lastPart(id) });
  const { RESTORE, KEEP, UNSPECIFIED } = installerV1.QuarantinedData;
  const answer = await work.services.installer.releaseQuarantine({
    name,
    reason,
    data: data === undefined ? UNSPECIFIED : data === 'keep' ? KEEP : RESTORE,
  });
  const what =
    answer.order === ''
      ? `${lastPart(id)} catches up with its installation as soon as it is connected; see: lastcall gate show\n`
      : `${lastPart(id)} goes back (${answer.order}); see: lastcall gate show\n`;
  work.print(installerV1.ReleaseQuarantineResponse.toJSON(answer), () => what);
}

async function list(work: Work): Promise<void> {
  const installation = await work.installation();
  const zone = installation.timeZone;
  const hosts = await listHosts(work);
  work.print(installerV1.ListHostsResponse.toJSON({ hosts, nextPageToken: '' }), () =>
    table(
      ['host', 'role', 'agent', 'version', 'platform', `last seen (${zone})`],
      hosts.map((h) => [
        lastPart(h.name),
        roleWord(h.role),
        `${h.agentVersion} ${h.cutOff ? 'cut off' : h.connected ? 'connected' : 'away'}`.trimStart(),
        h.installedVersion,
        h.platform,
        timeIn(h.lastSeenTime, zone),
      ]),
      'no hosts; "lastcall host join-token" lets one in',
    ),
  );
}

async function show(work: Work, _: object, id: string): Promise<void> {
  const installation = await work.installation();
  const name = formatName('host', { installation: lastPart(installation.name), host: lastPart(id) });
  const { host } = await work.services.installer.getHost({ name });
  if (host) work.print(installerV1.Host.toJSON(host), () => hostText(host, installation.timeZone));
}

function hostText(host: installerV1.Host, zone: string): string {
  const { progress } = host;
  const amount = progress && progress.total > 0n ? ` ${bytes(progress.done)} of ${bytes(progress.total)}` : '';
  return fields([
    ['Host', lastPart(host.name)],
    ['Role', roleWord(host.role)],
    ['Agent', `${host.connected ? 'connected' : 'away'}, version ${host.agentVersion || 'unknown'}`],
    ['Last seen', time(host.lastSeenTime, zone)],
    ['Agent update', host.agentUpdate && agentUpdateText(host.agentUpdate)],
    ['Installed', host.installedVersion || 'nothing'],
    ['Platform', host.platform],
    ['Order', host.currentOrder && `${host.currentOrder} ${progress?.step ?? ''}${amount}`],
    ['Key', host.cutOff ? `${host.keyFingerprint} (cut off)` : host.keyFingerprint],
  ]);
}

function agentUpdateText({ version, endTime, failure }: installerV1.AgentUpdate): string {
  if (failure) return `to ${version} failed: ${failure.message} [${failure.reason}]`;
  return `to ${version} ${endTime ? 'done' : 'under way'}`;
}

async function joinToken(work: Work, options: { role: HostRole; valid: string }, host: string): Promise<void> {
  const installation = await work.installation();
  const validMinutes = Math.max(1, Math.round(spanOption('--valid', options.valid) / 60_000));
  const role = hostRole.toWire(options.role);
  const answer = await work.services.installer.createJoinToken({
    parent: installation.name,
    hostId: host,
    role,
    validMinutes,
  });
  // The token alone on stdout, so that a script can take it; what a person wants to know beside it goes to stderr.
  work.print(installerV1.CreateJoinTokenResponse.toJSON(answer), () => `${answer.token}\n`);
  if (!work.json) work.io.err.write(`For ${host}, once, until ${time(answer.expiresAt, installation.timeZone)}.\n`);
}
