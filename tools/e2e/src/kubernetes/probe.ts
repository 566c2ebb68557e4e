import type { Services } from '../world/services.js';

/*
 * Asks each service again and again through the public address, and remembers the longest time in which it had no answer: the pause that an
 * operator or an agent would see.
 */

export interface Probe {
  /** Longest time without an answer since the start or the last call of `restart`, ms, by service. */
  pauses(): Readonly<Record<string, number>>;
  restart(): void;
  stop(): Promise<void>;
}

const EVERY_MS = 250;

export function startProbe(services: Services, parent: string): Probe {
  const questions: Readonly<Record<string, () => Promise<unknown>>> = {
    catalog: () => services.catalog.getInstallation({ name: parent }),
    scheduler: () => services.scheduler.listRuns({ parent, pageSize: 1, pageToken: '', job: '' }),
    preflight: () => services.preflight.listBackups({ parent, pageSize: 1, pageToken: '' }),
    session: () => services.session.countSessions({ parent }),
    installer: () => services.installer.listHosts({ parent, pageSize: 1, pageToken: '' }),
  };
  const answeredAt = new Map<string, number>();
  const longest = new Map<string, number>();
  let stopped = false;

  const note = (service: string): void => {
    const now = performance.now();
    const pause = now - (answeredAt.get(service) ?? now);
    longest.set(service, Math.max(longest.get(service) ?? 0, pause));
  };
  const restart = (): void => {
    longest.clear();
    for (const service of Object.keys(questions)) answeredAt.set(service, performance.now());
  };
  const askOn = async (service: string, ask: () => Promise<unknown>): Promise<void> => {
    while (!stopped) {
      const answered = await ask().then(
        () => true,
        () => false,
      );
      if (answered) {
        note(service);
        answeredAt.set(service, performance.now());
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  };
  restart();
  const asking = Object.entries(questions).map(([service, ask]) => askOn(service, ask));
  return {
    restart,
    pauses: () => {
      for (const service of Object.keys(questions)) note(service);
      return Object.fromEntries([...longest].map(([service, ms]) => [service, Math.round(ms)]));
    },
    stop: async () => {
      stopped = true;
      await Promise.all(asking);
    },
  };
}
