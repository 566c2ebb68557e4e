import { backupMode, durationToMs, hostRole, type catalogV1, type schedulerV1 } from '@lastcall/contracts';
import { checkId, collect, LIMITS, RejectedError, type JobType, type Violation } from '@lastcall/kernel';
import type { JobDefinition } from './domain/job.js';
import type { Catalog, Place } from './spec.js';
import { minutes } from './window.js';

/*
 * Jobs of type run-command: an action of the installed release on hosts of its role. Nothing is installed or backed up, nobody is logged off.
 */

const COMMAND = 'job.command';
const HOSTS = 'job.command_hosts';

/** What is wrong with the fields that only a command has, or must not have. */
export function commandViolations(wire: schedulerV1.Job, type: JobType | undefined): readonly Violation[] {
  const { command, commandHosts } = wire;
  if (type !== 'run-command') {
    const stray = { [COMMAND]: command !== '', [HOSTS]: commandHosts.length > 0 };
    const description = `is for jobs of type run-command only; this is a ${type}`;
    return Object.entries(stray).flatMap(([field, isSaid]) => (type && isSaid ? [{ field, description }] : []));
  }
  const missing = { field: COMMAND, description: 'is missing; name an action of the installed release' };
  const many = `are ${commandHosts.length}; allowed are ${LIMITS.pageSize}`;
  const elsewhere = backupMode.fromWire(wire.backupMode) === 'made-elsewhere';
  const others = {
    'job.version': wire.version,
    'job.service_host': wire.serviceHost,
    'job.backup_mode': elsewhere ? 'made-elsewhere' : '',
  };
  const description = 'is not for a run-command: nothing is installed or backed up';
  return [
    ...collect(
      command === '' ? missing : checkId(COMMAND, command),
      commandHosts.length > LIMITS.pageSize
        ? { field: HOSTS, description: many }
        : commandHosts.map((host) => checkId(HOSTS, host)).find((wrong) => wrong !== undefined),
    ),
    ...Object.entries(others).flatMap(([field, value]) => (value === '' ? [] : [{ field, description }])),
  ];
}

/** Hosts that are named and are none of the installation's. */
export function unknownCommandHosts({ commandHosts = [] }: JobDefinition, { hosts }: Place): readonly Violation[] {
  const known = hosts.map(({ host }) => host);
  return commandHosts
    .filter((host) => !known.includes(host))
    .map((host) => ({ field: HOSTS, description: `${host} is no host of the installation (${known.join(', ')})` }));
}

/** The installation with the hosts that the command is for, or why there are none. */
export type CommandPlace = Place | { readonly problems: readonly Violation[] };

/** As the installed release is now. Throws Fault when the catalog does not answer. */
export async function commandPlace(catalog: Catalog, definition: JobDefinition, place: Place): Promise<CommandPlace> {
  const { command = '', maxRunTimeMs } = definition;
  const { product, installedVersion } = place;
  if (installedVersion === '') return problem(COMMAND, 'nothing is installed yet that could have it');
  const actions = await actionsOf(catalog, product, installedVersion);
  if (!Array.isArray(actions)) return actions;
  const action = actions.find(({ id }) => id === command);
  if (!action) {
    const all = actions.map(({ id }) => id).join(', ') || 'none';
    return problem(COMMAND, `${product} ${installedVersion} has no action ${command}; its actions are: ${all}`);
  }
  const mostMs = durationToMs(action.maxRunTime) ?? 0;
  if (mostMs > maxRunTimeMs) {
    const description = `is ${minutes(maxRunTimeMs)}, and ${command} may take ${minutes(mostMs)}; choose a longer one`;
    return problem('job.max_run_time', description);
  }
  return chosen(action, definition, place);
}

async function actionsOf(catalog: Catalog, product: string, version: string) {
  try {
    return (await catalog.installed(product, version)).actions;
  } catch (cause) {
    if (cause instanceof RejectedError) return problem(COMMAND, `is not known: ${cause.rejected.message}`);
    throw cause;
  }
}

function problem(field: string, description: string): { readonly problems: readonly Violation[] } {
  return { problems: [{ field, description }] };
}

/** Who is named has to be there; of all hosts of a role those that may follow later are left out when they are not. */
function chosen(action: catalogV1.VendorAction, definition: JobDefinition, place: Place): CommandPlace {
  const { commandHosts = [] } = definition;
  const role = hostRole.fromWire(action.role);
  const fitting = place.hosts.filter((host) => host.role === role);
  if (commandHosts.length === 0) {
    if (fitting.length > 0) return { ...place, hosts: fitting };
    return problem(COMMAND, `${action.id} is for the role ${role}, and no host has it`);
  }
  const wrong = place.hosts.filter((h) => commandHosts.includes(h.host) && h.role !== role);
  const problems = [
    ...unknownCommandHosts(definition, place),
    ...wrong.map(({ host, role: other }) => {
      return { field: HOSTS, description: `${host} is a ${other}; ${action.id} is for the role ${role}` };
    }),
  ];
  if (problems.length > 0) return { problems };
  const named = fitting.filter(({ host }) => commandHosts.includes(host));
  return { ...place, hosts: named.map((host) => ({ ...host, mayFollowLater: false })) };
}
