import { NAMES } from '@lastcall/contracts';
import type { Random } from './random.js';

/* What somebody would write into a field who means harm, or whose program is broken. */

export const INSTALLATIONS = ['one', 'two'] as const;

const IDS = ['a', 'nightly', 'srv', 'pager', '0', '-', 'x'.repeat(63), 'x'.repeat(64), 'A', 'a_b', '..', '%2e%2e', ''];

const TEXTS: readonly string[] = [
  '',
  ' ',
  '\n',
  '\0',
  'a\0b',
  '\u202egnp.exe',
  '\ufeff',
  '\ud83d\ude00'.repeat(40),
  'e\u0301'.repeat(100),
  'x'.repeat(201),
  'x'.repeat(4_001),
  '__proto__',
  'constructor',
  'toString',
  '{"$gt":""}',
  '$where',
  "'; DROP TABLE documents; --",
  '../../../../etc/passwd',
  '..\\..\\windows',
  '/dev/zero',
  'C:\\con',
  '<script>alert(1)</script>',
  '${7*7}{{7*7}}',
  '%s%s%n',
  'a'.repeat(30) + '!',
  '\u001b[2J',
  '999999999999999999999999.0.0',
  '1.0.0',
  '1.0.0-' + 'a.'.repeat(60),
  '01.02.03',
  '2099-01-01T00:00:00',
  '2026-02-30T25:61:61',
  '0000-00-00T00:00:00',
  '99999-01-01T00:00:00Z',
  '22:00',
  '24:00',
  'Europe/Berlin',
  'Mars/Olympus',
  'UTC',
  '* * * * *',
  '0 0 31 2 *',
  '*/0 * * * *',
  '0-59/0 1,2,3-1 * * 8',
  'mon-sun',
  'DE-BY',
  'http://127.0.0.1:9/x',
  'http://[::1]:9',
  'javascript:alert(1)',
  'file:///etc/passwd',
  'a@b.example',
  'whsec_' + 'A'.repeat(44),
  'eyJhbGciOiJub25lIn0.e30.',
  'en',
  'x-' + 'a-'.repeat(20),
  '0'.repeat(64),
  'tok-aaaaaaaaaaaaaaaa',
  'bnVsbA',
  Buffer.from('["x",[null],"y"]').toString('base64url'),
];

const INTEGERS: readonly bigint[] = [
  ...[0n, 1n, 2n, 5n, 60n, 1_000n, 1_001n, 86_400n, 253_402_300_799n, 253_402_300_800n],
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
];

const NUMBERS: readonly number[] = [0, -0, 1, -1, 0.1, NaN, Infinity, -Infinity, 1e308, -1e308, 5e-324];

/** A name of a resource, mostly of the right form. */
function hostileName(random: Random): string {
  const pattern = random.pick(Object.values(NAMES));
  const id = (): string => random.pick(IDS);
  const installation = random.chance(0.85) ? random.pick(INSTALLATIONS) : id();
  return pattern.replace('{installation}', installation).replace(/\{\w+\}/g, id);
}

/** What a good caller writes, as far as the field's name tells; `[pattern, value]`, the first that fits. */
const PLAUSIBLE: readonly (readonly [RegExp, string])[] = [
  [/product/, 'tiny'],
  [/channel/, 'stable'],
  [/version/, '1.0.0'],
  [/zone/, 'UTC'],
  [/installation/, 'one'],
  [/host/, 'srv'],
  [/local_time/, '2099-01-01T00:00:00'],
  [/url/, 'http://127.0.0.1:9/x'],
  [/page_token|etag|resume|code|language|follow_up|secret|sha|request_id/, ''],
  [/time|opens|from/, '08:00'],
  [/until|closes/, '18:00'],
  [/day/, 'mon'],
  [/mask/, 'title'],
  [/_id$|^id$|job/, 'nightly'],
];

/** The noun of the method says of what kind of resource the name is. */
export function plausibleText(random: Random, field: string, method: string): Buffer {
  if (field === 'parent') return Buffer.from('installations/one');
  if (field !== 'name') return Buffer.from(PLAUSIBLE.find(([pattern]) => pattern.test(field))?.[1] ?? 'because');
  const noun = method.replace(/^.*\/[A-Z][a-z]+/, '').toLowerCase();
  const patterns = Object.entries(NAMES).filter(([kind]) => noun.startsWith(kind.toLowerCase()));
  const pattern = patterns[0]?.[1] ?? random.pick(Object.values(NAMES));
  const ids: Readonly<Record<string, string>> = { installation: 'one', product: 'tiny', version: '1.0.0', host: 'srv' };
  return Buffer.from(pattern.replace(/\{(\w+)\}/g, (_, id: string) => ids[id] ?? 'nightly'));
}

export function hostileText(random: Random, field: string): Buffer {
  if (random.chance(0.02)) return random.bytes(random.below(64)); // Mostly no UTF-8.
  if (random.chance(0.003)) return Buffer.alloc(random.below(300_000), 'y');
  if (/^(name|parent)$/.test(field) && random.chance(0.9)) return Buffer.from(hostileName(random));
  if (/installation/.test(field) && random.chance(0.8)) return Buffer.from(random.pick(INSTALLATIONS));
  if (/(_id|job|host|run|target|product|channel)$/.test(field) && random.chance(0.6))
    return Buffer.from(random.pick(IDS));
  return Buffer.from(random.chance(0.1) ? hostileName(random) : random.pick(TEXTS));
}

/** As a varint is written: 64 bits without a sign. */
export function hostileInteger(random: Random): bigint {
  if (random.chance(0.5)) return BigInt(random.below(12));
  return random.chance(0.2) ? 2n ** 64n - BigInt(random.below(100) + 1) : random.pick(INTEGERS);
}

export function hostileNumber(random: Random): number {
  return random.pick(NUMBERS);
}
