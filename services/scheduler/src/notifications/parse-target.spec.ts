import { schedulerV1 } from '@lastcall/contracts';
import { isRejected } from '@lastcall/kernel';
import { NOTIFICATION_KINDS } from './notification.js';
import { parseTarget } from './parse-target.js';
import { keyOf, secretOf } from './webhook.js';

const SECRET = secretOf(Buffer.alloc(32, 9));
const target = (more: Parameters<typeof schedulerV1.NotificationTarget.fromPartial>[0]) =>
  schedulerV1.NotificationTarget.fromPartial(more);
const hook = (url: string, secret = '') => target({ channel: { $case: 'webhook', value: { url, secret } } });
const mail = (...to: string[]) => target({ channel: { $case: 'mail', value: { to } } });
const wrong = (wire: schedulerV1.NotificationTarget | undefined, id = 'ops') => {
  const parsed = parseTarget(wire, id);
  return isRejected(parsed) ? parsed.violations.map(({ field }) => field) : [];
};

it('takes webhooks inside and outside the network, and mail', () => {
  for (const url of ['https://example.org/a?b=c', 'http://10.0.0.7:8080/', 'http://localhost/x', 'http://[fd00::1]/']) {
    expect(parseTarget(hook(url, SECRET), 'ops')).toMatchObject({ channel: { kind: 'webhook', url, secret: SECRET } });
  }
  expect(parseTarget(mail('ada@example.org', 'ops+night@example.org', 'ada@example.org'), 'ops')).toEqual({
    ...{ title: '', kinds: [], channel: { kind: 'mail', to: ['ada@example.org', 'ops+night@example.org'] } },
  });
});

it.each(['', 'ftp://example.org', 'file:///etc/passwd', 'javascript:alert(1)', 'http://u:p@example.org', 'https://example.org/#x', 'example.org', `https://example.org/${'x'.repeat(2_000)}`])('refuses the address %#', (url) => {
  expect(wrong(hook(url))).toEqual(['target.webhook.url']);
}); // prettier-ignore

it.each(['ada', '@example.org', 'ada@', 'ada@exam ple.org', 'a\r\nBcc: eve@example.org', 'Ada <ada@example.org>', 'a,b@example.org', `${'a'.repeat(65)}@example.org`])('refuses to mail %j', (address) => {
  expect(wrong(mail('ok@example.org', address))).toEqual(['target.mail.to[1]']);
}); // prettier-ignore

it('says everything that is wrong at once, and never what a wrong secret was', () => {
  const bad = target({ title: 'bell\u0007', kinds: [99 as schedulerV1.NotificationKind], channel: { $case: 'webhook', value: { url: 'x', secret: 'hunter2' } } }); // prettier-ignore
  const parsed = parseTarget(bad, 'Ops!');
  expect(wrong(bad, 'Ops!')).toEqual(['target_id', 'target.title', 'target.webhook.url', 'target.webhook.secret', 'target.kinds']); // prettier-ignore
  expect(JSON.stringify(parsed)).not.toContain('hunter2');
  expect([wrong(undefined), wrong(target({})), wrong(mail())]).toEqual([
    ['target'],
    ['target.channel'],
    ['target.mail.to'],
  ]);
  expect(wrong(target({ ...mail('a@b.c'), kinds: [schedulerV1.NotificationKind.TEST] }))).toEqual(['target.kinds']);
});

it('knows a secret by its form', () => {
  expect(keyOf(SECRET)?.length).toBe(32);
  for (const secret of [
    '',
    'whsec_',
    SECRET.slice(6),
    `${SECRET}!`,
    secretOf(Buffer.alloc(23)),
    secretOf(Buffer.alloc(65)),
  ]) {
    expect(keyOf(secret)).toBeUndefined();
  }
});

it('has a word on the wire for every kind, and a kind for every word', () => {
  const words = Object.keys(schedulerV1.NotificationKind).filter((key) => Number.isNaN(Number(key)));
  expect(words.filter((word) => !['UNSPECIFIED', 'UNRECOGNIZED'].includes(word)).toSorted()).toEqual(Object.values(NOTIFICATION_KINDS).toSorted()); // prettier-ignore
});
