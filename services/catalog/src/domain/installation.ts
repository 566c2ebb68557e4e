import {
  assertNever,
  reject,
  type Decider,
  type HostRole,
  type InstallationKind,
  type Rejected,
} from '@lastcall/kernel';

/*
 * An installation: its settings, its hosts, and what is installed on them. Settings are changed by people under an etag. Hosts and
 * versions are recorded from events, which come at least once and, over several replicas, in any order. Fences put them right:
 * each version is kept with the fence of the run that put it there, the higher fence wins, and a run that was rolled back counts for nothing.
 */

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Local times `HH:MM`; `closes` is exclusive. */
export interface DaySpan {
  readonly weekday: Weekday;
  readonly opens: string;
  readonly closes: string;
}

/** What may be changed later. */
export interface ChangeableSettings {
  readonly title: string;
  readonly channel: string;
  readonly timeZone: string;
  readonly businessHours: readonly DaySpan[];
  /** `YYYY-MM-DD`, in order. */
  readonly holidays: readonly string[];
  readonly reactionTimeMs: number;
  /** How users are told, held and let in: the session service's, kept in its JSON form. Absent: its defaults. */
  readonly sessionPolicy?: Readonly<Record<string, unknown>>;
  /** For waves. Absent or empty: none. */
  readonly group?: string;
  /** Whether a second person has to approve jobs. Absent: no. */
  readonly approvalRequired?: boolean;
  /** Actions that need a second person, and how long a request for one waits. Absent: none. */
  readonly secondPerson?: { readonly actions: readonly string[]; readonly validMs: number };
  /** Region whose public holidays are without business hours. Absent or empty: none. */
  readonly holidaysOf?: string;
  /** `YYYY-MM-DD`, in order: such holidays on which people work. Absent: none. */
  readonly workedHolidays?: readonly string[];
}

export interface InstallationSettings extends ChangeableSettings {
  readonly product: string;
  readonly kind: InstallationKind;
}

export interface HostRecord {
  readonly role: HostRole;
  /** Raw Ed25519 public key, base64. */
  readonly publicKey: string;
  /** The key that it is about to have. */
  readonly nextPublicKey?: string;
  /** None of them is accepted. */
  readonly cutOff?: boolean;
  readonly platform: string;
  readonly mayFollowLater: boolean;
  /** Empty for none or unknown. */
  readonly version: string;
  /** Fence of the run that put the version there; 0 when no run did. */
  readonly fence: number;
  /** What that run found; what a rollback of it returns to. */
  readonly versionBefore: string;
}

export type InstallationState =
  | { readonly state: 'absent' }
  | {
      readonly state: 'present';
      readonly settings: InstallationSettings;
      readonly hosts: Readonly<Record<string, HostRecord>>;
      /** Of the installation as a whole; empty until it is known. */
      readonly installedVersion: string;
      /** Fence of the run that put it there; 0 when no run did. */
      readonly installedFence: number;
      /** Fences of the last runs that were rolled back. */
      readonly rolledBack: readonly number[];
      readonly createdAt: number;
      readonly revision: number;
    }
  | { readonly state: 'deleted'; readonly settings: InstallationSettings; readonly revision: number };
export type PresentInstallation = Extract<InstallationState, { state: 'present' }>;

export type InstallationCommand =
  | { readonly type: 'create'; readonly settings: InstallationSettings; readonly at: number }
  | { readonly type: 'change'; readonly changes: Partial<ChangeableSettings>; readonly etag: string }
  | { readonly type: 'delete'; readonly etag: string }
  | {
      readonly type: 'record-host';
      readonly host: string;
      readonly role: HostRole;
      readonly publicKey: string;
      readonly nextPublicKey?: string;
      readonly cutOff?: boolean;
      readonly platform: string;
      readonly version: string;
    }
  | {
      readonly type: 'record-host-version';
      readonly host: string;
      readonly fromVersion: string;
      readonly toVersion: string;
      readonly fence: number;
    }
  /** All hosts that took part run `version`. */
  | {
      readonly type: 'record-update';
      readonly hosts: readonly string[];
      readonly version: string;
      readonly fence: number;
    }
  | { readonly type: 'record-rollback'; readonly fence: number };

