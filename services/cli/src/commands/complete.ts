import tab from '@bomb.sh/tab/commander';
import type { Cli } from '../define.js';

/** Shell completion: `lastcall complete bash` prints the script, `complete -- …` is what the script asks. */
export function addComplete(cli: Cli): void {
  tab(cli.program);
  const command = cli.program.commands.find((c) => c.name() === 'complete');
  command?.addHelpText('after', '\nExample:\n  source <(lastcall complete bash)');
}
