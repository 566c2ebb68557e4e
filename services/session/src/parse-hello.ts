import { checkVersion, type sessionV1 } from '@lastcall/contracts';
import { checkId, checkText, collect, type Violation } from '@lastcall/kernel';

/* Who wants in, with every wrong field named at once. */

export interface Hello {
  readonly installation: string;
  readonly user: string;
  readonly displayName: string;
  readonly host: string;
  readonly version: string;
  readonly clientKind: string;
  readonly resume: { readonly session: string; readonly secret: string } | undefined;
  readonly firstStartCode: string;
}

const NAME = { min: 1, max: 200, lines: false } as const;
const LANGUAGE = /^[A-Za-z0-9-]{0,35}$/;
const CLIENT_KINDS = ['', 'desktop', 'terminal', 'web'];
const RESUME_TOKEN = /^(s-[a-z2-7]{16})\.([A-Za-z0-9_-]{43})$/;
const MAX_CODE_CHARS = 200;

export function parseHello(hello: sessionV1.Hello): Hello | readonly Violation[] {
  const { installation, user, displayName, host, version, clientKind, firstStartCode } = hello;
  const violations = collect(
    checkId('hello.installation', installation),
    checkText('hello.user', user, NAME),
    checkText('hello.display_name', displayName, { max: 200, lines: false }),
    host === '' ? undefined : checkId('hello.host', host),
    checkVersion('hello.version', version),
    CLIENT_KINDS.includes(clientKind) ? undefined : wrong('client_kind', 'must be desktop, terminal or web, or empty'),
    LANGUAGE.test(hello.language) ? undefined : wrong('language', 'is no BCP 47 language tag such as de or en-GB'),
    checkText('hello.first_start_code', firstStartCode, { max: MAX_CODE_CHARS, lines: false }),
  );
  if (violations.length > 0) return violations;
  const [, session, secret] = RESUME_TOKEN.exec(hello.resumeToken) ?? [];
  // A token of another system, or none, is no mistake: the client simply comes as a new session.
  const resume = session !== undefined && secret !== undefined ? { session, secret } : undefined;
  return { installation, user, displayName: displayName || user, host, version, clientKind, resume, firstStartCode };
}

export function resumeToken(session: string, secret: string): string {
  return `${session}.${secret}`;
}

function wrong(field: string, description: string): Violation {
  return { field: `hello.${field}`, description };
}