export type InstallationEvent =
  | { readonly type: 'created'; readonly settings: InstallationSettings; readonly at: number }
  | { readonly type: 'settings-changed'; readonly changes: Partial<ChangeableSettings> }
  | { readonly type: 'deleted' }
  | { readonly type: 'host-recorded'; readonly host: string; readonly record: HostRecord }
  | { readonly type: 'installed-version-recorded'; readonly version: string; readonly fence: number }
  | { readonly type: 'rollback-recorded'; readonly fence: number };

export const MAX_HOSTS = 1_000;
/** Rolled back runs that are remembered; an event that comes later than that many runs is from another age. */
const MAX_ROLLED_BACK = 64;

type Decision = readonly InstallationEvent[] | Rejected;
type Command<T extends InstallationCommand['type']> = Extract<InstallationCommand, { type: T }>;

const notFound = (): Rejected => reject('not-found', 'INSTALLATION_NOT_FOUND', 'there is no such installation');

function decide(state: InstallationState, command: InstallationCommand): Decision {
  switch (command.type) {
    case 'create':
      if (state.state !== 'present') return [{ type: 'created', settings: command.settings, at: command.at }];
      return reject('already-exists', 'INSTALLATION_EXISTS', 'an installation with this id exists');
    case 'change':
      if (state.state !== 'present') return notFound();
      return checkEtag(state, command.etag) ?? decideChange(state, command.changes);
    case 'delete':
      if (state.state !== 'present') return notFound();
      return checkEtag(state, command.etag) ?? [{ type: 'deleted' }];
    case 'record-host':
    case 'record-host-version':
    case 'record-update':
    case 'record-rollback':
      // An installation that was deleted in the meantime has nothing to record.
      return state.state === 'present' ? decideRecord(state, command) : [];
    default:
      return assertNever(command);
  }
}

function decideRecord(
  state: PresentInstallation,
  command: Command<'record-host' | 'record-host-version' | 'record-update' | 'record-rollback'>,
): Decision {
  switch (command.type) {
    case 'record-host':
      return decideHost(state, command);
    case 'record-host-version':
      return decideHostVersion(state, command);
    case 'record-update':
      return decideUpdate(state, command);
    case 'record-rollback':
      return decideRollback(state, command);
    default:
      return assertNever(command);
  }
}

function checkEtag(state: PresentInstallation, etag: string): Rejected | undefined {
  if (etag === '' || etag === String(state.revision)) return undefined;
  return reject('conflict', 'ETAG_MISMATCH', 'the installation was changed in the meantime; read it again and repeat', {
    facts: { etag: String(state.revision) },
  });
}

function decideChange(state: PresentInstallation, changes: Partial<ChangeableSettings>): Decision {
  const next = { ...state.settings, ...changes };
  return JSON.stringify(next) === JSON.stringify(state.settings) ? [] : [{ type: 'settings-changed', changes }];
}

function decideHost(state: PresentInstallation, command: Command<'record-host'>): Decision {
  const { host, role, publicKey, nextPublicKey, cutOff, platform, version } = command;
  const known = state.hosts[host];
  if (!known && Object.keys(state.hosts).length >= MAX_HOSTS) {
    return reject('too-many', 'TOO_MANY_HOSTS', `an installation has at most ${MAX_HOSTS} hosts; ${host} is left out`);
  }
  const record: HostRecord = {
    role,
    publicKey,
    ...(nextPublicKey !== undefined && { nextPublicKey }),
    ...(cutOff && { cutOff }),
    platform,
    mayFollowLater: role === 'workstation',
    version: version === '' ? (known?.version ?? '') : version,
    fence: known?.fence ?? 0,
    versionBefore: known?.versionBefore ?? '',
  };
  const events: InstallationEvent[] = isSame(known, record) ? [] : [{ type: 'host-recorded', host, record }];
  if (role === 'server' && state.installedVersion === '' && version !== '') {
    events.push({ type: 'installed-version-recorded', version, fence: 0 });
  }
  return events;
}

