import { catalogModule } from '@lastcall/catalog';
import { createProgram, type Io } from '@lastcall/cli';
import { catalogV1, commonV1, identityV1, operationsV1 } from '@lastcall/contracts';
import { CallError, createClient, type UnaryClient } from '@lastcall/sdk';
import { startStack, type Stack } from '@lastcall/testkit';
import { Screen } from './command-line.js';
import { CLIENT, startOidcProvider, type OidcProvider } from './oidc-provider.js';

/* A catalog whose people sign in at a real provider, and commands of theirs. */

export interface SignInSite {
  readonly provider: OidcProvider;
  readonly stack: Stack;
  /** Newest first. */
  audit(): Promise<readonly operationsV1.AuditRecord[]>;
  stop(): Promise<void>;
}

export const ROLES = 'lastcall-admins=admin, berlin-ops=operator@berlin, gone-ops=operator@gone';

/** With the installations `berlin` and `munich`; credentials hold for an hour. */
export async function startSignInSite(people: OidcProvider['people']): Promise<SignInSite> {
  const provider = await startOidcProvider();
  Object.assign(provider.people, people);
  const settings = { oidcIssuer: provider.issuer, oidcClientId: CLIENT, oidcRoles: ROLES, oidcValidMinutes: 60 };
  const stack = await startStack({ modules: [catalogModule], settings });
  await addInstallations(stack);
  const operations = stack.client(operationsV1.OperationsServiceService);
  return {
    provider,
    stack,
    audit: async () => {
      const request = operationsV1.ListAuditRecordsRequest.fromPartial({ pageSize: 1_000, ownProcess: true });
      return (await operations.listAuditRecords(request)).auditRecords;
    },
    stop: async () => {
      await stack.stop();
      await provider.stop();
    },
  };
}

async function addInstallations(stack: Stack): Promise<void> {
  const catalog = stack.client(catalogV1.CatalogServiceService);
  await catalog.createProduct({ productId: 'encore', product: catalogV1.Product.fromPartial({ title: 'Encore' }) });
  for (const installationId of ['berlin', 'munich']) {
    const kind = commonV1.InstallationKind.MULTI_USER;
    const settings = { title: installationId, product: 'encore', kind, timeZone: 'UTC' };
    await catalog.createInstallation({ installationId, installation: catalogV1.Installation.fromPartial(settings) });
  }
}

type Tokens = UnaryClient<typeof identityV1.TokenServiceService>;

export interface Caller {
  readonly tokens: Tokens;
  /** What a call is refused with; fails when it is not. */
  refusal(call: (tokens: Tokens) => Promise<unknown>): Promise<CallError>;
}

/** Without a credential where it is empty. */
export function callerOn(stack: Stack, credential: string): Caller {
  const tokens = createClient(identityV1.TokenServiceService, stack.channelWith(credential));
  return {
    tokens,
    refusal: async (call) => {
      const error: unknown = await call(tokens).then(
        () => new Error('not refused'),
        (e: unknown) => e,
      );
      if (!(error instanceof CallError)) throw error;
      return error;
    },
  };
}

export interface Command {
  readonly out: Screen;
  readonly err: Screen;
  /** Exit code. */
  readonly ended: Promise<number>;
  /** What `lastcall login` asks its person to do. */
  asksFor(): Promise<{ readonly page: string; readonly code: string }>;
  stop(): void;
}

export function startCommand(env: Readonly<Record<string, string>>, args: readonly string[]): Command {
  const [out, err] = [new Screen(), new Screen()];
  const stopped = Promise.withResolvers<void>();
  const io: Io = { env, out, err, isTerminal: false, columns: () => 120, stopped: () => stopped.promise };
  const ended = createProgram(io).run(args);
  return {
    out,
    err,
    ended,
    stop: () => stopped.resolve(),
    asksFor: async () => {
      await Promise.race([ended, out.shows('Enter it only if')]);
      const [, page, code] = /Open (\S+) in a browser and enter the code (\S+)/.exec(out.text) ?? [];
      if (!page || !code) throw new Error(`it ended: ${err.text}`);
      return { page, code };
    },
  };
}

/** What a command wrote; fails when it did. */
export async function outputOf(command: Command): Promise<string> {
  if ((await command.ended) !== 0) throw new Error(command.err.text);
  return command.out.text;
}
