import { formatTree } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { walkTree } from '../publish/walk-tree.js';

/* Says the hash under which the tree of a folder would be signed: a program of its own, so that a test can give it another locale. */

void walkTree(process.argv[2] ?? '').then(({ tree, problems }) => {
  process.stdout.write(tree ? `${sha256Hex(formatTree(tree))}\n` : `${JSON.stringify(problems)}\n`);
});
