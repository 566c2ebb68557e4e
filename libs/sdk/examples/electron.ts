import { attachSession, type AttachedSession } from '@lastcall/sdk';
import { isMainThread, parentPort, Worker, type MessagePort } from 'node:worker_threads';

/*
 * A desktop application in two halves, as Electron has it: the main process keeps the session, the window shows it, and plain objects go
 * between them over a message port. Here the window is a thread, so that the example runs without Electron. In an application `serve` gets
 * one end of a `MessageChannelMain`, and the window gets the other end from its preload script.
 *
 *   LASTCALL_ADDR=127.0.0.1:7421 LASTCALL_TOKEN_FILE=client.token LASTCALL_INSTALLATION=berlin node electron.js ada
 */

/** From the main process to the window. */
type Shown =
  | { readonly kind: 'banner'; readonly text: string; readonly id: string }
  | { readonly kind: 'banner-gone' }
  | { readonly kind: 'countdown'; readonly seconds: number }
  | { readonly kind: 'lock'; readonly text: string }
  | { readonly kind: 'unlock'; readonly whatsNew: string }
  | { readonly kind: 'save' };

/** From the window to the main process. */
type Said =
  | { readonly kind: 'read'; readonly id: string }
  | { readonly kind: 'not-now'; readonly reason: string; readonly minutes: number }
  | { readonly kind: 'saved' }
  | { readonly kind: 'closed' };

/** One end of the port, or the thread behind it. */
type Port = Pick<MessagePort | Worker, 'postMessage' | 'addListener'>;

/** The main process's half. */
function serve(window: Port, user: string): AttachedSession {
  const show = (message: Shown): void => window.postMessage(message);
  let saved = (): void => {};
  const session = attachSession({
    user,
    version: '1.0.0',
    onAttached: () => show({ kind: 'unlock', whatsNew: '' }),
    onNotice: ({ id, text }) => show({ kind: 'banner', id, text }),
    onNoticeWithdrawn: () => show({ kind: 'banner-gone' }),
    onCountdown: (seconds) => show({ kind: 'countdown', seconds }),
    onRefused: (text) => show({ kind: 'lock', text }),
    onReopened: (whatsNew) => show({ kind: 'unlock', whatsNew }),
    onLogoff: async (_, text) => {
      show({ kind: 'save' });
      // The window has the open work. The server waits for it, for 10 s; the session goes on when it is saved, or after 5 minutes.
      await new Promise<void>((resolve) => (saved = resolve));
      show({ kind: 'lock', text });
    },
  });
  window.addListener('message', (said: Said) => {
    if (said.kind === 'read') session.acknowledge(said.id);
    if (said.kind === 'not-now') void session.hold(said.reason, said.minutes);
    if (said.kind === 'saved') saved();
    if (said.kind === 'closed') void session.goodbye();
  });
  return session;
}

/** The window's half: no SDK, no network. */
function showIn(main: Port): void {
  const say = (message: Said): void => main.postMessage(message);
  main.addListener('message', (shown: Shown) => {
    switch (shown.kind) {
      case 'banner':
        console.log(`banner: ${shown.text}`);
        return say({ kind: 'read', id: shown.id }); // A real window waits for a click.
      case 'banner-gone':
        return console.log('no banner');
      case 'countdown':
        return console.log(`${shown.seconds} s`);
      case 'lock':
        return console.log(`locked: ${shown.text}`);
      case 'unlock':
        return console.log(`unlocked ${shown.whatsNew}`.trimEnd());
      case 'save':
        console.log('open work saved');
        return say({ kind: 'saved' });
    }
  });
}

if (isMainThread) {
  const window = new Worker(__filename);
  const session = serve(window, process.argv[2] ?? 'guest');
  // Closing the window ends the program.
  process.stdin.on('end', () => {
    void session.goodbye().then(() => window.terminate());
  });
  process.stdin.resume();
} else if (parentPort) {
  showIn(parentPort);
}
