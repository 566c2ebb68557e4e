import { checkVersion, type sessionV1 } from '@lastcall/contracts';
import { checkId, checkText, collect, type Violation } from '@lastcall/kernel';

/* Who wants in, with every wrong field named at once. */

export interface Hello {
  readonly installation: string;
  readonly user: string;
  readonly displayName: string;
  readonly language: string;
  readonly host: string;
  readonly version: string;
  readonly clientKind: string;
  readonly resume: { readonly session: string; readonly secret: string } | undefined;
  readonly firstStartCode: string;
  readonly savesOnLogoff: boolean;
  /** 0: not said. */
  readonly attempt: number;
}

const NAME = { min: 1, max: 200, lines: false } as const;
const LANGUAGE = /^[A-Za-z0-9-]{0,35}$/;
const CLIENT_KINDS = ['', 'desktop', 'terminal', 'web'];
const RESUME_TOKEN = /^(s-[a-z2-7]{16})\.([A-Za-z0-9_-]{43})$/;
const MAX_CODE_CHARS = 200;

export function parseHello(hello: sessionV1.Hello): Hello | readonly Violation[] {
  const { installation, user, displayName, language, host, version, clientKind } = hello;
  const { firstStartCode, savesOnLogoff } = hello;
  const violations = collect(
    checkId('hello.installation', installation),
    checkName('hello.user', user, NAME),
    checkName('hello.display_name', displayName, { max: 200, lines: false }),
    host === '' ? undefined : checkId('hello.host', host),
    checkVersion('hello.version', version),
    CLIENT_KINDS.includes(clientKind) ? undefined : wrong('client_kind', 'must be desktop, terminal or web, or empty'),
    checkTag('hello.language', language),
    checkText('hello.first_start_code', firstStartCode, { max: MAX_CODE_CHARS, lines: false }),
  );
  if (violations.length > 0) return violations;
  const [, session, secret] = RESUME_TOKEN.exec(hello.resumeToken) ?? [];
  // A token of another system, or none, is no mistake: the client simply comes as a new session.
  const resume = session !== undefined && secret !== undefined ? { session, secret } : undefined;
  const named = { user, displayName: displayName || user, language };
  const attempt = Number(hello.attempt);
  return { installation, ...named, host, version, clientKind, resume, firstStartCode, savesOnLogoff, attempt };
}

/** Empty is right: the installation's language. */
export function checkTag(field: string, language: string): Violation | undefined {
  if (LANGUAGE.test(language)) return undefined;
  return { field, description: 'is no BCP 47 language tag such as de or en-GB' };
}

export function resumeToken(session: string, secret: string): string {
  return `${session}.${secret}`;
}

/** Halves of characters, what could not be decoded, and a mark of direction that texts may need and names do not. */
const BROKEN = /[\p{Cs}\ufffd\u061c]/u;

function checkName(field: string, name: string, limits: Parameters<typeof checkText>[2]): Violation | undefined {
  const hidden = checkText(field, name, limits);
  const broken = hidden ? null : BROKEN.exec(name);
  if (!broken) return hidden;
  const code = broken[0].codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
  return { field, description: `contains U+${code} at position ${broken.index + 1}, which is no character of a name` };
}

function wrong(field: string, description: string): Violation {
  return { field: `hello.${field}`, description };
}
