/*
 * Those who have to be told when the server stops. A set: an AbortSignal with ten thousand listeners looks at all of them for each
 * new one.
 */

export interface OpenCall {
  /** Called once. */
  stop(): void;
}

export class OpenCalls {
  private readonly calls = new Set<OpenCall>();
  private stopped = false;

  get isStopping(): boolean {
    return this.stopped;
  }

  /** Stops it at once if it is too late. */
  add(call: OpenCall): void {
    if (this.stopped) call.stop();
    else this.calls.add(call);
  }

  forget(call: OpenCall): void {
    this.calls.delete(call);
  }

  stop(): void {
    this.stopped = true;
    for (const call of [...this.calls]) call.stop();
    this.calls.clear();
  }
}
