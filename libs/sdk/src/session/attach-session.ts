import { invalid, RejectedError, type Violation } from '@lastcall/kernel';
import { openDefaultChannel, type Environment } from '../connection.js';
import type { AttachedSession, AttachOptions } from './session-api.js';
import { SessionLink, type Hello } from './session-link.js';

/**
 * Logs a user of a business application in with Lastcall, for as long as the user is logged in there.
 *
 * Everything else happens by itself: heartbeats, acknowledgements, coming back after a lost connection as the same session,
 * waiting while the gate is shut and coming back when it opens. Callbacks are called one after the other; one that throws
 * goes to `onError` and changes nothing.
 */
export function attachSession(options: AttachOptions): AttachedSession {
  const env = options.env ?? process.env;
  const hello = readHello(options, env);
  const channel = options.channel ?? openDefaultChannel(env);
  return new SessionLink(hello, channel, options, options.channel === undefined);
}

function readHello(options: AttachOptions, env: Environment): Hello {
  const installation = options.installation ?? env['LASTCALL_INSTALLATION'] ?? '';
  const missing: Violation[] = [];
  if (options.user === '') missing.push({ field: 'user', description: 'is empty' });
  if (installation === '') {
    const description = 'is empty: pass it, or set LASTCALL_INSTALLATION to the id of the installation';
    missing.push({ field: 'installation', description });
  }
  if (missing.length > 0) throw new RejectedError(invalid(missing));
  return {
    installation,
    user: options.user,
    displayName: options.displayName ?? options.user,
    language: options.language ?? '',
    host: options.host ?? env['LASTCALL_HOST'] ?? '',
    version: options.version,
    clientKind: options.clientKind ?? 'desktop',
    firstStartCode: options.firstStartCode ?? env['LASTCALL_FIRST_START_CODE'] ?? '',
  };
}
