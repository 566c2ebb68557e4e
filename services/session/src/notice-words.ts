import type { sessionV1 } from '@lastcall/contracts';
import type { Notice } from './domain/gate-state.js';
import type { InstallationFacts } from './domain/installation.js';
import type { Words } from './domain/phrases.js';
import { textOf } from './notices/phrase-text.js';
import { noticeLanguage } from './notices/readers.js';
import { renderNotice } from './notices/render.js';
import { encodeOnce } from './wire.js';

/*
 * Notices in the languages of this replica's users: a text is made once for a notice and a language, and the bytes once for all streams
 * that are told at the same moment.
 */

/** More than there are standing notices and languages; the oldest goes. */
const KEPT = 200;

export class NoticeWords {
  private readonly rendered = new Map<string, sessionV1.Notice>();

  render(notice: Notice, language: string, facts: InstallationFacts | undefined): sessionV1.Notice {
    const reader = noticeLanguage(language, facts);
    const key = `${notice.id} ${facts?.sequence ?? 0} ${reader}`;
    const known = this.rendered.get(key);
    if (known) return known;
    const [oldest] = this.rendered.keys();
    if (this.rendered.size >= KEPT && oldest !== undefined) this.rendered.delete(oldest);
    const made = renderNotice(notice, reader, facts);
    this.rendered.set(key, made);
    return made;
  }

  /** For one broadcast: the bytes carry its time. Answers the bytes for a language. */
  encoder(notice: Notice, facts: InstallationFacts | undefined, now: number): Encoder {
    return oncePerText(
      (language) => this.render(notice, language, facts),
      (value) => encodeOnce({ $case: 'notice', value }, now),
    );
  }

  /** The same for a notice that is taken back. */
  withdrawal(notice: string, words: Words, facts: InstallationFacts | undefined, now: number): Encoder {
    return oncePerText(
      (language) => textOf(words, language, facts),
      (text) => encodeOnce({ $case: 'noticeWithdrawn', value: { notice, text } }, now),
    );
  }
}

/** The bytes for a language as a client said it: of those there may be many, of texts there are few. */
export type Encoder = (language: string) => Buffer;

function oncePerText<T>(render: (language: string) => T, encode: (text: T) => Buffer): Encoder {
  const bySaid = new Map<string, Buffer>();
  const byText = new Map<T, Buffer>();
  return (language) => {
    const known = bySaid.get(language);
    if (known) return known;
    const text = render(language);
    const bytes = byText.get(text) ?? encode(text);
    byText.set(text, bytes);
    bySaid.set(language, bytes);
    return bytes;
  };
}
