import { ended, endsInPeace, type Farewell } from './farewells.js';
import type { LocalSession } from './local-session.js';
import { encodeOnce } from './wire.js';

/*
 * The last word to many sessions at once, encoded once for those that save their work and once for those that do not.
 */

export class LastWords {
  private readonly encoded = new Map<string, Buffer>();

  constructor(
    private readonly now: number,
    private readonly saveTimeoutMs: number,
  ) {}

  /** Whether the session stays until its work is saved. */
  isWaitedFor({ stream, savesOnLogoff }: LocalSession, farewell: Farewell): boolean {
    return stream !== undefined && savesOnLogoff && this.saveTimeoutMs > 0 && endsInPeace(farewell);
  }

  to(session: LocalSession, farewell: Farewell): Buffer {
    const saveWithinMs = this.isWaitedFor(session, farewell) ? this.saveTimeoutMs : undefined;
    const key = `${farewell.reason}/${saveWithinMs}`;
    const bytes = this.encoded.get(key) ?? encodeOnce(ended(farewell, saveWithinMs), this.now);
    this.encoded.set(key, bytes);
    return bytes;
  }
}
