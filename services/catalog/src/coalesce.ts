/*
 * The same work for the same key, one after the other. Whoever asks while it is under way gets the next round, which begins after the
 * question and is shared by all who ask meanwhile: a burst of a thousand events costs two rounds, not a thousand.
 */

export function coalesced(work: (key: string) => Promise<void>): (key: string) => Promise<void> {
  const running = new Map<string, Promise<void>>();
  const waiting = new Map<string, Promise<void>>();
  const begin = (key: string): Promise<void> => {
    const round = work(key).finally(() => running.delete(key));
    running.set(key, round);
    return round;
  };
  return (key) => {
    const next = waiting.get(key);
    if (next) return next;
    const now = running.get(key);
    if (!now) return begin(key);
    // How this round ends is the business of those who asked for it.
    const ended = now.catch(() => undefined);
    const round = ended.then(() => {
      waiting.delete(key);
      return begin(key);
    });
    waiting.set(key, round);
    return round;
  };
}
