import { aboutRun, decodeEvent, isEventType, type EventEnvelope } from '@lastcall/contracts';
import { logContextOf, type LogContext } from '../log-context.js';

/** Of what cannot be read only the envelope is known; that it cannot be is said by who takes it in. */
export function contextOfEvent(event: EventEnvelope): LogContext {
  const { installation, traceparent } = event;
  const { run, host } = readable(event);
  return logContextOf({ installation, traceparent, run, host });
}

function readable(event: EventEnvelope): ReturnType<typeof aboutRun> {
  try {
    return isEventType(event.type) ? aboutRun(decodeEvent(event.type, event)) : {};
  } catch {
    return {};
  }
}
