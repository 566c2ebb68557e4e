import { UsageError } from './failures.js';
import type { Work } from './work.js';

/*
 * Questions, on a terminal only: elsewhere each names the option that answers it. The prompts are loaded when the first
 * question is asked.
 */

/** Yes or no; `--yes` or what `option` says answers it elsewhere. */
export async function confirmOr(work: Work, message: string, option: string): Promise<boolean> {
  assertTerminal(work, message, option);
  const { confirm } = await import('@inquirer/prompts');
  return confirm({ message, default: false });
}

export async function confirmByTyping(work: Work, message: string, option: string): Promise<string> {
  assertTerminal(work, message, option);
  const { input } = await import('@inquirer/prompts');
  return input({ message, required: true });
}

/** A line of text with a proposal; `check` says what is wrong with an answer. */
export async function askText(
  message: string,
  proposal: string,
  check: (value: string) => string | undefined = () => undefined,
): Promise<string> {
  const { input } = await import('@inquirer/prompts');
  return input({ message, default: proposal, validate: (value) => check(value) ?? true });
}

export async function askChoice<T extends string>(
  message: string,
  choices: readonly { readonly value: T; readonly name: string }[],
): Promise<T> {
  const { select } = await import('@inquirer/prompts');
  return select({ message, choices: [...choices] });
}

function assertTerminal(work: Work, message: string, option: string): void {
  if (!work.io.isTerminal) throw new UsageError(`${message}: nobody can be asked here; answer with ${option}`);
}
