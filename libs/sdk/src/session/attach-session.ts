import { openChannel, type Channel } from '../channel.js';
import { findConnection, type Environment } from '../connection.js';
import { takeConnectionShare } from './connection-shares.js';
import { NoSession } from './no-session.js';
import type { AttachedSession, AttachOptions } from './session-api.js';
import { SessionLink, type Hello } from './session-link.js';
import { reportTo, type ReportProblem } from './session-problem.js';

/**
 * Logs a user of a business application in with Lastcall, for as long as the user is logged in there.
 *
 * Everything else happens by itself: heartbeats, acknowledgements, coming back after a lost connection as the same session,
 * waiting while the gate is shut and coming back when it opens. It never throws and never keeps its program running: where Lastcall is
 * not set up, that is told to `onError` (default: a process warning), and the session that is returned is over.
 */
export function attachSession(options: AttachOptions): AttachedSession {
  const report = reportTo((options as AttachOptions | undefined)?.onError?.bind(options));
  try {
    return attach(options, report) ?? new NoSession(options.language);
  } catch (error) {
    report('LASTCALL_SETTINGS', 'the session cannot begin', error);
    return new NoSession((options as AttachOptions | undefined)?.language);
  }
}

function attach(options: AttachOptions, report: ReportProblem): AttachedSession | undefined {
  const env = options.env ?? process.env;
  const hello = readHello(options, env);
  const wrong = whatIsWrong(hello);
  if (wrong.length > 0) {
    report('LASTCALL_SETTINGS', `the session cannot begin: ${wrong.join('; ')}`);
    return undefined;
  }
  // Started by the agent only to give the proof: a program that ended before would have failed.
  const keepAlive = options.keepAlive ?? hello.firstStartCode !== '';
  return new SessionLink({
    hello,
    channel: options.channel ?? openOwnChannel(env, keepAlive),
    ownsChannel: options.channel === undefined,
    keepAlive,
    callbacks: options,
    report,
  });
}

function openOwnChannel(env: Environment, keepAlive: boolean): Channel {
  const { address, credential, tls } = findConnection(env);
  const share = takeConnectionShare();
  const channel = openChannel({ address, credential, tls, keepAlive, connection: share.connection });
  return {
    ...channel,
    close: () => {
      share.release();
      channel.close();
    },
  };
}

function readHello(options: AttachOptions, env: Environment): Hello {
  return {
    installation: options.installation ?? env['LASTCALL_INSTALLATION'] ?? '',
    user: options.user,
    displayName: options.displayName ?? options.user,
    language: options.language ?? '',
    host: options.host ?? env['LASTCALL_HOST'] ?? '',
    version: options.version,
    clientKind: options.clientKind ?? 'desktop',
    firstStartCode: options.firstStartCode ?? env['LASTCALL_FIRST_START_CODE'] ?? '',
    savesOnLogoff: options.onLogoff !== undefined,
  };
}

/** Also of programs that no compiler has looked at. What the server would refuse is left to the server. */
function whatIsWrong({ savesOnLogoff: _, ...hello }: Hello): readonly string[] {
  const wrong: string[] = [];
  for (const [field, value] of Object.entries(hello)) {
    if (typeof value !== 'string') wrong.push(`${field} is not a text`);
  }
  if (hello.user === '') wrong.push('user is empty');
  if (hello.version === '') wrong.push('version is empty');
  if (hello.installation === '') {
    wrong.push('installation is empty: pass it, or set LASTCALL_INSTALLATION to the id of the installation');
  }
  return wrong;
}
