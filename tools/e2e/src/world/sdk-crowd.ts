import { attachSession, type AttachedSession, type Channel } from '@lastcall/sdk';
import { VERSION } from './run-said.js';
import { INSTALLATION } from './services.js';

/* Many users with our SDK, several on each connection, and what each was told. */

export interface CrowdMember {
  readonly user: string;
  readonly session: AttachedSession;
  /** Ids of the session, each time it was let in. */
  readonly attached: readonly string[];
  /** Ids of the notices that were shown, each time one was. */
  readonly told: readonly string[];
  readonly logoffs: readonly string[];
  readonly refusals: readonly string[];
}

export interface SdkCrowd {
  readonly members: readonly CrowdMember[];
  /** Resolves when it holds for everybody. */
  everybody(holds: (member: CrowdMember) => boolean, what: string, timeoutMs?: number): Promise<void>;
  leave(): Promise<void>;
}

const PATIENCE_MS = 30_000;

/** Whose users they are, and with which version they come. */
export interface CrowdPlace {
  readonly installation: string;
  readonly version: string;
}

export function createSdkCrowd(
  size: number,
  channels: readonly Channel[],
  name = 'user',
  place: CrowdPlace = { installation: INSTALLATION, version: VERSION },
): SdkCrowd {
  const watchers = new Set<() => void>();
  const changed = (): void => watchers.forEach((look) => look());
  const members = Array.from({ length: size }, (_, i) => {
    return createMember(`${name}-${i}`, place, channels[i % channels.length], changed);
  });
  return {
    members,
    everybody: (holds, what, timeoutMs = PATIENCE_MS) =>
      new Promise((resolve, reject) => {
        const stop = (): void => {
          clearTimeout(timer);
          watchers.delete(look);
        };
        const look = (): void => {
          if (!members.every(holds)) return;
          stop();
          resolve();
        };
        const timer = setTimeout(() => {
          stop();
          const others = members.filter((member) => !holds(member));
          const [first] = others;
          const { attached, told, logoffs, refusals, session } = first ?? {};
          const state = JSON.stringify({ attached, told, logoffs, refusals, phase: session?.phase });
          reject(new Error(`${others.length} of ${size} not ${what} within ${timeoutMs} ms, such as ${state}`));
        }, timeoutMs);
        watchers.add(look);
        look();
      }),
    leave: async () => void (await Promise.all(members.map(({ session }) => session.goodbye()))),
  };
}

function createMember(user: string, place: CrowdPlace, channel: Channel | undefined, changed: () => void): CrowdMember {
  const attached: string[] = [];
  const told: string[] = [];
  const logoffs: string[] = [];
  const refusals: string[] = [];
  const note = (list: string[], what: string): void => {
    list.push(what);
    changed();
  };
  const session = attachSession({
    user,
    ...place,
    env: {},
    ...(channel && { channel }),
    onAttached: (id) => note(attached, id),
    onNotice: ({ id }) => note(told, id),
    onLogoff: (reason) => note(logoffs, reason),
    onRefused: (text, _at, { reason }) => note(refusals, `${reason}: ${text}`),
  });
  return { user, session, attached, told, logoffs, refusals };
}
