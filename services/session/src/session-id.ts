import { randomId } from '@lastcall/kernel';

/*
 * Ids of sessions begin with the time of their making, so that documents of those who come at the same time lie side by side in every
 * index: a login of thousands writes few places of the database instead of as many as there are users. What cannot be guessed is the
 * resume token's secret, not the id.
 */

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const TIME_CHARS = 8;

/** `s-`, 8 characters that grow with the time for 34 years and then begin again, 8 random ones. */
export function sessionId(at: number): string {
  let rest = at;
  let time = '';
  for (let i = 0; i < TIME_CHARS; i++) {
    time = (ALPHABET[rest % ALPHABET.length] ?? '') + time;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return `s-${time}${randomId('').slice(1, 1 + TIME_CHARS)}`;
}
