import { eventsV1, sessionV1 } from '@lastcall/contracts';
import { HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import { describeWith, signerOf, signToken, until } from '@lastcall/testkit';
import { generateKeyPairSync } from 'node:crypto';
import type { Pair } from './world/lastcall-processes.js';
import { frame, openLean, type LeanClient, type LeanConnection } from './world/lean-clients.js';
import { bytesField, tag, varint, varintField, WIRE } from './world/raw-bytes.js';
import { VERSION } from './world/run-said.js';
import { INSTALLATION } from './world/services.js';
import { openReplicas, type SessionReplicas } from './world/session-replicas.js';

/*
 * Hellos as they must not be, over a real stream, byte by byte where no encoder would say it. Each is refused with a text that names
 * what is wrong; nothing of it is in the store; and somebody who is inside meanwhile notices nothing.
 */

const { EndReason, RefusalReason } = sessionV1;
const GOOD = { installation: INSTALLATION, user: 'ann', version: VERSION };
const UNAUTHENTICATED = 16;
const SETTINGS = {
  sessionLeaseMs: 5_000,
  resumeGraceMs: 2_000,
  attachBurstPerUser: 10_000,
  helloTimeoutMs: 1_000,
  maxMessagesPerSecond: 10_000,
};

/** Field numbers of the hello. */
const FIELDS = {
  installation: 1,
  user: 2,
  display_name: 3,
  language: 4,
  host: 5,
  version: 6,
  client_kind: 7,
  resume_token: 8,
  first_start_code: 9,
} as const;
type FieldName = keyof typeof FIELDS;

/** What a hello needs, and what may be absent. */
const NEEDED: readonly FieldName[] = ['installation', 'user', 'version'];
const NAMES: readonly FieldName[] = ['user', 'display_name', 'first_start_code'];
const OTHERS: readonly FieldName[] = ['installation', 'language', 'host', 'version', 'client_kind'];

const HIDDEN: readonly (readonly [string, string])[] = [
  ['a null byte', 'a\u0000b'],
  ['an escape', 'a\u001b[2Jb'],
  ['a line break', 'a\nb'],
  ['a right-to-left override', 'a\u202egpj.exe'],
  ['a right-to-left isolate', 'a\u2067b'],
  ['a zero-width space', 'a\u200bb'],
  ['a byte order mark', '\ufeffa'],
];

function helloBytes(more: Partial<Record<FieldName, Uint8Array | string>>): Buffer {
  const fields: Partial<Record<FieldName, Uint8Array | string>> = { ...GOOD, ...more };
  const parts = Object.entries(fields).map(([name, value]) => bytesField(FIELDS[name as FieldName], value));
  return Buffer.concat(parts);
}

const asHello = (hello: Uint8Array): Buffer => frame(bytesField(1, hello));
const without = (field: FieldName): Buffer =>
  Buffer.concat(
    Object.entries(GOOD)
      .filter(([name]) => name !== field)
      .map(([name, value]) => bytesField(FIELDS[name as FieldName], value)),
  );

function suite(pair: Pair): void {
  let replicas: SessionReplicas;
  let door: LeanConnection;
  let bystander: LeanClient;

  beforeAll(async () => {
    replicas = await openReplicas(pair, 1, SETTINGS);
    door = openLean(replicas.first.grpcAddress, replicas.first.token('client', INSTALLATION));
    bystander = door.attach({ ...GOOD, user: 'bystander' });
    await bystander.until('welcome');
  });
  afterEach(async () => {
    await expectUndisturbed();
  });
  afterAll(async () => {
    door.close();
    await replicas.stop();
  });

  /** The one who is inside is answered, and is alone in the store. */
  async function expectUndisturbed(): Promise<void> {
    const answers = bystander.of('heartbeat').length;
    bystander.say({ $case: 'heartbeat', value: {} });
    await bystander.until('heartbeat', () => bystander.of('heartbeat').length > answers, 5_000);
    expect(bystander.heard.filter(({ message }) => message.$case !== 'heartbeat')).toHaveLength(1);
    await until(async () => (await replicas.count()) === 1, 'nobody else to be in the store', 15_000);
  }

  function send(bytes: Uint8Array): LeanClient {
    const client = door.attach();
    client.write(bytes);
    return client;
  }

  /** Refused, or ended with a status: never let in, never left without an answer. */
  async function expectRefused(client: LeanClient, reason: sessionV1.RefusalReason, text: string | RegExp) {
    const refused = await client.until('refused');
    expect(refused.reason).toBe(reason);
    expect(refused.text).toMatch(text);
    await client.over;
    expect(client.of('welcome')).toEqual([]);
    return refused;
  }

  describe('fields', () => {
    it.each(NEEDED)('%s is missing', async (field) => {
      await expectRefused(send(asHello(without(field))), RefusalReason.INVALID, `hello.${field}`);
    });

    it.each(NAMES)('%s is too long, by one character and by very much', async (field) => {
      for (const length of [201, 60_000]) {
        const client = send(asHello(helloBytes({ [field]: 'x'.repeat(length) })));
        const { text } = await expectRefused(client, RefusalReason.INVALID, `hello.${field}`);
        // What is wrong is named, not repeated.
        expect(text.length).toBeLessThan(1_000);
      }
    });

    it.each(OTHERS)('%s is too long, or is none', async (field) => {
      for (const value of ['x'.repeat(60_000), 'no such thing!', 'a\u0000b', 'a\u202eb', 'ÄÖÜ']) {
        const client = send(asHello(helloBytes({ [field]: value })));
        const { text } = await expectRefused(client, RefusalReason.INVALID, `hello.${field}`);
        expect(text.length).toBeLessThan(1_000);
        // eslint-disable-next-line no-control-regex -- they are what must not be there
        expect(text).not.toMatch(/[\u0000-\u001f\u202a-\u202e]/u);
      }
    });

    it.each(NAMES.flatMap((field) => HIDDEN.map(([what, value]) => [field, what, value] as const)))(
      '%s has %s',
      async (field, _, value) => {
        const client = send(asHello(helloBytes({ [field]: value })));
        await expectRefused(client, RefusalReason.INVALID, `hello.${field}`);
      },
    );

    it('a hello that is much too large is refused before it is read', async () => {
      for (const length of [70_000, 1_000_000]) {
        const client = send(asHello(helloBytes({ user: 'x'.repeat(length) })));
        await expectRefused(client, RefusalReason.INVALID, /message has \d+ bytes; at most \d+/);
      }
    });

    it('a name may be in any writing', async () => {
      const names = ['Ægir Þórðarson', 'יעל כהן', 'محمد علي', '王小明', '🦉 Eule', 'x'.repeat(200)];
      for (const name of names) {
        const client = send(asHello(helloBytes({ user: name, display_name: name })));
        await client.until('welcome');
        client.say({ $case: 'goodbye', value: {} });
        await client.over;
      }
    });

    it('a resume token of somewhere else is none', async () => {
      for (const token of ['x'.repeat(60_000), 'a\u0000b', `${'s-aaaaaaaaaaaaaaaa'}.${'A'.repeat(43)}`]) {
        const client = send(asHello(helloBytes({ resume_token: token })));
        expect((await client.until('welcome')).session).not.toBe('s-aaaaaaaaaaaaaaaa');
        client.say({ $case: 'goodbye', value: {} });
        await client.over;
      }
    });

    it('everything that is wrong is named at once', async () => {
      const client = door.attach({ installation: '', user: '', version: 'new', host: '?', clientKind: 'phone' });
      const { text } = await expectRefused(client, RefusalReason.INVALID, 'hello.installation');
      for (const field of ['user', 'version', 'host', 'client_kind']) expect(text).toContain(`hello.${field}`);
    });
  });

  describe('bytes', () => {
    it.each(NEEDED)('%s is a number on the wire', async (field) => {
      const hello = Buffer.concat([without(field), varintField(FIELDS[field], 7)]);
      await expectRefused(send(asHello(hello)), RefusalReason.INVALID, `hello.${field}`);
    });

    it.each(NEEDED)('%s is a double on the wire', async (field) => {
      const hello = Buffer.concat([without(field), tag(FIELDS[field], WIRE.fixed64), Buffer.alloc(8, 1)]);
      await expectRefused(send(asHello(hello)), RefusalReason.INVALID, `hello.${field}`);
    });

    it('the user is no UTF-8: what cannot be read is not let in under another name', async () => {
      const client = send(asHello(helloBytes({ user: Uint8Array.of(0xc3, 0x28, 0xff) })));
      const answer = await client.answer();
      if (answer === 'welcome') {
        // Shown as a replacement, which is no other user's name.
        client.say({ $case: 'goodbye', value: {} });
        await client.over;
      }
      expect(answer).not.toBe('cut');
    });

    it.each<readonly [string, Buffer]>([
      ['a length beyond the end', frame(bytesField(1, bytesField(2, 'ann', 4_000_000)))],
      ['a hello that is cut off', frame(bytesField(1, helloBytes({}), 5_000))],
      ['a wire type that does not exist', frame(bytesField(1, Buffer.concat([tag(2, WIRE.unknown), Buffer.alloc(4)])))],
      ['a group that does not end', frame(bytesField(1, Buffer.concat([tag(2, WIRE.group), tag(2, WIRE.group)])))],
      ['a varint without end', frame(Buffer.alloc(64, 0xff))],
      ['field number zero', frame(bytesField(1, Buffer.concat([tag(0, WIRE.varint), varint(1)])))],
      ['noise', frame(Buffer.from('GET / HTTP/1.1\r\nHost: lastcall\r\n\r\n'))],
      ['a frame of 2 MiB', frame(bytesField(1, helloBytes({ user: 'x'.repeat(2 * 1024 * 1024) })))],
      ['a frame that says it has 4 GiB', Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3])],
    ])('%s', async (_, bytes) => {
      const client = send(bytes);
      const answer = await client.answer();
      expect(answer).toMatch(/^(refused|status \d+)$/);
      // OK would be the end of a session.
      expect(answer).not.toBe('status 0');
      expect(answer === 'refused' ? client.of('refused')[0]?.text : client.statusText).not.toBe('');
      expect(client.statusText.length).toBeLessThan(2_000);
      client.cut();
    });

    it('an empty message, another one first, and none in time', async () => {
      const text = /first message must be the hello/;
      await expectRefused(send(frame(Buffer.alloc(0))), RefusalReason.INVALID, text);
      await expectRefused(send(frame(bytesField(1, ''))), RefusalReason.INVALID, 'hello.user');
      await expectRefused(send(frame(varintField(1, 1))), RefusalReason.INVALID, text);
      await expectRefused(send(frame(bytesField(77, 'new'))), RefusalReason.INVALID, text);
      const early = door.attach();
      early.say({ $case: 'heartbeat', value: {} });
      await expectRefused(early, RefusalReason.INVALID, text);
      // Not for good: it may be the server that is slow.
      await expectRefused(door.attach(), RefusalReason.TOO_MANY, text);
    });

    it('fields that nobody knows are for a later version, and a second hello changes nothing', async () => {
      const client = send(asHello(Buffer.concat([helloBytes({}), bytesField(99, 'new'), varintField(100, 1)])));
      const { session } = await client.until('welcome');
      client.say({ $case: 'hello', value: sessionV1.Hello.fromPartial({ ...GOOD, user: 'eve' }) });
      client.say({ $case: 'heartbeat', value: {} });
      await client.until('heartbeat');
      const { sessions } = await replicas.first
        .client(sessionV1.SessionServiceService)
        .listSessions({ parent: `installations/${INSTALLATION}`, pageSize: 10, pageToken: '', user: '', host: '' });
      expect(sessions.map(({ name, user }) => [name.split('/').at(-1), user])).toContainEqual([session, 'ann']);
      expect(sessions.map(({ user }) => user)).not.toContain('eve');
      client.say({ $case: 'goodbye', value: {} });
      await client.over;
    });

    it.each([
      ['noise', frame(Buffer.alloc(64, 0xff)), /cannot be read/],
      ['a megabyte', frame(bytesField(2, bytesField(1, 'x'.repeat(1_000_000)))), /at most \d+ are allowed/],
    ])('%s from somebody who is inside ends that session only, which may come back', async (_, bytes, why) => {
      const client = door.attach(GOOD);
      const { session, resumeToken } = await client.until('welcome');
      client.write(bytes);
      const ended = await client.until('ended');
      expect(ended).toMatchObject({ reason: EndReason.CONNECTION, comeBack: true });
      expect(ended.text).toMatch(why);
      await client.over;
      const back = door.attach({ ...GOOD, resumeToken });
      expect((await back.until('welcome')).session).toBe(session);
      back.say({ $case: 'goodbye', value: {} });
      await back.over;
    });
  });

  describe('credentials', () => {
    const now = (): number => Math.floor(Date.now() / 1_000);
    const client = { sub: 'client', role: 'client', inst: INSTALLATION };
    const sign = (claims: object): string => signerOf(replicas.first.identityDir)({ ...client, ...claims });

    async function expectUnauthenticated(credential: string, text: RegExp): Promise<void> {
      const stream = door.attachAs(credential, GOOD);
      expect(await stream.answer()).toBe(`status ${UNAUTHENTICATED}`);
      expect(stream.statusText).toMatch(text);
    }

    it('none, nonsense, and one of another key', async () => {
      await expectUnauthenticated('', /credential/i);
      await expectUnauthenticated('nonsense', /credential/i);
      await expectUnauthenticated('x'.repeat(8_000), /credential/i);
      const stranger = generateKeyPairSync('ed25519').privateKey;
      await expectUnauthenticated(signToken(stranger, 'catalog', client), /credential/i);
    });

    it('expired, and not yet valid: a clock that is an hour off', async () => {
      await expectUnauthenticated(sign({ exp: now() - 3_600 }), /expired/i);
      await expectUnauthenticated(sign({ nbf: now() + 3_600 }), /nbf/);
    });

    it('revoked', async () => {
      const credential = sign({ jti: 'tok-revoked' });
      const inside = door.attachAs(credential, { ...GOOD, user: 'revoked' });
      await inside.until('welcome');
      const expiresAt = new Date(Date.now() + MINUTE_MS);
      const message = eventsV1.TokenRevoked.fromPartial({ token: 'tok-revoked', expiresAt });
      await replicas.first.publish('TokenRevoked', INSTALLATION, message);
      expect(await inside.until('ended')).toMatchObject({ reason: EndReason.REVOKED, comeBack: false });
      await expectUnauthenticated(credential, /revoked/i);
    });

    it('of another installation, and of one that nobody has heard of', async () => {
      const elsewhere = door.attachAs(sign({ inst: 'elsewhere' }), GOOD);
      await expectRefused(elsewhere, RefusalReason.NOT_PERMITTED, /not for the installation testing/);
      const unknown = door.attachAs(sign({ inst: undefined }), { ...GOOD, installation: 'nowhere' });
      await expectRefused(unknown, RefusalReason.NOT_PERMITTED, /nowhere is not known/);
    });
  });

  describe('sessions of others', () => {
    async function inside(user: string) {
      const client = door.attach({ ...GOOD, user });
      const { session, resumeToken } = await client.until('welcome');
      return { client, session, resumeToken };
    }
    async function leave(...clients: readonly LeanClient[]): Promise<void> {
      for (const client of clients) {
        client.say({ $case: 'goodbye', value: {} });
        await client.over;
      }
    }

    it('a stolen session id without its secret is a new session, and the owner stays', async () => {
      const owner = await inside('ann');
      const thief = door.attach({ ...GOOD, user: 'ann', resumeToken: `${owner.session}.${'A'.repeat(43)}` });
      expect((await thief.until('welcome')).session).not.toBe(owner.session);
      owner.client.say({ $case: 'heartbeat', value: {} });
      await owner.client.until('heartbeat');
      await leave(owner.client, thief);
    });

    it('a stolen resume token under another name is a new session, and the owner stays', async () => {
      const owner = await inside('ann');
      const thief = door.attach({ ...GOOD, user: 'eve', resumeToken: owner.resumeToken });
      expect((await thief.until('welcome')).session).not.toBe(owner.session);
      owner.client.say({ $case: 'heartbeat', value: {} });
      await owner.client.until('heartbeat');
      await leave(owner.client, thief);
    });

    it('a resume token that was used twice is one session, and one that is over is worth nothing', async () => {
      const { client, session, resumeToken } = await inside('ann');
      const again = door.attach({ ...GOOD, resumeToken });
      expect((await again.until('welcome')).session).toBe(session);
      expect((await client.until('ended')).reason).toBe(EndReason.REPLACED);
      await leave(again);
      await until(async () => (await replicas.count()) === 1, 'the session to be gone');
      const replayed = door.attach({ ...GOOD, resumeToken });
      expect((await replayed.until('welcome')).session).not.toBe(session);
      await leave(replayed);
    });
  });

  it('the clock of a client does not matter: what counts is the server time in each message', async () => {
    // A client says no time; what it hears is the server's, whatever it believes.
    const client = door.attach(GOOD);
    await client.until('welcome');
    client.say({ $case: 'heartbeat', value: {} });
    await client.until('heartbeat');
    for (const { serverAt, at } of client.heard) expect(Math.abs(at - serverAt)).toBeLessThan(HOUR_MS / 2);
    client.say({ $case: 'goodbye', value: {} });
    await client.over;
  });
}

describe('bad hellos, embedded', () => suite('embedded'));
describeWith('mongodb', 'bad hellos, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite('distributed'));
});
