/* What has to be looked at again and again while calls are open, with one timer for all of them. */

export interface RegularLooks {
  /** Answers how to forget it. */
  add(look: () => void): () => void;
}

export function createRegularLooks(everyMs: number): RegularLooks {
  const looks = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;
  return {
    add: (look) => {
      looks.add(look);
      timer ??= setInterval(() => {
        for (const each of [...looks]) each();
      }, everyMs).unref();
      return () => {
        looks.delete(look);
        if (looks.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
  };
}
