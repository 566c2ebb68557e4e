import type { RpcContext } from '@lastcall/runtime';
import { Attachment } from './attachment.js';
import type { AttachParts } from './door.js';
import type { AttachStream } from './local-session.js';

/*
 * The handler of the stream. Whoever is refused is told why; what a session says is the hearing's, and when its stream ends is the
 * roster's.
 */

export function createAttach(parts: AttachParts) {
  return (stream: AttachStream, { principal }: RpcContext): Promise<void> =>
    new Promise((resolve, reject) => {
      const attachment = new Attachment(parts, stream, principal, { resolve, reject });
      attachment.begin();
    });
}
