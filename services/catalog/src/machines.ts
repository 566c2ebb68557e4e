import { atToDate, eventsV1, formatName, outgoing, type OutgoingEvent } from '@lastcall/contracts';
import { isRejected } from '@lastcall/kernel';
import { actOn, type Machine } from './decide.js';
import type { Documents } from './documents.js';
import {
  hostVersions,
  installationDecider,
  type InstallationCommand,
  type InstallationEvent,
  type InstallationState,
} from './domain/installation.js';
import { productDecider } from './domain/product.js';
import { releaseDecider, type ReleaseCommand, type ReleaseEvent, type ReleaseState } from './domain/release.js';
import { tokenDecider, type TokenCommand, type TokenEvent, type TokenState } from './domain/token.js';
import { installationToWire } from './wire.js';

/*
 * The state machines of the catalog with what each tells the world.
 */

export const productMachine = { decider: productDecider };

export const releaseMachine: Machine<ReleaseState, ReleaseCommand, ReleaseEvent> = {
  decider: releaseDecider,
  says: (state) => {
    if (state.state !== 'withdrawn') return [];
    const { product, version } = state.content;
    return [outgoing('ReleaseWithdrawn', '', { product, version, reason: state.reason })];
  },
};

export function tokenMachine(token: string): Machine<TokenState, TokenCommand, TokenEvent> {
  return {
    decider: tokenDecider,
    says: (state) =>
      state.state === 'revoked'
        ? [outgoing('TokenRevoked', state.grant.installation, { token, expiresAt: atToDate(state.grant.expiresAt) })]
        : [],
  };
}

export function installationMachine(
  installation: string,
): Machine<InstallationState, InstallationCommand, InstallationEvent> {
  return {
    decider: installationDecider,
    says: (state, events) => [
      ...installationChanged(installation, state, events),
      ...installedReleaseChanged(installation, state, events),
    ],
  };
}

function installationChanged(
  installation: string,
  state: InstallationState,
  events: readonly InstallationEvent[],
): readonly OutgoingEvent[] {
  if (state.state === 'absent') return [];
  if (state.state === 'deleted') {
    const { title, product } = state.settings;
    const last = { name: formatName('installation', { installation }), title, product, etag: String(state.revision) };
    const message = eventsV1.InstallationChanged.fromPartial({ installation: last, deleted: true });
    return [outgoing('InstallationChanged', installation, message)];
  }
  if (!events.some((event) => event.type !== 'rollback-recorded')) return [];
  const message = eventsV1.InstallationChanged.fromPartial({ installation: installationToWire(installation, state) });
  return [outgoing('InstallationChanged', installation, message)];
}

function installedReleaseChanged(
  installation: string,
  state: InstallationState,
  events: readonly InstallationEvent[],
): readonly OutgoingEvent[] {
  if (state.state !== 'present') return [];
  if (!events.some(({ type }) => type === 'host-recorded' || type === 'installed-version-recorded')) return [];
  const message = {
    installation,
    product: state.settings.product,
    version: state.installedVersion,
    hostVersions: { ...hostVersions(state) },
  };
  return [outgoing('InstalledReleaseChanged', installation, message)];
}

/** Records a credential that was issued; the same record again changes nothing. Answers whether it was not there. */
export async function recordToken(
  documents: Documents,
  token: string,
  grant: Extract<TokenCommand, { type: 'issue' }>['grant'],
): Promise<boolean> {
  const outcome = await actOn(documents.tokens, tokenMachine(token)).carryOut(token, () => ({ type: 'issue', grant }));
  return !isRejected(outcome) && outcome.events.length > 0;
}
