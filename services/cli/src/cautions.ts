import { CallError } from '@lastcall/sdk';
import { confirmOr } from './ask.js';
import { oneLine } from './render/text.js';
import type { Work } from './work.js';

/**
 * Makes a call that may have to be confirmed: on a terminal the cautions are shown and asked for, elsewhere the failure says
 * which `--confirm` to give.
 */
export async function withCautions<T>(
  work: Work,
  confirmed: readonly string[],
  call: (confirmedCautions: string[]) => Promise<T>,
): Promise<T> {
  try {
    return await call([...confirmed]);
  } catch (error) {
    const asks = error instanceof CallError && error.reason === 'CONFIRMATION_REQUIRED' && error.violations.length > 0;
    if (!asks || !work.io.isTerminal || work.json) throw error;
    for (const { field, description } of error.violations) work.note(`${field}: ${oneLine(description)}`);
    if (!(await confirmOr(work, 'Go ahead all the same?', '--confirm'))) throw error;
    return call([...new Set([...confirmed, ...error.violations.map((v) => v.field)])]);
  }
}
