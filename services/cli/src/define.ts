import { Command, Option } from 'commander';
import { tell } from './failures.js';
import type { Io } from './io.js';
import { renewLogin } from './sign-in/login.js';
import { Work } from './work.js';

/*
 * How a command is put together: usage, one sentence, an example, `-o json`, and what it does. Owns the way from a failure to
 * stderr and the exit code, so that no command has to.
 */

export interface Spec {
  /** `show <job>`. */
  readonly use: string;
  readonly does: string;
  /** A whole command line. */
  readonly example: string;
  /** Whether it is about one installation: adds `-i`. */
  readonly installation?: boolean;
  /** Adds options of its own. */
  readonly options?: (command: Command) => void;
  /** False: it is about signing in itself, or calls nobody, so no sign-in is renewed before it. */
  readonly renews?: boolean;
}

/** Answers the exit code, where it is not 0. */
export type Action<O> = (work: Work, options: O, ...args: string[]) => Promise<number | void>;

export interface Cli {
  readonly io: Io;
  readonly program: Command;
  exitCode: number;
  noun(name: string, does: string): Command;
  define<O extends object>(parent: Command, spec: Spec, action: Action<O>): void;
}

/** Those that commands share. */
export interface SharedOptions {
  readonly output?: string;
  readonly installation?: string;
}

export function createCli(io: Io): Cli {
  const program = new Command('lastcall')
    .description('Updates business applications that many people are logged in to.')
    .configureOutput({ writeOut: (text) => io.out.write(text), writeErr: (text) => io.err.write(text) })
    .version('0.1.0', '-V, --version', 'show the version')
    // A command may have an option --version of its own.
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('(add --help for what is possible)');
  const cli: Cli = {
    io,
    program,
    exitCode: 0,
    noun: (name, does) => program.command(name).description(does),
    define: (parent, spec, action) => defineCommand(cli, parent, spec, action),
  };
  return cli;
}

function defineCommand<O extends object>(cli: Cli, parent: Command, spec: Spec, action: Action<O>): void {
  const command = parent.command(spec.use).description(spec.does);
  spec.options?.(command);
  if (spec.installation) {
    command.option('-i, --installation <id>', 'installation (default: LASTCALL_INSTALLATION, else the only one)');
  }
  command.addOption(
    new Option('-o, --output <format>', 'form of the result').choices(['table', 'json']).default('table'),
  );
  command.addHelpText('after', `\nExample:\n  ${spec.example}`);
  command.action(async (...all: unknown[]) => {
    const args = all.slice(0, -2).flat() as string[];
    const options = command.opts<O & SharedOptions>();
    await perform(cli, command, options, async (work) => {
      if (spec.renews !== false) await renewLogin(cli.io.env);
      return action(work, options, ...args);
    });
  });
}

async function perform(
  cli: Cli,
  command: Command,
  options: SharedOptions,
  action: (work: Work) => Promise<number | void>,
): Promise<void> {
  const work = new Work(cli.io, options.output === 'json', options.installation);
  try {
    cli.exitCode = (await action(work)) ?? 0;
  } catch (error) {
    const { exitCode, text } = tell(error, nameOf(command));
    cli.io.err.write(text);
    cli.exitCode = exitCode;
  } finally {
    work.services.close();
  }
}

function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}
