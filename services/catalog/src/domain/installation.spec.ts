import fc from 'fast-check';
import { isRejected, run } from '@lastcall/kernel';
import {
  hostVersions,
  installationDecider,
  MAX_HOSTS,
  type InstallationCommand,
  type InstallationEvent,
  type InstallationSettings,
  type InstallationState,
} from './installation.js';

const settings: InstallationSettings = {
  title: 'Berlin',
  product: 'encore',
  kind: 'multi-user',
  channel: 'stable',
  timeZone: 'Europe/Berlin',
  businessHours: [],
  holidays: [],
  reactionTimeMs: 300_000,
};
const create: InstallationCommand = { type: 'create', settings, at: 1 };
const join = (
  host: string,
  role: 'server' | 'workstation' = 'workstation',
  version = '1.0.0',
): InstallationCommand => ({
  type: 'record-host',
  host,
  role,
  publicKey: 'key',
  platform: 'linux-x64',
  version,
});
const hostVersion = (host: string, toVersion: string, fence: number, fromVersion = '1.0.0'): InstallationCommand => ({
  type: 'record-host-version',
  host,
  fromVersion,
  toVersion,
  fence,
});
const updated = (version: string, fence: number, hosts: string[]): InstallationCommand => ({
  type: 'record-update',
  hosts,
  version,
  fence,
});
const rolledBack = (fence: number): InstallationCommand => ({ type: 'record-rollback', fence });

function after(commands: readonly InstallationCommand[]): InstallationState {
  return commands.reduce((state: InstallationState, command) => {
    const outcome = run(installationDecider, state, command);
    if (isRejected(outcome)) throw new Error(outcome.message);
    return outcome.state;
  }, installationDecider.initial);
}

function decision(commands: readonly InstallationCommand[], command: InstallationCommand): readonly string[] | string {
  const decided = installationDecider.decide(after(commands), command);
  return isRejected(decided) ? decided.reason : decided.map((event: InstallationEvent) => event.type);
}

function versions(commands: readonly InstallationCommand[]): Record<string, string> {
  const state = after(commands);
  if (state.state !== 'present') throw new Error(state.state);
  return { all: state.installedVersion, ...hostVersions(state) };
}

const two = [create, join('s', 'server'), join('w')];

describe('installation', () => {
  const change = (etag = ''): InstallationCommand => ({ type: 'change', changes: { title: 'Mitte' }, etag });
  it.each<[string, InstallationCommand[], InstallationCommand, readonly string[] | string]>([
    ['is created', [], create, ['created']],
    ['once', [create], create, 'INSTALLATION_EXISTS'],
    ['is changed', [create], change(), ['settings-changed']],
    ['under the present etag', [create], change('1'), ['settings-changed']],
    ['not under an old one', [create, change()], change('1'), 'ETAG_MISMATCH'],
    ['to what it is', [create, change()], change(), []],
    ['is deleted', [create], { type: 'delete', etag: '' }, ['deleted']],
    ['not under an old etag', [create, change()], { type: 'delete', etag: '1' }, 'ETAG_MISMATCH'],
    ['once', [create, { type: 'delete', etag: '' }], { type: 'delete', etag: '' }, 'INSTALLATION_NOT_FOUND'],
    ['and created again', [create, { type: 'delete', etag: '' }], create, ['created']],
    ['records nothing when deleted', [create, { type: 'delete', etag: '' }], join('s', 'server'), []],
    ['nor when unknown', [], hostVersion('s', '1.1.0', 1), []],
    [
      'learns its version from the server',
      [create],
      join('s', 'server'),
      ['host-recorded', 'installed-version-recorded'],
    ],
    ['not from a workstation', [create], join('w'), ['host-recorded']],
    ['records a host once', two, join('w'), []],
    ['records no version of a host that never joined', two, hostVersion('x', '1.1.0', 1), []],
  ])('%s', (_, commands, command, expected) => expect(decision(commands, command)).toEqual(expected));

  it('begins a new life without the old hosts, and never with an old etag', () =>
    expect(after([...two, { type: 'delete', etag: '' }, create])).toMatchObject({ hosts: {}, revision: 6 }));

  it('has a limit on hosts', () =>
    expect(decision([create, ...Array.from({ length: MAX_HOSTS }, (_, i) => join(`h${i}`))], join('one-more'))).toBe(
      'TOO_MANY_HOSTS',
    ));

  it('returns the hosts of a run that was rolled back, and no others', () =>
    expect(versions([...two, hostVersion('s', '1.1.0', 1), rolledBack(1)])).toEqual({
      all: '1.0.0',
      s: '1.0.0',
      w: '1.0.0',
    }));

  it('leaves an absent host on its version until it follows', () => {
    const run1 = [...two, hostVersion('s', '1.1.0', 1), updated('1.1.0', 1, ['s'])];
    expect(versions(run1)).toEqual({ all: '1.1.0', s: '1.1.0', w: '1.0.0' });
    expect(versions([...run1, hostVersion('w', '1.1.0', 1)])).toMatchObject({ w: '1.1.0' });
  });

  it('ends the same whatever order the events of three runs come in, duplicates included', () => {
    const events = [
      hostVersion('s', '1.1.0', 1),
      hostVersion('w', '1.1.0', 1),
      updated('1.1.0', 1, ['s', 'w']),
      hostVersion('s', '1.2.0', 2, '1.1.0'),
      hostVersion('w', '1.2.0', 2, '1.1.0'),
      rolledBack(2),
      hostVersion('s', '1.3.0', 3, '1.1.0'),
      updated('1.3.0', 3, ['s']),
    ];
    const orders = fc
      .tuple(fc.shuffledSubarray(events, { minLength: events.length }), fc.array(fc.constantFrom(...events)))
      .chain(([all, more]) => fc.shuffledSubarray([...all, ...more], { minLength: all.length + more.length }));
    fc.assert(
      fc.property(orders, (order) =>
        expect(versions([...two, ...order])).toEqual({ all: '1.3.0', s: '1.3.0', w: '1.1.0' }),
      ),
      { numRuns: 500 },
    );
  });
});
