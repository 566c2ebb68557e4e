import { schedulerV1 } from '@lastcall/contracts';
import { checkId, checkText, collect, invalid, LIMITS, quoted, type Rejected, type Violation } from '@lastcall/kernel';
import type { Channel } from './documents.js';
import { NOTIFICATION_KINDS, type NotificationKind } from './notification.js';
import { keyOf } from './webhook.js';

/*
 * A notification target from the wire, once, with every wrong field named at once.
 */

export interface ParsedTarget {
  readonly title: string;
  /** A webhook without a secret of its own gets one. */
  readonly channel: Channel;
  readonly kinds: readonly NotificationKind[];
}

const MAX_URL = 2_000;
const MAX_TO = 20;
const MAX_ADDRESS = 254;
// What may stand in a header without quoting; a display name is not needed here.
const ADDRESS = /^[^\s@<>()[\]\\,;:"\p{Cc}\p{Cf}]{1,64}@[^\s@<>()\\,;:"\p{Cc}\p{Cf}]{1,189}$/u;

const KINDS = new Map(
  Object.entries(NOTIFICATION_KINDS).map(([kind, wire]) => [
    schedulerV1.NotificationKind[wire],
    kind as NotificationKind,
  ]),
);

export function parseTarget(
  wire: schedulerV1.NotificationTarget | undefined,
  targetId: string,
): ParsedTarget | Rejected {
  if (!wire) return invalid([{ field: 'target', description: 'is missing' }]);
  const kinds = wire.kinds.map((kind) => KINDS.get(kind));
  const wrong = collect(
    checkId('target_id', targetId),
    checkText('target.title', wire.title, { max: LIMITS.titleChars, lines: false }),
    ...channelViolations(wire.channel),
    kinds.some((kind) => kind === undefined || kind === 'test')
      ? { field: 'target.kinds', description: 'has a value that is no kind of notification; leave it empty for all' }
      : undefined,
  );
  if (wrong.length > 0) return invalid(wrong);
  return {
    title: wire.title,
    channel: channelFrom(wire.channel),
    kinds: [...new Set(kinds)].filter((k) => k !== undefined),
  };
}

type WireChannel = schedulerV1.NotificationTarget['channel'];

function channelFrom(channel: WireChannel): Channel {
  if (channel?.$case === 'webhook') return { kind: 'webhook', url: channel.value.url, secret: channel.value.secret };
  return { kind: 'mail', to: [...new Set(channel?.$case === 'mail' ? channel.value.to : [])] };
}

function channelViolations(channel: WireChannel): (Violation | undefined)[] {
  switch (channel?.$case) {
    case 'webhook':
      return [urlViolation(channel.value.url), secretViolation(channel.value.secret)];
    case 'mail':
      return addressViolations(channel.value.to);
    default:
      return [{ field: 'target.channel', description: 'is missing; set webhook or mail' }];
  }
}

function urlViolation(text: string): Violation | undefined {
  const field = 'target.webhook.url';
  const allowed = `allowed is http://… or https://… of up to ${MAX_URL} characters, without user, password and #…`;
  if (text.length > MAX_URL) return { field, description: `has ${text.length} characters; ${allowed}` };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const fits = url && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.password === '' && url.hash === ''; // prettier-ignore
  return fits ? undefined : { field, description: `is ${text === '' ? 'empty' : 'not such an address'}; ${allowed}` };
}

function secretViolation(secret: string): Violation | undefined {
  if (secret === '' || keyOf(secret)) return undefined;
  // Its value is not repeated.
  const description = 'is no secret of Standard Webhooks; allowed is whsec_ and base64 of 24 to 64 bytes, or nothing';
  return { field: 'target.webhook.secret', description };
}

function addressViolations(to: readonly string[]): (Violation | undefined)[] {
  if (to.length === 0 || to.length > MAX_TO) {
    return [{ field: 'target.mail.to', description: `has ${to.length} addresses; allowed are 1 to ${MAX_TO}` }];
  }
  return to.map((address, i) =>
    ADDRESS.test(address) && address.length <= MAX_ADDRESS
      ? undefined
      : {
          field: `target.mail.to[${i}]`,
          description: `is ${quoted(address)}; allowed is an address such as ada@example.org`,
        },
  );
}
