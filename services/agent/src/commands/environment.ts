import { delimiter, dirname } from 'node:path';
import type { HostRecord } from '../host-record.js';
import type { Layout } from '../layout.js';

/*
 * The environment of the manifest's commands: small and the same on every host, so that a command that works once works everywhere.
 * README.md has the list. Nothing else of the agent's own environment is passed on.
 */

export interface CommandContext {
  readonly layout: Layout;
  readonly record: HostRecord;
  /** Version whose command runs. */
  readonly version: string;
  /** Version that was installed before; empty for none. */
  readonly fromVersion: string;
  readonly treeDir: string;
  /** What this command alone gets. */
  readonly more?: Readonly<Record<string, string>>;
}

const PASSED_ON = ['HOME', 'LANG', 'TZ', 'TMPDIR', 'SystemRoot', 'USERPROFILE', 'TEMP'];

export function commandEnvironment(
  context: CommandContext,
  own: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const { layout, record } = context;
  const passedOn = PASSED_ON.flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]] as const]));
  const path = record.env['PATH'] ?? own['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  return {
    ...Object.fromEntries(passedOn),
    ...record.env,
    // The agent's own Node is the one that a manifest's `node` finds.
    PATH: `${dirname(process.execPath)}${delimiter}${path}`,
    LASTCALL_PRODUCT: record.product,
    LASTCALL_VERSION: context.version,
    LASTCALL_FROM_VERSION: context.fromVersion,
    LASTCALL_INSTALLATION: record.installation,
    LASTCALL_HOST: record.host,
    LASTCALL_ROLE: record.role,
    LASTCALL_APP_DIR: context.treeDir,
    LASTCALL_CURRENT_DIR: layout.current,
    LASTCALL_DATA_DIR: layout.data,
    LASTCALL_ADDR: record.address,
    ...(record.tlsCaFile !== '' && { LASTCALL_TLS_CA_FILE: record.tlsCaFile }),
    // They run as the agent's own user, who can read the key.
    ...(record.tlsCertFile && { LASTCALL_TLS_CERT_FILE: record.tlsCertFile }),
    ...(record.tlsKeyFile && { LASTCALL_TLS_KEY_FILE: record.tlsKeyFile }),
    ...context.more,
  };
}

/** `${NAME}` in an address of a health check stands for a variable of the host. */
export function fillIn(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{([A-Z_][A-Z0-9_]*)\}/g, (_, name: string) => env[name] ?? '');
}
