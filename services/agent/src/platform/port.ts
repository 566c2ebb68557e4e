/*
 * What differs between operating systems, as the agent sees it. Whoever implements it asks the system's own tools with constant arguments: what
 * comes from outside is a checked name, or stands in the environment.
 */

export interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  /** Path of the program; empty where it may not be seen. */
  readonly executable: string;
}

export type ServiceState =
  | { readonly kind: 'running'; readonly pid: number }
  | { readonly kind: 'stopped' }
  /** The system does not know it. */
  | { readonly kind: 'absent' };

export interface Platform {
  readonly system: NodeJS.Platform;
  /** All that this user may see. */
  processes(signal: AbortSignal): Promise<readonly RunningProcess[]>;
  /** Of the system's service manager. */
  service(name: string, signal: AbortSignal): Promise<ServiceState>;
  startService(name: string, signal: AbortSignal): Promise<void>;
  stopService(name: string, signal: AbortSignal): Promise<void>;
  /** Leads a link to another folder. Interrupted anywhere, the link leads to the old folder or to the new one after the next call. */
  pointTo(link: string, folder: string): Promise<void>;
  /** Puts right what an interruption left, before anybody asks where the link leads. */
  settleLink(link: string): Promise<void>;
  /** A picture of the volume as it is now, by its name; undefined where the system has none to offer. */
  snapshot(volume: string, signal: AbortSignal): Promise<string | undefined>;
}

/** Runs a tool and answers what it wrote; rejects when it does not end with 0. */
export type RunTool = (
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  env?: Readonly<Record<string, string>>,
) => Promise<string>;

/** A name that no tool can read as anything else. Throws otherwise. */
export function checkServiceName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) return name;
  throw new Error(`${JSON.stringify(name.slice(0, 100))} is no name of a service: letters, digits, ".", "_" and "-"`);
}
