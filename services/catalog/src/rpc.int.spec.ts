import { catalogV1, commonV1, eventsV1, identityV1, sessionV1 } from '@lastcall/contracts';
import { CallError, type UnaryClient } from '@lastcall/sdk';
import { describeWith, startStack, type Stack, type StackOptions } from '@lastcall/testkit';
import { catalogModule } from './service.js';

type Catalog = UnaryClient<typeof catalogV1.CatalogServiceService>;
type Tokens = UnaryClient<typeof identityV1.TokenServiceService>;

const { InstallationKind } = commonV1;

function berlin(more: Partial<catalogV1.Installation> = {}): catalogV1.Installation {
  return catalogV1.Installation.fromPartial({
    title: 'Berlin',
    product: 'encore',
    kind: InstallationKind.MULTI_USER,
    timeZone: 'Europe/Berlin',
    ...more,
  });
}

/** What a call was refused with. */
async function refusal(call: Promise<unknown>): Promise<CallError> {
  const error: unknown = await call.then(
    () => new Error('not refused'),
    (e: unknown) => e,
  );
  if (!(error instanceof CallError)) throw error;
  return error;
}

const fieldsOf = (error: CallError): string[] => error.violations.map((v) => v.field).toSorted();

function suite(options: Pick<StackOptions, 'bus' | 'store'>): void {
  let stack: Stack;
  let catalog: Catalog;
  let tokens: Tokens;

  beforeAll(async () => {
    stack = await startStack({ modules: [catalogModule], ...options });
    catalog = stack.client(catalogV1.CatalogServiceService);
    tokens = stack.client(identityV1.TokenServiceService);
    await catalog.createProduct({ productId: 'encore', product: catalogV1.Product.fromPartial({ title: 'Encore' }) });
  });
  afterAll(() => stack.stop());

  let count = 0;
  async function newInstallation(more: Partial<catalogV1.Installation> = {}): Promise<string> {
    const installationId = `i-${++count}`;
    await catalog.createInstallation({ installationId, installation: berlin(more) });
    return installationId;
  }
  const get = async (id: string): Promise<catalogV1.Installation> => {
    const { installation } = await catalog.getInstallation({ name: `installations/${id}` });
    if (!installation) throw new Error('no installation');
    return installation;
  };

  describe('products and channels', () => {
    it('are created once, listed in order and page by page', async () => {
      for (const productId of ['b', 'a', 'c']) {
        await catalog.createProduct({ productId, product: catalogV1.Product.fromPartial({ title: productId }) });
      }
      const first = await catalog.listProducts({ pageSize: 3, pageToken: '' });
      const second = await catalog.listProducts({ pageSize: 3, pageToken: first.nextPageToken });
      expect([...first.products, ...second.products].map((p) => p.name)).toEqual(
        ['a', 'b', 'c', 'encore'].map((id) => `products/${id}`),
      );
      expect(second.nextPageToken).toBe('');
      const product = catalogV1.Product.fromPartial({ title: 'Again' });
      expect(await refusal(catalog.createProduct({ productId: 'a', product }))).toMatchObject({
        code: 6,
        reason: 'PRODUCT_EXISTS',
      });
    });

    it('refuse what is wrong, every field at once', async () => {
      const product = catalogV1.Product.fromPartial({ title: 'x\u0000' });
      expect(fieldsOf(await refusal(catalog.createProduct({ productId: 'A b', product })))).toEqual([
        'product.title',
        'product_id',
      ]);
      expect(await refusal(catalog.getProduct({ name: 'products/../x' }))).toMatchObject({ code: 3 });
      expect(await refusal(catalog.getProduct({ name: 'products/unknown' }))).toMatchObject({ code: 5 });
      expect(await refusal(catalog.listProducts({ pageSize: 1_001, pageToken: '' }))).toMatchObject({ code: 3 });
      const forged = await refusal(catalog.listProducts({ pageSize: 1, pageToken: 'forged' }));
      expect(fieldsOf(forged)).toEqual(['page_token']);
    });

    it('begin with stable and preview, which hold nothing', async () => {
      const { channels } = await catalog.listChannels({ parent: 'products/encore' });
      expect(channels.map(({ name, version }) => [name, version])).toEqual([
        ['products/encore/channels/preview', ''],
        ['products/encore/channels/stable', ''],
      ]);
      const channel = { name: 'products/encore/channels/beta', version: '', etag: '' };
      expect(await refusal(catalog.updateChannel({ channel }))).toMatchObject({ reason: 'CHANNEL_NOT_FOUND' });
      const unpublished = { name: 'products/encore/channels/stable', version: '9.9.9', etag: '' };
      expect(await refusal(catalog.updateChannel({ channel: unpublished }))).toMatchObject({ code: 5 });
      const noVersion = { name: 'products/encore/channels/stable', version: 'new', etag: '' };
      expect(await refusal(catalog.updateChannel({ channel: noVersion }))).toMatchObject({ code: 3 });
    });
  });

  describe('installations', () => {
    it('are created with defaults, and said', async () => {
      const id = await newInstallation();
      expect(await get(id)).toMatchObject({ channel: 'stable', reactionTime: { seconds: 300n }, installedVersion: '' });
      const { message } = await stack.seen(
        'InstallationChanged',
        (m) => m.installation?.name === `installations/${id}`,
      );
      expect(message).toMatchObject({ deleted: false, installation: { timeZone: 'Europe/Berlin' } });
    });

    it('are created once', async () => {
      const installationId = await newInstallation();
      const again = catalog.createInstallation({ installationId, installation: berlin() });
      expect(await refusal(again)).toMatchObject({ code: 6, reason: 'INSTALLATION_EXISTS' });
    });

    it.each([
      ['an unknown product', { product: 'unknown' }, 'PRODUCT_NOT_FOUND'],
      ['an unknown channel', { channel: 'nightly' }, 'CHANNEL_NOT_FOUND'],
    ])('need what they follow: %s', async (_, more, reason) => {
      const request = { installationId: 'never', installation: berlin(more) };
      expect(await refusal(catalog.createInstallation(request))).toMatchObject({ code: 5, reason });
    });

    it('refuse what is wrong, every field at once', async () => {
      const installation = catalogV1.Installation.fromPartial({ timeZone: 'Mars/Olympus', holidays: ['2026-02-30'] });
      const error = await refusal(catalog.createInstallation({ installationId: '-', installation }));
      expect(fieldsOf(error)).toEqual([
        'installation.holidays[0]',
        'installation.kind',
        'installation.product',
        'installation.time_zone',
        'installation.title',
        'installation_id',
      ]);
      const nothing = catalog.createInstallation({ installationId: 'x', installation: undefined });
      expect(await refusal(nothing)).toMatchObject({ code: 3 });
    });

    it('are changed field by field under an etag', async () => {
      const id = await newInstallation();
      const before = await get(id);
      const change = { ...before, title: 'Mitte', timeZone: 'UTC' };
      const { installation } = await catalog.updateInstallation({ installation: change, updateMask: ['title'] });
      expect(installation).toMatchObject({ title: 'Mitte', timeZone: 'Europe/Berlin' });
      expect(installation?.etag).not.toBe(before.etag);
      const late = catalog.updateInstallation({ installation: { ...before, title: 'Late' }, updateMask: [] });
      expect(await refusal(late)).toMatchObject({ code: 10, reason: 'ETAG_MISMATCH' });
      expect((await get(id)).title).toBe('Mitte');
    });

    it('keep session settings, tell them, and clear them when the mask names them', async () => {
      const sessionPolicy = sessionV1.SessionPolicy.fromPartial({
        exemptUsers: ['ada'],
        announceBefore: [{ seconds: 3_600n }],
        templates: [{ kind: sessionV1.NoticeKind.LOGOFF, language: 'de', text: 'Bitte abmelden.' }],
        holds: { longest: { seconds: 600n }, needsApproval: true },
        reopeningRamp: { seconds: 0n },
      });
      const id = await newInstallation({ sessionPolicy });
      expect((await get(id)).sessionPolicy).toEqual(sessionPolicy);
      const name = `installations/${id}`;
      const said = await stack.seen('InstallationChanged', (m) => m.installation?.name === name);
      expect(said.message.installation?.sessionPolicy).toEqual(sessionPolicy);
      const title = { installation: berlin({ name, title: 'Mitte' }), updateMask: ['title'] };
      expect((await catalog.updateInstallation(title)).installation?.sessionPolicy).toEqual(sessionPolicy);
      const cleared = { installation: berlin({ name }), updateMask: ['session_policy'] };
      const { installation } = await catalog.updateInstallation(cleared);
      expect(installation?.sessionPolicy).toEqual(sessionV1.SessionPolicy.create());
    });

    it('keep one of two edits that were made at the same time', async () => {
      const id = await newInstallation();
      const before = await get(id);
      const edits = await Promise.allSettled(
        ['one', 'two'].map((title) =>
          catalog.updateInstallation({ installation: { ...before, title }, updateMask: [] }),
        ),
      );
      expect(edits.map((edit) => edit.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    });

    it('never change product and kind', async () => {
      const id = await newInstallation();
      const change = { ...(await get(id)), product: 'a', kind: InstallationKind.SINGLE_USER };
      const error = await refusal(catalog.updateInstallation({ installation: change, updateMask: ['title'] }));
      expect(fieldsOf(error)).toEqual(['installation.kind', 'installation.product']);
    });

    it('are deleted, said and created anew', async () => {
      const id = await newInstallation();
      const name = `installations/${id}`;
      expect(await refusal(catalog.deleteInstallation({ name, etag: '77' }))).toMatchObject({ code: 10 });
      await catalog.deleteInstallation({ name, etag: (await get(id)).etag });
      await stack.seen('InstallationChanged', (m) => m.deleted && m.installation?.name === name);
      expect(await refusal(catalog.getInstallation({ name }))).toMatchObject({ code: 5 });
      expect(await refusal(catalog.deleteInstallation({ name, etag: '' }))).toMatchObject({ code: 5 });
      const { installations } = await catalog.listInstallations({ pageSize: 0, pageToken: '', product: '' });
      expect(installations.map((i) => i.name)).not.toContain(name);
      await catalog.createInstallation({ installationId: id, installation: berlin({ title: 'Anew' }) });
      expect(await get(id)).toMatchObject({ title: 'Anew', hosts: [] });
    });

    it('are listed by product', async () => {
      await newInstallation({ product: 'c' });
      const { installations } = await catalog.listInstallations({ pageSize: 0, pageToken: '', product: 'c' });
      expect(installations.map((i) => i.product)).toEqual(['c']);
    });

    it('are seen by a client of that installation only', async () => {
      const [mine, other] = [await newInstallation(), await newInstallation()];
      const client = stack.client(catalogV1.CatalogServiceService, 'client', mine);
      expect((await client.getInstallation({ name: `installations/${mine}` })).installation?.title).toBe('Berlin');
      expect(await refusal(client.getInstallation({ name: `installations/${other}` }))).toMatchObject({ code: 7 });
      expect(await client.checkUpdate({ name: `installations/${mine}`, version: '' })).toMatchObject({
        reason: 'channel stable has no release',
      });
    });
  });

  describe('what is installed', () => {
    const key = Buffer.alloc(32, 7);
    const runOf = (installation: string, fence: number): commonV1.RunSpec =>
      commonV1.RunSpec.fromPartial({
        run: `r-${installation}-${fence}`,
        installation,
        type: commonV1.JobType.SOFTWARE_UPDATE,
        kind: InstallationKind.MULTI_USER,
        toVersion: '1.1.0',
        hosts: ['srv', 'ws'].map((host) => ({ host, role: commonV1.HostRole.SERVER, mayFollowLater: false })),
        fence,
        nominalTime: new Date(),
        startedAt: new Date(),
        deadline: new Date(),
      });
    async function join(installation: string, host: string, role: commonV1.HostRole): Promise<void> {
      const joined = { installation, host, role, publicKey: key, installedVersion: '1.0.0', platform: 'linux-x64' };
      await stack.publish('HostJoined', installation, eventsV1.HostJoined.fromPartial(joined));
      await stack.seen('InstalledReleaseChanged', (m) => m.installation === installation && host in m.hostVersions);
    }

    it('is learned from hosts and runs', async () => {
      const id = await newInstallation();
      await join(id, 'srv', commonV1.HostRole.SERVER);
      await join(id, 'ws', commonV1.HostRole.WORKSTATION);
      expect(await get(id)).toMatchObject({
        installedVersion: '1.0.0',
        hosts: [
          { host: 'srv', role: commonV1.HostRole.SERVER, version: '1.0.0', publicKey: key, mayFollowLater: false },
          { host: 'ws', role: commonV1.HostRole.WORKSTATION, version: '1.0.0', mayFollowLater: true },
        ],
      });
      const run = runOf(id, 1);
      const one = { run, host: 'srv', fromVersion: '1.0.0', toVersion: '1.1.0' };
      await stack.publish('HostUpdated', id, one);
      await stack.seen('InstalledReleaseChanged', (m) => m.installation === id && m.hostVersions['srv'] === '1.1.0');
      await stack.publish('InstallationUpdated', id, { run, absentHosts: ['ws'] });
      await stack.seen('InstalledReleaseChanged', (m) => m.installation === id && m.version === '1.1.0');
      expect((await get(id)).hosts.map((h) => h.version)).toEqual(['1.1.0', '1.0.0']);

      const next = runOf(id, 2);
      await stack.publish('HostUpdated', id, { run: next, host: 'srv', fromVersion: '1.1.0', toVersion: '1.2.0' });
      await stack.seen('InstalledReleaseChanged', (m) => m.installation === id && m.hostVersions['srv'] === '1.2.0');
      const rollback = eventsV1.InstallationRolledBack.fromPartial({ run: next, dataRestored: true });
      const { sequence } = (
        await stack.seen('InstalledReleaseChanged', (m) => m.installation === id && m.hostVersions['srv'] === '1.2.0')
      ).envelope;
      await stack.publish('InstallationRolledBack', id, rollback);
      await stack.seen('InstalledReleaseChanged', (m, e) => m.installation === id && e.sequence > sequence);
      expect(await get(id)).toMatchObject({
        installedVersion: '1.1.0',
        hosts: [{ version: '1.1.0' }, { version: '1.0.0' }],
      });
    });

    it('an unreadable host is a dead letter, and the next one is taken in', async () => {
      const id = await newInstallation();
      const bad = eventsV1.HostJoined.fromPartial({ installation: id, host: 'bad', publicKey: Buffer.alloc(3) });
      await stack.publish('HostJoined', id, bad);
      await join(id, 'good', commonV1.HostRole.SERVER);
      expect((await get(id)).hosts.map((h) => h.host)).toEqual(['good']);
    });
  });

  describe('tokens', () => {
    const { Role } = identityV1;
    const request = (more: Partial<identityV1.CreateTokenRequest> = {}): identityV1.CreateTokenRequest => ({
      subject: 'anna',
      role: Role.OPERATOR,
      installation: '',
      validDays: 0,
      ...more,
    });

    it('open the door until they are revoked', async () => {
      const { credential, token } = await tokens.createToken(request());
      expect(token).toMatchObject({ subject: 'anna', role: Role.OPERATOR });
      const days = ((token?.expireTime?.getTime() ?? 0) - (token?.createTime?.getTime() ?? 0)) / 86_400_000;
      expect(days).toBe(90);
      const anna = stack.channelWith(credential);
      const { createClient } = await import('@lastcall/sdk');
      const client = createClient(catalogV1.CatalogServiceService, anna);
      await client.listProducts({ pageSize: 0, pageToken: '' });

      const revoked = await tokens.revokeToken({ name: token?.name ?? '' });
      expect(revoked.token?.revokeTime).toBeDefined();
      expect((await tokens.revokeToken({ name: token?.name ?? '' })).token).toEqual(revoked.token);
      await stack.seen('TokenRevoked', (m) => `tokens/${m.token}` === token?.name);
      const denied = async (): Promise<CallError> => {
        for (;;) {
          const answer = await client.listProducts({ pageSize: 0, pageToken: '' }).catch((error: unknown) => error);
          if (answer instanceof CallError) return answer;
        }
      };
      expect(await denied()).toMatchObject({ code: 16, reason: 'CREDENTIAL_REVOKED' });
    });

    it('that were made without the catalog are listed too, newest first', async () => {
      await tokens.createToken(request({ subject: 'newest' }));
      const listed = (await tokens.listTokens({ pageSize: 0, pageToken: '' })).tokens;
      expect(listed.map((t) => t.subject)).toEqual(expect.arrayContaining(['newest', 'operator', 'service:session']));
      const times = listed.map((t) => t.createTime?.getTime() ?? 0);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
    });

    it('bound to an installation need one that is there', async () => {
      const unknown = tokens.createToken(request({ role: Role.CLIENT, installation: 'unknown' }));
      expect(await refusal(unknown)).toMatchObject({ code: 5 });
      const installation = await newInstallation();
      const { token } = await tokens.createToken(request({ role: Role.CLIENT, installation, validDays: 1 }));
      expect(token?.installation).toBe(installation);
    });

    it.each<[string, Partial<identityV1.CreateTokenRequest>, string]>([
      ['nobody', { subject: '' }, 'subject'],
      ['a service', { subject: 'service:catalog', role: Role.ADMIN }, 'subject'],
      ['an agent', { role: Role.AGENT }, 'role'],
      ['no role', { role: Role.UNSPECIFIED }, 'role'],
      ['more than ten years', { role: Role.VIEWER, validDays: 3_651 }, 'valid_days'],
      ['more than a year for an administrator', { role: Role.ADMIN, validDays: 367 }, 'valid_days'],
      ['more than a year for an operator', { role: Role.OPERATOR, validDays: 367 }, 'valid_days'],
      ['a client of everywhere', { role: Role.CLIENT }, 'installation'],
    ])('are not issued for %s', async (_, more, field) =>
      expect(fieldsOf(await refusal(tokens.createToken(request(more))))).toEqual([field]),
    );

    it('that are unknown cannot be revoked', async () =>
      expect(await refusal(tokens.revokeToken({ name: 'tokens/unknown' }))).toMatchObject({ code: 5 }));
  });
}

describe('catalog over SQLite and the embedded bus', () => suite({}));
describeWith('mongodb', 'catalog over MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite({ store: 'mongodb', bus: 'nats' }));
});
