import { EXIT, installerV1 } from '@lastcall/contracts';
import type { Command } from 'commander';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { spanOption } from '../option-values.js';
import { poll } from '../poll.js';
import { bytes, table } from '../render/text.js';
import { lastPart } from '../render/words.js';
import type { Work } from '../work.js';

/* `host update-agent`: agents replace themselves by another version of the product `lastcall-agent`; waits for all of them. */

interface Options {
  readonly version: string;
  readonly valid: string;
}

/** For the results that are under way when the time of the orders is up. */
const PATIENCE_MS = 60_000;
const PER_REQUEST = 1_000;

export function addUpdateAgent(cli: Cli, noun: Command): void {
  cli.define<Options>(
    noun,
    {
      use: 'update-agent [hosts...]',
      does: 'Lets agents replace themselves (all that are connected, unless hosts are named) and waits for them; users and the application are not disturbed',
      example: 'lastcall host update-agent --version 0.2.0',
      installation: true,
      options: (command) =>
        command
          .requiredOption('--version <version>', 'published version of the product lastcall-agent')
          .option('--valid <span>', 'after this a host that has not done it is given up', '15m'),
    },
    updateAgent,
  );
}

export async function listHosts(work: Work): Promise<installerV1.Host[]> {
  const { name: parent } = await work.installation();
  return allPages(async (pageToken) => {
    const page = await work.services.installer.listHosts({ parent, pageSize: PER_REQUEST, pageToken });
    return { items: page.hosts, next: page.nextPageToken };
  });
}

async function updateAgent(work: Work, { version, valid }: Options, ...named: string[]): Promise<number> {
  const hostIds = named.length > 0 ? named.map(lastPart) : await outdated(work, version);
  const validMinutes = Math.max(1, Math.round(spanOption('--valid', valid) / 60_000));
  const { name: parent } = await work.installation();
  const orders = new Set<string>();
  for (let from = 0; from < hostIds.length; from += PER_REQUEST) {
    const some = hostIds.slice(from, from + PER_REQUEST);
    const asked = await work.services.installer.updateAgents({ parent, hostIds: some, version, validMinutes });
    for (const { agentUpdate } of asked.hosts) if (agentUpdate) orders.add(agentUpdate.order);
  }
  const hosts = orders.size === 0 ? [] : await awaitEnd(work, orders, validMinutes * 60_000 + PATIENCE_MS);
  work.print(installerV1.ListHostsResponse.toJSON({ hosts, nextPageToken: '' }), () =>
    table(
      ['host', 'agent', 'result'],
      hosts.map((host) => [lastPart(host.name), host.agentVersion, resultOf(host)]),
      `all agents that are connected have the version ${version}`,
    ),
  );
  return hosts.some(({ agentUpdate }) => agentUpdate?.failure) ? EXIT.failed : EXIT.done;
}

/** Those that are away are named: they have to be updated another time. */
async function outdated(work: Work, version: string): Promise<string[]> {
  const others = (await listHosts(work)).filter(({ agentVersion }) => agentVersion !== version);
  const away = others.filter(({ connected }) => !connected).map(({ name }) => lastPart(name));
  if (away.length > 0) work.note(`left out because they are away: ${away.join(', ')}`);
  return others.filter(({ connected }) => connected).map(({ name }) => lastPart(name));
}

async function awaitEnd(work: Work, orders: ReadonlySet<string>, timeoutMs: number): Promise<installerV1.Host[]> {
  const told = new Map<string, string>();
  return poll(
    async () => {
      const hosts = (await listHosts(work)).filter(({ agentUpdate }) => orders.has(agentUpdate?.order ?? ''));
      for (const host of hosts) tell(work, told, host);
      return hosts;
    },
    (hosts) => hosts.every(({ agentUpdate }) => agentUpdate?.endTime !== undefined),
    { timeoutMs, what: 'the update of the agents' },
  );
}

/** Each step of each host once. */
function tell(work: Work, told: Map<string, string>, host: installerV1.Host): void {
  const { agentUpdate, currentOrder, progress, name } = host;
  const isAtIt = agentUpdate && !agentUpdate.endTime && currentOrder === agentUpdate.order;
  const step = agentUpdate?.endTime ? resultOf(host) : isAtIt ? progress?.step : undefined;
  if (step === undefined || step === '' || told.get(name) === step) return;
  told.set(name, step);
  const amount = isAtIt && progress && progress.total > 0n ? ` (${bytes(progress.total)})` : '';
  work.note(`${lastPart(name)}: ${step}${amount}`);
}

function resultOf({ agentUpdate }: installerV1.Host): string {
  const failure = agentUpdate?.failure;
  return failure ? `goes on with the agent from before: ${failure.message} [${failure.reason}]` : 'updated';
}
