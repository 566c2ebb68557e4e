import type { Channel } from '@lastcall/sdk';
import { setTimeout as delay } from 'node:timers/promises';
import { createSdkCrowd, type CrowdMember, type SdkCrowd } from '../world/sdk-crowd.js';
import type { Services } from '../world/services.js';

/*
 * Users who are attached the whole time and are told something every few seconds: each session has to stay the same, and each has
 * to hear each message once, whatever happens to the pods.
 */

export interface AttachedUsers {
  readonly crowd: SdkCrowd;
  /** Resolves when everybody is attached, and all that was said has been heard. */
  settled(timeoutMs: number): Promise<void>;
  findings(): AttachedFindings;
  leave(): Promise<void>;
}

export interface AttachedFindings {
  readonly sessions: number;
  /** Messages that were accepted. */
  readonly said: number;
  /** Sessions that came back under another id, or were ended. */
  readonly lost: number;
  /** Of an accepted message that a session did not hear. */
  readonly unheard: number;
  readonly heardTwice: number;
  readonly refused: number;
  /** Times that the message could not be sent at the first try. */
  readonly sendFailures: number;
}

const PER_CONNECTION = 50;
const SAY_EVERY_MS = 5_000;
const ATTACH_PATIENCE_MS = 180_000;

export interface AttachedOptions {
  readonly sessions: number;
  readonly installation: string;
  readonly version: string;
  readonly services: Services;
  openChannel(): Channel;
}

export async function attachUsers(options: AttachedOptions): Promise<AttachedUsers> {
  const channels = Array.from({ length: Math.ceil(options.sessions / PER_CONNECTION) }, () => options.openChannel());
  const crowd = createSdkCrowd(options.sessions, channels, 'crowd', options);
  await crowd.everybody(({ attached }) => attached.length > 0, 'attached', ATTACH_PATIENCE_MS);
  const said: string[] = [];
  let sendFailures = 0;
  let over = false;
  const speak = async (): Promise<void> => {
    for (let i = 1; !over; i++) {
      const request = { parent: `installations/${options.installation}`, text: `Message ${i}.` };
      await options.services.session.sendNotice(request).then(
        ({ notice }) => said.push(notice?.notice ?? ''),
        () => sendFailures++,
      );
      await delay(SAY_EVERY_MS);
    }
  };
  const speaking = speak();
  const heardAll = ({ told }: CrowdMember): boolean => said.every((notice) => told.includes(notice));
  return {
    crowd,
    settled: async (timeoutMs) => {
      await crowd.everybody(({ session }) => session.phase === 'attached', 'attached', timeoutMs);
      await crowd.everybody(heardAll, 'told of everything', timeoutMs);
    },
    findings: () => ({ sessions: options.sessions, said: said.length, sendFailures, ...troubles(crowd, said) }),
    leave: async () => {
      over = true;
      await speaking;
      await crowd.leave();
      for (const channel of channels) channel.close();
    },
  };
}

function troubles({ members }: SdkCrowd, said: readonly string[]) {
  const count = (of: (member: CrowdMember) => number): number => members.reduce((sum, member) => sum + of(member), 0);
  return {
    lost: count(({ attached, logoffs }) => new Set(attached).size - 1 + logoffs.length),
    unheard: count(({ told }) => said.filter((notice) => !told.includes(notice)).length),
    heardTwice: count(({ told }) => told.length - new Set(told).size),
    refused: count(({ refusals }) => refusals.length),
  };
}
