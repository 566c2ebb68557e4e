import { attachSession } from '@lastcall/sdk';
import { createInterface } from 'node:readline';

/*
 * A terminal program with all of the SDK's callbacks.
 *
 *   LASTCALL_ADDR=127.0.0.1:7421 LASTCALL_TOKEN_FILE=client.token LASTCALL_INSTALLATION=berlin node terminal.js ada
 *
 * Then: `write TEXT`, `ok` (the message was read), `hold MINUTES WHY`, `ready` (log me off now), `quit`.
 */

const user = process.argv[2] ?? 'guest';
let openWork = '';

function saveOpenWork(): void {
  if (openWork !== '') console.log(`saved: ${openWork}`);
  openWork = '';
}

const session = attachSession({
  user,
  version: process.env['TERMINAL_VERSION'] ?? '1.0.0',
  clientKind: 'terminal',
  onAttached: () => console.log(session.exempt ? 'logged in, also during updates' : 'logged in'),
  onNotice: ({ kind, text, link }) => console.log(`${kind}: ${text} ${link}`.trimEnd()),
  onNoticeWithdrawn: (_, text) => console.log(`the message is withdrawn. ${text}`.trimEnd()),
  onCountdown: (seconds) => console.log(`${seconds} s left`),
  onRefused: (text, expectedAt) =>
    console.log(`not let in: ${text} ${expectedAt?.toLocaleTimeString() ?? ''}`.trimEnd()),
  onReopened: (whatsNew) => console.log(`back again. ${whatsNew}`.trimEnd()),
  onLogoff: (reason, text) => {
    saveOpenWork();
    console.log(`logged off (${reason}): ${text}`);
  },
  onHoldDecided: ({ granted }) => console.log(granted ? 'a second person agreed to wait' : 'nobody waits'),
  onError: (problem) => console.error(`${problem.code}: ${problem.message}`),
});

async function obey(line: string): Promise<void> {
  const [word = '', ...rest] = line.trim().split(/\s+/);
  switch (word) {
    case 'write':
      openWork = rest.join(' ');
      return;
    case 'ok':
      return session.acknowledge();
    case 'hold': {
      const { granted, awaitsApproval, text } = await session.hold(rest.slice(1).join(' '), Number(rest[0]));
      const answer = awaitsApproval ? 'asking a second person' : granted ? 'they wait for you' : 'they do not wait';
      return console.log(`${answer}. ${text}`.trimEnd());
    }
    case 'ready':
      saveOpenWork();
      return session.ready();
    case 'quit':
      return keyboard.close();
  }
}

// The keyboard keeps the program running; the session does not.
const keyboard = createInterface({ input: process.stdin });
keyboard.on('line', (line) => void obey(line));
keyboard.on('close', () => {
  saveOpenWork();
  void session.goodbye();
  process.stdin.destroy();
});
