import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, join, relative, resolve } from 'node:path';

/*
 * Which compiled files of ours a program can come to, and which packages those import. The compiler writes `require("x")` and `import("x")` only,
 * so reading them is enough; tests, simulations and declarations lie beside them in dist and are never come to.
 */

const IMPORTS = /\b(?:require|import)\((["'])([^"']+)\1\)/g;
const OURS = '@lastcall/';

/** Folders from `root`, with `/`: our files, and the names of the packages of others with a workspace that imports each. */
export function trace(root, entries) {
  const exportsOf = exportsOfWorkspaces(root);
  const files = new Set();
  const packages = new Map();
  const wanted = [...entries];
  for (let file = wanted.pop(); file !== undefined; file = wanted.pop()) {
    if (files.has(file)) continue;
    if (!existsSync(join(root, file))) throw new Error(`${file} is not built; run "npm run build"`);
    files.add(file);
    if (extname(file) === '.json') continue;
    for (const [, , name] of readFileSync(join(root, file), 'utf8').matchAll(IMPORTS)) {
      if (name.startsWith('.')) wanted.push(relative(root, resolve(root, dirname(file), name)));
      else if (name.startsWith(OURS)) wanted.push(exportsOf(name));
      else if (!name.startsWith('node:')) packages.set(packageOf(name), workspaceOf(file));
    }
  }
  return { files: [...files].toSorted(), packages };
}

/** `@lastcall/contracts/manifest` → `libs/contracts/dist/manifest.js`. */
function exportsOfWorkspaces(root) {
  return (name) => {
    const [, workspace, ...rest] = name.split('/');
    const folder = ['libs', 'services']
      .map((group) => `${group}/${workspace}`)
      .find((one) => existsSync(join(root, one)));
    if (folder === undefined) throw new Error(`${name} is imported, and no library or service`);
    const { exports } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    return join(folder, exports[['.', ...rest].join('/')].default);
  };
}

const packageOf = (name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/');
const workspaceOf = (file) => file.split('/', 2).join('/');
