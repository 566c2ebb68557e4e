import { catalogV1 } from '@lastcall/contracts';
import type { SigningRequest } from '@lastcall/trust';
import type { Command } from 'commander';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { checkSaysFolder } from '../keys/check-says-folder.js';
import type { PassphraseOptions } from '../keys/passphrase.js';
import { fetchRequest, readRequestFile, submitRequest, writeRequestFile } from '../keys/request-files.js';
import { signWithFolder } from '../keys/sign-request.js';
import { publishRelease, uploadRelease } from '../publish/publish-release.js';
import { readReleaseFolder, type ReleaseFolder } from '../publish/read-release-folder.js';
import { createProgress } from '../render/progress.js';
import type { Work } from '../work.js';
import { keysFolder } from './keys.js';

/*
 * Publication: in one command where the catalog signs, or the keys are here; in three where the keys are on a machine without network.
 */

interface PublishOptions extends PassphraseOptions {
  readonly channel: string;
  readonly keys?: string;
  readonly signed?: string;
  readonly yes?: boolean;
}

const CHANNEL = ['--channel <channel>', 'line of releases to put it into', 'stable'] as const;

export function addPublishing(cli: Cli, noun: Command): void {
  cli.define<PublishOptions>(
    noun,
    {
      use: 'publish [folder]',
      does: 'Checks, uploads, signs and publishes a folder with lastcall.yaml and built files',
      example: 'lastcall release publish ./build/encore-11.1.0',
      options: (command) =>
        command
          .option(...CHANNEL)
          .option('--keys <folder>', 'sign with these keys, where the catalog does not sign by itself')
          .option('--passphrase-file <file>', 'read the passphrase there (or set LASTCALL_KEYS_PASSPHRASE)')
          .option('--yes', 'sign without asking')
          .option('--signed <file>', 'publish what "release prepare" and "release sign" made'),
    },
    publish,
  );
  cli.define<{ channel: string; out: string }>(
    noun,
    {
      use: 'prepare <folder>',
      does: 'Uploads a folder and writes down what is to be signed',
      example: 'lastcall release prepare ./build/encore-11.1.0 --out request.json',
      options: (command) => command.option(...CHANNEL).requiredOption('--out <file>', 'the request to be signed'),
    },
    prepare,
  );
  cli.define<PassphraseOptions & { keys?: string; yes?: boolean; folder?: string }>(
    noun,
    {
      use: 'sign <file>',
      does: 'Shows what a request says and adds the signatures of the keys here; needs no network',
      example: 'lastcall release sign request.json --keys ./keys',
      options: (command) =>
        command
          .option('--keys <folder>', 'folder with keys and trust.json (default: LASTCALL_KEYS)')
          .option('--folder <folder>', 'check that it says what this folder with lastcall.yaml and built files has')
          .option('--passphrase-file <file>', 'read the passphrase there (or set LASTCALL_KEYS_PASSPHRASE)')
          .option('--yes', 'sign without asking'),
    },
    sign,
  );
}

async function publish(work: Work, options: PublishOptions, folder?: string): Promise<void> {
  const { channel, signed } = options;
  if ((folder === undefined) === (signed === undefined)) throw new UsageError('name a folder, or --signed FILE');
  if (signed !== undefined) return submit(work, await readRequestFile(signed));
  const found = await read(work, folder ?? '');
  const progress = createProgress(work);
  if (options.keys === undefined)
    return told(work, await publishRelease(work.services, found, channel, progress), channel);
  const release = await uploadRelease(work.services, found, progress);
  const request = await fetchRequest(work.services, { release, channel });
  checkSaysFolder(request, found);
  await submit(work, await signWithFolder(work, request, { ...options, keys: options.keys }));
}

async function read(work: Work, folder: string): Promise<ReleaseFolder> {
  createProgress(work).say(`reading ${folder}`);
  return readReleaseFolder(folder);
}

async function prepare(work: Work, { channel, out }: { channel: string; out: string }, folder: string): Promise<void> {
  const found = await read(work, folder);
  const release = await uploadRelease(work.services, found, createProgress(work));
  const request = await fetchRequest(work.services, { release, channel });
  checkSaysFolder(request, found);
  await writeRequestFile(out, request);
  work.note(
    `${out} is to be signed: "lastcall release sign ${out} --keys FOLDER", then "lastcall release publish --signed ${out}".`,
  );
}

async function sign(
  work: Work,
  options: PassphraseOptions & { keys?: string; yes?: boolean; folder?: string },
  file: string,
): Promise<void> {
  const request = await readRequestFile(file);
  if (options.folder !== undefined) checkSaysFolder(request, await read(work, options.folder));
  const signed = await signWithFolder(work, request, { ...options, keys: keysFolder(work, options) });
  await writeRequestFile(file, signed);
  work.note(`${file} has the signatures now`);
}

async function submit(work: Work, request: SigningRequest): Promise<void> {
  if (!request.release) throw new UsageError('the file is about no release: "lastcall keys submit" hands it over');
  const { release } = await submitRequest(work.services, request);
  if (release) told(work, release, request.release.channel);
}

function told(work: Work, release: catalogV1.Release, channel: string): void {
  work.print(
    catalogV1.Release.toJSON(release),
    () => `published ${release.product} ${release.version} in ${channel}\n`,
  );
}
