/*
 * Starts the program again, in the same process, with a young generation that stays small; imported before everything else. When thousands
 * log in, Node's grows to three times 32 MB and stays so. V8 reads its size when it starts: `v8.setFlagsFromString` changes nothing then.
 *
 * Measured with `lastcall up` and 10,000 sessions at rest: 30–31 KB of resident memory for each, 39 without, and 34–35 with 32 MB asked
 * for by the same option; with ten on a connection 16, 22, and 17–18. CPU of a notice told and acknowledged, on a noisy machine, against
 * 32 MB: median 46 (six rounds) and 52 µs (three), with ten on a connection 26 and 31 µs (six each): the difference is noise. The second
 * start takes 30 ms. `lastcall.js` does the same for `lastcall up`.
 */

const FLAG = '--max-semi-space-size=8';

function startAgain(): void {
  const { execArgv, execPath, argv, env } = process;
  // Whoever chose a size keeps it. A channel to a parent would be lost, and Windows has no such call.
  const isChosen = /semi.space/.test([...execArgv, env['NODE_OPTIONS']].join(' '));
  if (isChosen || process.channel || process.platform === 'win32') return;
  process.execve?.(execPath, [execPath, FLAG, ...execArgv, ...argv.slice(1)], env);
}

startAgain();
