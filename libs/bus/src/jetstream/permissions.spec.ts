import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { broadcastsOf, broadcastSubject, EVENT_TYPES, EVENTS, subjectFor } from '@lastcall/contracts';
import { natsPermissions, SERVICES, usersConfiguration } from './permissions.js';

const FILE = join(__dirname, '../../../../deploy/nats/users.conf');

/** Subject matching as NATS has it. */
function matches(filter: string, subject: string): boolean {
  const [wanted, found] = [filter.split('.'), subject.split('.')];
  const rest = wanted.indexOf('>');
  if (rest >= 0)
    return found.length > rest && wanted.slice(0, rest).every((token, i) => token === '*' || token === found[i]);
  return wanted.length === found.length && wanted.every((token, i) => token === '*' || token === found[i]);
}

const may = (allowed: readonly string[], subject: string): boolean =>
  allowed.some((filter) => matches(filter, subject));

describe('deploy/nats/users.conf', () => {
  it('has the users as the table of events makes them', () => {
    if (process.env['LASTCALL_DRAW']) writeFileSync(FILE, usersConfiguration());
    expect(readFileSync(FILE, 'utf8')).toBe(usersConfiguration());
  });
});

describe.each(SERVICES)('the user of %s', (service) => {
  const { publish, subscribe } = natsPermissions(service, 'test');

  it.each(EVENT_TYPES)('may say %s exactly when the table says so', (type) => {
    const subject = subjectFor({ type, source: `${service}/x/y`, installation: 'a.b' }, 'test');
    expect(may(publish, subject)).toBe((EVENTS[type].publishers as readonly string[]).includes(service));
  });

  it('may say what only a newer release of it knows', () =>
    expect(may(publish, subjectFor({ type: 'New', source: `${service}/x/y`, installation: '' }, 'test'))).toBe(true));

  it('has the broadcasts of its own replicas, and of nobody else', () => {
    for (const other of SERVICES) {
      for (const topic of broadcastsOf(other)) {
        const subject = broadcastSubject(topic, 'test');
        expect([may(publish, subject), may(subscribe, subject)]).toEqual([other === service, other === service]);
      }
    }
  });

  it('may neither read events beside its consumer nor anything of another system', () => {
    for (const type of EVENT_TYPES) {
      expect(may(subscribe, subjectFor({ type, source: 'x/y/z', installation: 'a' }, 'test'))).toBe(false);
    }
    for (const subject of [...publish, ...subscribe])
      expect(subject).toMatch(/^(test\.|\$JS\.(API|ACK)\..*\.?test-events\b|_INBOX\.)/);
  });

  it('may take from its own consumer only', () => {
    for (const other of SERVICES) {
      for (const call of ['INFO', 'DURABLE.CREATE', 'MSG.NEXT']) {
        expect(may(publish, `$JS.API.CONSUMER.${call}.test-events.${other}`)).toBe(other === service);
      }
      expect(may(publish, `$JS.ACK.test-events.${other}.1.2.3.4.5`)).toBe(other === service);
      expect(may(subscribe, `_INBOX.${other}.abc.1`)).toBe(other === service);
    }
  });
});
