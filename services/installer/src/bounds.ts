import { failureFromWire, hostOrderV1, type commonV1 } from '@lastcall/contracts';
import { failure, type Failure } from '@lastcall/kernel';

/*
 * What agents say is bounded here before it goes into a document or an event: a host that floods its output must not
 * make an event that no bus carries.
 */

const MAX_MESSAGE_CHARS = 4_000;
const MAX_FACTS = 32;
const MAX_FACT_CHARS = 2_000;
const MAX_NAME_CHARS = 64;
/** All of a failure's facts together. */
const MAX_FACTS_CHARS = 8_000;
const MAX_RESULT_BYTES = 256 * 1024;
const MAX_VERSION_CHARS = 160;

/** The end of a captured output says more than its beginning. */
function tail(text: string, max: number): string {
  return text.length <= max ? text : `…${text.slice(text.length - max + 1)}`;
}

export function boundFailure(wire: commonV1.Failure, host: string): Failure {
  const { reason, message, facts } = failureFromWire(wire);
  const bounded: Record<string, string> = {};
  let left = MAX_FACTS_CHARS;
  for (const [name, value] of Object.entries(facts).slice(0, MAX_FACTS)) {
    const kept = tail(value, Math.min(MAX_FACT_CHARS, Math.max(1, left)));
    left -= kept.length;
    bounded[name.slice(0, MAX_NAME_CHARS)] = kept;
  }
  const code = /^[A-Z][A-Z0-9_]{0,62}$/.test(reason) ? reason : 'UNKNOWN_FAILURE';
  return failure(code, tail(message, MAX_MESSAGE_CHARS), host, bounded);
}

function boundVersion(version: string): string {
  return version.slice(0, MAX_VERSION_CHARS);
}

const MAX_NOTE_CHARS = 1_000;

export function boundNote(note: string): string {
  return note.slice(0, MAX_NOTE_CHARS);
}

export interface BoundedResult {
  readonly failure?: Failure;
  /** Absent: the agent did not say. */
  readonly installedVersion?: string;
  readonly wire: hostOrderV1.OrderResult;
}

export function boundResult(result: hostOrderV1.OrderResult | undefined, host: string): BoundedResult {
  if (!result) return failedResult(failure('NO_RESULT', `${host} finished the order without a result`, host));
  const installedVersion = boundVersion(result.installedVersion);
  const isLarge = hostOrderV1.OrderResult.encode({ ...result, failure: undefined }).finish().length > MAX_RESULT_BYTES;
  if (result.failure) {
    const { evidence, finishedAt } = result;
    const more = { ...(evidence && !isLarge && { evidence }), ...(finishedAt && { finishedAt }) };
    return failedResult(boundFailure(result.failure, host), installedVersion, more);
  }
  if (!isLarge) return { installedVersion, wire: { ...result, installedVersion } };
  const message = `${host} answered with more than ${MAX_RESULT_BYTES} bytes; update its agent`;
  return failedResult(failure('RESULT_TOO_LARGE', message, host), installedVersion);
}

function failedResult(
  why: Failure,
  installedVersion?: string,
  more: Partial<hostOrderV1.OrderResult> = {},
): BoundedResult {
  const version = installedVersion === undefined ? {} : { installedVersion };
  const wire = hostOrderV1.OrderResult.fromPartial({
    failure: { ...why, facts: { ...why.facts } },
    ...version,
    ...more,
  });
  return { failure: why, ...version, wire };
}
