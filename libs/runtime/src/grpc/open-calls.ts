/*
 * Those who have to be told when the server stops. A set: an AbortSignal with ten thousand listeners looks at all of them for each
 * new one.
 */

export class OpenCalls {
  private readonly told = new Set<() => void>();
  private stopped = false;

  get isStopping(): boolean {
    return this.stopped;
  }

  /** `stop` is called once, at once if it is too late. Answers how to forget it. */
  add(stop: () => void): () => void {
    if (this.stopped) {
      stop();
      return () => undefined;
    }
    this.told.add(stop);
    return () => {
      this.told.delete(stop);
    };
  }

  stop(): void {
    this.stopped = true;
    for (const stop of [...this.told]) stop();
    this.told.clear();
  }
}
