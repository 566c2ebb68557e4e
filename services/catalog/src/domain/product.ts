import { assertNever, reject, type Decider, type Rejected } from '@lastcall/kernel';
import { isNewer } from './version.js';

/*
 * A product and its channels. A channel has a head: releases newer than the head are not offered to those who follow it.
 * Which releases stand in a channel is said by the releases themselves.
 */

export interface Channel {
  /** Head; empty for none. */
  readonly version: string;
  /** Grows with every change. */
  readonly revision: number;
}

export type ProductState =
  | { readonly state: 'absent' }
  | {
      readonly state: 'present';
      readonly title: string;
      readonly createdAt: number;
      readonly channels: Readonly<Record<string, Channel>>;
    };
export type PresentProduct = Extract<ProductState, { state: 'present' }>;

export type ProductCommand =
  | { readonly type: 'create'; readonly title: string; readonly at: number }
  /** A release is about to be published: the head follows when it is newer; an unknown channel is begun. */
  | { readonly type: 'raise-channel'; readonly channel: string; readonly version: string }
  /** A person moves the head, also downwards. */
  | { readonly type: 'move-channel'; readonly channel: string; readonly version: string; readonly etag: string };

export type ProductEvent =
  | { readonly type: 'product-created'; readonly title: string; readonly at: number }
  | { readonly type: 'channel-moved'; readonly channel: string; readonly version: string };

/** Channels that every product has from the beginning. */
const FIRST_CHANNELS = ['stable', 'preview'] as const;
export const MAX_CHANNELS = 100;

type Decision = readonly ProductEvent[] | Rejected;

function decide(state: ProductState, command: ProductCommand): Decision {
  if (command.type === 'create') {
    if (state.state === 'present') return reject('already-exists', 'PRODUCT_EXISTS', 'a product with this id exists');
    return [{ type: 'product-created', title: command.title, at: command.at }];
  }
  if (state.state === 'absent') return reject('not-found', 'PRODUCT_NOT_FOUND', 'there is no product with this id');
  switch (command.type) {
    case 'raise-channel':
      return decideRaise(state, command);
    case 'move-channel':
      return decideMove(state, command);
    default:
      return assertNever(command);
  }
}

function decideRaise(
  state: PresentProduct,
  { channel, version }: Extract<ProductCommand, { type: 'raise-channel' }>,
): Decision {
  const present = state.channels[channel];
  if (present && present.version !== '' && !isNewer(version, present.version)) return [];
  if (!present && Object.keys(state.channels).length >= MAX_CHANNELS) {
    return reject('too-many', 'TOO_MANY_CHANNELS', `a product has at most ${MAX_CHANNELS} channels; use one of them`);
  }
  return [{ type: 'channel-moved', channel, version }];
}

function decideMove(state: PresentProduct, command: Extract<ProductCommand, { type: 'move-channel' }>): Decision {
  const present = state.channels[command.channel];
  if (!present) {
    const known = Object.keys(state.channels).join(', ');
    const message = `there is no channel ${command.channel}; known are ${known}; a new one begins when a release is published into it`;
    return reject('not-found', 'CHANNEL_NOT_FOUND', message, { facts: { channel: command.channel } });
  }
  if (command.etag !== '' && command.etag !== String(present.revision)) {
    return reject('conflict', 'ETAG_MISMATCH', 'the channel was changed in the meantime; read it again and repeat');
  }
  if (present.version === command.version) return [];
  return [{ type: 'channel-moved', channel: command.channel, version: command.version }];
}

function evolve(state: ProductState, event: ProductEvent): ProductState {
  switch (event.type) {
    case 'product-created': {
      const channels = Object.fromEntries(FIRST_CHANNELS.map((name) => [name, { version: '', revision: 1 }]));
      return { state: 'present', title: event.title, createdAt: event.at, channels };
    }
    case 'channel-moved': {
      if (state.state === 'absent') return state;
      const revision = (state.channels[event.channel]?.revision ?? 0) + 1;
      return { ...state, channels: { ...state.channels, [event.channel]: { version: event.version, revision } } };
    }
    default:
      return assertNever(event);
  }
}

export const productDecider: Decider<ProductState, ProductCommand, ProductEvent> = {
  initial: { state: 'absent' },
  decide,
  evolve,
};
