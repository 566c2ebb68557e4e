import { setTimeout as delay } from 'node:timers/promises';
import { createCuttableLine } from '../world/cuttable-line.js';
import type { Kubectl } from './kubectl.js';
import { internalAddressOfANode } from './public-edge.js';

/* A MongoDB beside the cluster, reached by the pods through this machine: its line can be cut. */

export interface ForwardedMongodb {
  /** As pods reach it. */
  readonly url: string;
  /** Undefined for one that pods reach by themselves. */
  readonly cut: ((forMs: number) => Promise<void>) | undefined;
  remove(): Promise<void>;
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export async function forwardMongodb(kubectl: Kubectl, url: string): Promise<ForwardedMongodb> {
  if (!LOOPBACK.test(new URL(url).hostname)) return { url, cut: undefined, remove: () => Promise.resolve() };
  const host = await internalAddressOfANode(kubectl);
  const line = await createCuttableLine(url, host);
  return {
    url: line.url,
    cut: async (forMs) => {
      await line.cut();
      await delay(forMs);
      await line.mend();
    },
    remove: () => line.remove(),
  };
}
