import { readFile } from 'node:fs/promises';
import { MIN_PASSPHRASE } from '@lastcall/trust';
import { UsageError } from '../failures.js';
import type { Io } from '../io.js';

/*
 * The passphrase of keys: from a file, from the environment, or typed without being shown. Never an argument: those can be read by
 * everybody on the machine.
 */

export interface PassphraseOptions {
  readonly passphraseFile?: string;
}

/** Where a passphrase may come from. */
interface Source {
  readonly option: string;
  readonly file: string | undefined;
  readonly variable: string;
  readonly message: string;
}

function sourceOf({ passphraseFile }: PassphraseOptions, message: string): Source {
  return { option: '--passphrase-file', file: passphraseFile, variable: 'LASTCALL_KEYS_PASSPHRASE', message };
}

export async function askPassphrase(
  io: Io,
  options: PassphraseOptions,
  message = 'Passphrase of the keys',
): Promise<string> {
  const source = sourceOf(options, message);
  return (await given(io, source)) ?? typed(io, source);
}

/** For new keys: long enough, and typed twice. */
export async function askNewPassphrase(io: Io, options: PassphraseOptions): Promise<string> {
  return newPassphrase(io, sourceOf(options, 'Passphrase for new keys'));
}

/** Beside the one until now. */
export async function askNextPassphrase(io: Io, file: string | undefined): Promise<string> {
  const variable = 'LASTCALL_KEYS_NEW_PASSPHRASE';
  return newPassphrase(io, { option: '--new-passphrase-file', file, variable, message: 'New passphrase' });
}

async function newPassphrase(io: Io, source: Source): Promise<string> {
  const found = await given(io, source);
  const passphrase = found ?? (await typed(io, source));
  if ([...passphrase].length < MIN_PASSPHRASE) {
    throw new UsageError(`the passphrase is too short: ${MIN_PASSPHRASE} characters or more; several words are best`);
  }
  if (found === undefined && (await typed(io, { ...source, message: 'The same again' })) !== passphrase) {
    throw new UsageError('the two passphrases differ; nothing was made');
  }
  return passphrase;
}

async function given(io: Io, { option, file, variable }: Source): Promise<string | undefined> {
  if (file === undefined) return io.env[variable] || undefined;
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new UsageError(`${option} names ${file}, which cannot be read`, { cause });
  });
  const passphrase = text.replace(/\r?\n$/, '');
  if (passphrase === '') throw new UsageError(`${option} names ${file}, which is empty`);
  return passphrase;
}

async function typed(io: Io, { option, variable, message }: Source): Promise<string> {
  if (!io.isTerminal) {
    throw new UsageError(`nobody can be asked for a passphrase here; name a file with ${option}, or set ${variable}`);
  }
  const { password } = await import('@inquirer/prompts');
  return password({ message });
}
