import type { InstallationFacts } from './domain/installation.js';
import { ended, endsInPeace, type Farewell } from './farewells.js';
import type { LocalSession } from './local-session.js';
import { textOf } from './notices/phrase-text.js';
import { phraseLanguage } from './notices/readers.js';
import { encodeOnce } from './wire.js';

/*
 * The last word to many sessions at once, encoded once for each language, for those that save their work and those that do not.
 */

export interface LastWordsOptions {
  readonly now: number;
  readonly saveTimeoutMs: number;
  readonly factsOf: (installation: string) => InstallationFacts | undefined;
}

export class LastWords {
  private readonly encoded = new Map<Farewell, Map<string, Buffer>>();

  constructor(private readonly options: LastWordsOptions) {}

  /** Whether the session stays until its work is saved. */
  isWaitedFor({ stream, savesOnLogoff }: LocalSession, farewell: Farewell): boolean {
    return stream !== undefined && savesOnLogoff && this.options.saveTimeoutMs > 0 && endsInPeace(farewell);
  }

  to(session: LocalSession, farewell: Farewell): Buffer {
    const { now, saveTimeoutMs, factsOf } = this.options;
    const saveWithinMs = this.isWaitedFor(session, farewell) ? saveTimeoutMs : undefined;
    const facts = factsOf(session.installation);
    const key = `${phraseLanguage(session.language, facts)} ${saveWithinMs}`;
    const byReader = this.encoded.get(farewell) ?? new Map<string, Buffer>();
    this.encoded.set(farewell, byReader);
    let bytes = byReader.get(key);
    if (!bytes) {
      bytes = encodeOnce(ended(farewell, textOf(farewell.words, session.language, facts), saveWithinMs), now);
      byReader.set(key, bytes);
    }
    return bytes;
  }
}
