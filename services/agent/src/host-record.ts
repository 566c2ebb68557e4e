import { reject, RejectedError, type HostRole } from '@lastcall/kernel';
import { existsSync, readFileSync } from 'node:fs';
import { writeFileDurably } from './files.js';
import type { Layout } from './layout.js';

/** What joining settled, kept in `agent.json`. */
export interface HostRecord {
  /** `host:port` of the services; empty for a seat that has none. */
  readonly address: string;
  /** Authority of the services' certificate (a PEM file); empty: plain text. */
  readonly tlsCaFile: string;
  /** Own certificate and its key (PEM files), where the services ask for one; absent: none is shown. Both or none. */
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  readonly installation: string;
  readonly host: string;
  readonly role: HostRole;
  readonly product: string;
  /** `http://host:port`, without a slash at the end. */
  readonly catalogUrl: string;
  /** More variables for the manifest's commands. */
  readonly env: Readonly<Record<string, string>>;
  /** Bytes a second that downloads may take together; absent: no limit. */
  readonly maxRate?: number;
  /** The same during the business hours of the installation. */
  readonly maxRateInHours?: number;
  /** Serves blobs to other hosts on this address, `host:port`; absent: to nobody. */
  readonly serve?: string;
  /** The host that is asked for blobs before the catalog, `http://host:port`. */
  readonly peer?: string;
  /** File of the keys that backups are encrypted with (mode 0600); absent: they are not. */
  readonly backupKeyFile?: string;
  /** Folder of the restore points; absent: `backups` in the data folder. */
  readonly backupsFolder?: string;
}

/** A single seat of its own works with signed files alone. */
export function hasServices({ address }: HostRecord): boolean {
  return address !== '';
}

export function writeHostRecord(layout: Layout, record: HostRecord): void {
  // Variables may hold passwords of the application.
  writeFileDurably(layout.record, `${JSON.stringify(record, null, 2)}\n`, 0o600);
}

export function readHostRecord(layout: Layout): HostRecord {
  if (!existsSync(layout.record)) {
    const message = `${layout.root} has not joined an installation: run "lastcall-agent join --data ${layout.root} --addr HOST:PORT --token TOKEN" first.`;
    throw new RejectedError(reject('not-found', 'NOT_JOINED', message));
  }
  try {
    return JSON.parse(readFileSync(layout.record, 'utf8')) as HostRecord;
  } catch (cause) {
    const message = `${layout.record} cannot be read (${(cause as Error).message}); join again with a new token.`;
    throw new RejectedError(reject('invalid', 'RECORD_UNREADABLE', message));
  }
}

/** `KEY=VALUE` arguments as one record. */
export function parseEnvironment(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, key, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(pair) ?? [];
      if (key === undefined || value === undefined || value.includes('\0')) throw new RejectedError(badPair(pair));
      return [key, value];
    }),
  );
}

function badPair(pair: string) {
  const message = `--env ${JSON.stringify(pair.slice(0, 80))} is not of the form KEY=VALUE (KEY: letters, digits and _).`;
  return reject('invalid', 'BAD_VARIABLE', message);
}
