/*
 * The JSON mapping of protobuf, where generated code differs from it: a Duration is written `{"seconds": "5"}` there and `"5s"`
 * in the mapping that every other tool reads. Fields of that type are known by their names; a test compares them
 * with the contracts.
 */

export const DURATION_FIELDS: ReadonlySet<string> = new Set([
  'announceBefore',
  'backupMaxAge',
  'closedFor',
  'duration',
  'estimate',
  'gateShut',
  'heartbeatInterval',
  'longest',
  'longestHold',
  'maxRunTime',
  'maxTotalDelay',
  'median',
  'nineInTen',
  'reactionTime',
  'reopeningRamp',
  'resumeGrace',
  'retryPause',
  'runIfLateWithin',
  'saveWithin',
  'soakTime',
  'took',
  'validFor',
]);

/** Generated JSON as protobuf's JSON mapping. */
export function protoJson(value: unknown, field = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => protoJson(item, field));
  if (typeof value !== 'object' || value === null) return value;
  if (DURATION_FIELDS.has(field)) return durationText(value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, protoJson(inner, key)]));
}

function durationText({ seconds = '0', nanos = 0 }: { seconds?: string; nanos?: number }): string {
  const fraction = nanos === 0 ? '' : `.${String(Math.abs(nanos)).padStart(9, '0').replace(/0+$/, '')}`;
  return `${nanos < 0 && !seconds.startsWith('-') ? '-' : ''}${seconds}${fraction}s`;
}
