import { attachSession } from '@lastcall/sdk';

/*
 * A program with a session: it has something of its own to do until it is attached, or for WORK_MS, and nothing afterwards.
 */

const work = setTimeout(() => undefined, Number(process.env['WORK_MS'] ?? 60_000));

attachSession({
  user: 'ada',
  version: '1.0.0',
  ...(process.env['KEEP_ALIVE'] === '1' && { keepAlive: true }),
  onAttached: () => {
    console.log('attached');
    if (process.env['WORK_MS'] === undefined) clearTimeout(work);
  },
  onNotice: ({ text }) => console.log(text),
  onError: ({ code, message }) => console.log(`${code} ${message}`),
});
process.on('exit', () => console.log('nothing left to do'));
