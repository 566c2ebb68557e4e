import { ROOT } from '../world/lastcall-processes.js';
import { execute } from './kubectl.js';
import type { Options } from './options.js';

/* Images of this folder and of an earlier revision, built and brought onto the cluster's nodes. */

const BUILD_MS = 30 * 60_000;
const LOAD_MS = 5 * 60_000;

export interface ImageTags {
  readonly tag: string;
  /** Empty: no release before. */
  readonly previousTag: string;
}

/** Those that are there already, or built now. */
export async function imagesFor(options: Options, say: (text: string) => void): Promise<ImageTags> {
  const { tag, previousTag, previous, load } = options;
  if (load !== '' && tag === '') await build('e2e', load, [], say);
  if (previous !== '') await build('e2e-previous', load, ['--from', previous], say);
  return { tag: tag === '' ? 'e2e' : tag, previousTag: previous === '' ? previousTag : 'e2e-previous' };
}

async function build(tag: string, load: string, more: readonly string[], say: (text: string) => void): Promise<void> {
  say(`building images ${tag}`);
  const args = ['run', '-s', 'images', '--', '--tag', tag, '-o', 'json', ...more];
  const said = await execute('npm', args, { cwd: ROOT, timeoutMs: BUILD_MS });
  const { images } = JSON.parse(said) as { images: { archive: string }[] };
  const [program = '', ...before] = load.split(' ');
  for (const { archive } of images) await execute(program, [...before, archive], { timeoutMs: LOAD_MS });
}