function isSame(a: HostRecord | undefined, b: HostRecord): boolean {
  if (a === undefined) return false;
  const keys = Object.keys({ ...a, ...b }) as (keyof HostRecord)[];
  return keys.every((key) => a[key] === b[key]);
}

/** Base64. */
export function acceptedKeys({ publicKey, nextPublicKey, cutOff }: HostRecord): readonly string[] {
  if (cutOff) return [];
  return nextPublicKey === undefined ? [publicKey] : [publicKey, nextPublicKey];
}

function versionRecorded(
  state: PresentInstallation,
  host: string,
  to: { version: string; fence: number; before?: string },
): InstallationEvent[] {
  const known = state.hosts[host];
  if (!known || known.fence > to.fence) return [];
  const versionBefore = known.fence === to.fence ? known.versionBefore : (to.before ?? known.version);
  const record: HostRecord = { ...known, version: to.version, fence: to.fence, versionBefore };
  return isSame(known, record) ? [] : [{ type: 'host-recorded', host, record }];
}

function decideHostVersion(state: PresentInstallation, command: Command<'record-host-version'>): Decision {
  if (state.rolledBack.includes(command.fence)) return [];
  const { host, toVersion, fromVersion, fence } = command;
  return versionRecorded(state, host, { version: toVersion, fence, before: fromVersion });
}

function decideUpdate(state: PresentInstallation, { hosts, version, fence }: Command<'record-update'>): Decision {
  const installed: InstallationEvent[] =
    fence > state.installedFence ? [{ type: 'installed-version-recorded', version, fence }] : [];
  return [...hosts.flatMap((host) => versionRecorded(state, host, { version, fence })), ...installed];
}

function decideRollback(state: PresentInstallation, { fence }: Command<'record-rollback'>): Decision {
  if (state.rolledBack.includes(fence)) return [];
  const returned = Object.entries(state.hosts)
    .filter(([, record]) => record.fence === fence && record.version !== record.versionBefore)
    .map(([host, record]): InstallationEvent => {
      return { type: 'host-recorded', host, record: { ...record, version: record.versionBefore } };
    });
  return [...returned, { type: 'rollback-recorded', fence }];
}

function evolve(state: InstallationState, event: InstallationEvent): InstallationState {
  if (event.type === 'created') {
    const revision = state.state === 'absent' ? 1 : state.revision + 1;
    return {
      state: 'present',
      settings: event.settings,
      hosts: {},
      installedVersion: '',
      installedFence: 0,
      rolledBack: [],
      createdAt: event.at,
      revision,
    };
  }
  if (state.state !== 'present') return state;
  const revision = state.revision + 1;
  switch (event.type) {
    case 'settings-changed':
      return { ...state, settings: { ...state.settings, ...event.changes }, revision };
    case 'deleted':
      return { state: 'deleted', settings: state.settings, revision };
    case 'host-recorded':
      return { ...state, hosts: { ...state.hosts, [event.host]: event.record }, revision };
    case 'installed-version-recorded':
      return { ...state, installedVersion: event.version, installedFence: event.fence, revision };
    case 'rollback-recorded':
      return { ...state, rolledBack: [...state.rolledBack, event.fence].slice(-MAX_ROLLED_BACK), revision };
    default:
      return assertNever(event);
  }
}

export const installationDecider: Decider<InstallationState, InstallationCommand, InstallationEvent> = {
  initial: { state: 'absent' },
  decide,
  evolve,
};

/** Versions of all hosts, by host. */
export function hostVersions(state: PresentInstallation): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(state.hosts).map(([host, record]) => [host, record.version]));
}
