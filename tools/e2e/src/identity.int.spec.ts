import { catalogModule } from '@lastcall/catalog';
import { PERMISSIONS, ROLE_NAMES, type MethodDefinition, type Permission, type RoleName } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { signAgentToken, startStack, type Stack } from '@lastcall/testkit';
import type { KeyObject } from 'node:crypto';
import { badCredentials } from './edge-walk/credentials.js';
import { expectedVerdict, type Caller, type Verdict } from './edge-walk/expected-verdict.js';
import { METHODS, methodsInProtos, nameOf, requestAbout } from './edge-walk/methods.js';
import { realVerdict, type RealVerdict } from './edge-walk/real-verdict.js';
import { addInstallations, INSTALLATIONS, type Named } from './edge-walk/two-installations.js';

/*
 * Identity on every edge: each method of each service, and each route, called with each kind of credential there is. What comes
 * out is what the permission table says; what is not in the table is denied.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const ROUTES = [...PERMISSIONS.keys()].filter((key) => !key.startsWith('/'));

/** A line for each call that went another way; empty when all is right. */
type Differences = readonly string[];

describe('every edge', () => {
  let stack: Stack;
  let hostKeys: Readonly<Record<Named, KeyObject>>;
  beforeAll(async () => {
    stack = await startStack({ modules: MODULES });
    hostKeys = await addInstallations(stack);
  });
  afterAll(() => stack.stop());

  /** Everybody who has a good credential. A host's is always of its installation. */
  function callers(): readonly (readonly [string, Caller, string])[] {
    const all = ROLE_NAMES.flatMap((role) => [...INSTALLATIONS, undefined].map((bound) => ({ role, bound })));
    const real = all.filter(({ role, bound }) => role !== 'agent' || bound !== undefined);
    return real.map((caller) => [`${caller.role} of ${caller.bound ?? 'all'}`, caller, credentialOf(caller)]);
  }

  function credentialOf({ role, bound }: { role: RoleName; bound: Named | undefined }): string {
    if (role !== 'agent' || bound === undefined) return stack.token(role, bound);
    return signAgentToken(hostKeys[bound], bound, 'srv');
  }

  async function walk(
    methods: readonly MethodDefinition[],
    who: string,
    credential: string,
    expect: (method: MethodDefinition) => Verdict,
    about: Named = 'one',
  ): Promise<Differences> {
    const channel = stack.channelWith(credential);
    const different: string[] = [];
    for (const method of methods) {
      const real: RealVerdict = await realVerdict(channel, method, requestAbout(method, about));
      const expected = expect(method);
      if (real !== expected) different.push(`${who} at ${method.path}: ${real} instead of ${expected}`);
    }
    channel.close();
    return different;
  }

  /** A host's stream is always about the host itself. */
  const aboutOf = (method: MethodDefinition, { bound }: Caller): string | undefined =>
    nameOf(method) === 'Connect' ? bound : 'one';

  it('is in the table with each of its methods, and the table has no other', () => {
    const paths = METHODS.map((method) => method.path);
    expect(new Set(paths).size).toBe(paths.length);
    expect(paths.toSorted()).toEqual([...methodsInProtos()].toSorted());
    const table = [...PERMISSIONS.keys()].filter((key) => key.startsWith('/'));
    expect(table.toSorted()).toEqual(paths.toSorted());
  });

  it('asks each request for its installation where the table wants one', () => {
    const named = METHODS.filter((method) => PERMISSIONS.get(method.path)?.scope === 'installation');
    // JSON has no word for the large numbers of some.
    const text = (request: unknown) => JSON.stringify(request, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v));
    const without = named.filter((method) => !text(requestAbout(method, 'one')).includes('installations/one'));
    expect(without.map((method) => method.path)).toEqual([]);
  });

  it('lets in and denies as the table says, each method with each role, bound and unbound', async () => {
    const different: string[] = [];
    for (const [who, caller, credential] of callers()) {
      const expected = (method: MethodDefinition): Verdict =>
        expectedVerdict(PERMISSIONS.get(method.path), caller, aboutOf(method, caller));
      different.push(...(await walk(METHODS, who, credential, expected)));
    }
    expect(different).toEqual([]);
  });

  it('turns away whoever has no credential or a bad one, at each method', async () => {
    const expected = (method: MethodDefinition): Verdict =>
      expectedVerdict(PERMISSIONS.get(method.path), undefined, 'one');
    const different: string[] = [];
    for (const [what, credential] of Object.entries(badCredentials(stack))) {
      different.push(...(await walk(METHODS, what, credential, expected)));
    }
    expect(different).toEqual([]);
  });

  it('denies a method that is not in the table, to everybody', async () => {
    const table = PERMISSIONS as Map<string, Permission>;
    const kept = [...table];
    const guarded = METHODS.filter((method) => PERMISSIONS.get(method.path)?.scope !== 'public');
    try {
      for (const { path } of guarded) table.delete(path);
      const different: string[] = [];
      for (const [who, , credential] of callers()) {
        different.push(...(await walk(guarded, who, credential, () => 'denied')));
      }
      expect(different).toEqual([]);
    } finally {
      table.clear();
      for (const [path, permission] of kept) table.set(path, permission);
    }
  });

  it('denies a request that names two installations to whoever is bound to one of them', async () => {
    const twice = METHODS.filter((method) => ['CreateJob', 'AdviseJob'].includes(nameOf(method)));
    for (const bound of INSTALLATIONS) {
      const channel = stack.channel('admin', bound);
      for (const method of twice) {
        const request = { ...requestAbout(method, 'one'), ...withJobOf('two') };
        expect([method.path, await realVerdict(channel, method, request)]).toEqual([method.path, 'denied']);
      }
    }
    expect(twice).toHaveLength(2);
  });

  it('says nothing to anybody at an address that does not exist', async () => {
    const [method] = METHODS;
    if (!method) throw new Error('no methods');
    const unknown = { ...method, path: '/lastcall.catalog.v1.CatalogService/DropEverything' };
    expect(await realVerdict(stack.channel('admin'), unknown, requestAbout(method, 'one'))).toContain('broken: 12');
  });

  describe('over HTTP', () => {
    const NOTHING = '0'.repeat(64);

    async function verdictAt(route: string, authorization: string): Promise<RealVerdict> {
      const [method = '', path = ''] = route.split(' ');
      const headers: Record<string, string> = authorization === '' ? {} : { authorization };
      const body = method === 'PUT' ? { body: 'not what its name says' } : {};
      const response = await fetch(stack.httpUrl + path.replace('*', NOTHING), { method, headers, ...body });
      await response.arrayBuffer();
      if (response.status === 401) return 'unauthenticated';
      if (response.status === 403) return 'denied';
      return response.status >= 500 || response.status === 405 ? `broken: ${response.status}` : 'let in';
    }

    it('is in the table with each of its routes', async () => {
      expect(ROUTES.length).toBeGreaterThan(0);
      for (const path of ['/tuf/x', `/blobs/${NOTHING}`]) {
        for (const method of ['GET', 'PUT', 'POST', 'DELETE', 'PATCH']) {
          const route = `${method} ${path.replace(/[^/]*$/, '*')}`;
          const { status } = await fetch(stack.httpUrl + path, { method });
          expect([route, status]).toEqual([route, PERMISSIONS.has(route) ? 401 : 405]);
        }
      }
    });

    it('lets in and denies as the table says', async () => {
      const different: string[] = [];
      for (const route of ROUTES) {
        for (const [who, caller, credential] of callers()) {
          const expected = expectedVerdict(PERMISSIONS.get(route), caller, undefined);
          const real = await verdictAt(route, `Bearer ${credential}`);
          if (real !== expected) different.push(`${who} at ${route}: ${real} instead of ${expected}`);
        }
        for (const [what, credential] of Object.entries(badCredentials(stack))) {
          const real = await verdictAt(route, credential === '' ? '' : `Bearer ${credential}`);
          if (real !== 'unauthenticated') different.push(`${what} at ${route}: ${real}`);
        }
        const basic = `Basic ${Buffer.from('admin:admin').toString('base64')}`;
        expect(await verdictAt(route, basic)).toBe('unauthenticated');
      }
      expect(different).toEqual([]);
    });
  });
});

function withJobOf(installation: string): object {
  const [method] = METHODS.filter((m) => nameOf(m) === 'UpdateJob');
  return method ? { job: requestAbout(method, installation)['job'] } : {};
}
