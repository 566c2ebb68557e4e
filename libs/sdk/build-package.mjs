/*
 * Builds the package as it is published, into `dist/package`: one file of code, the types, the guide, and one dependency. In the
 * workspace the SDK shares its contracts with the services; whoever installs it gets what it uses of them, and nothing else.
 *
 *   node build-package.mjs [FOLDER]
 */
import { build } from 'esbuild';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const HERE = dirname(fileURLToPath(import.meta.url));
const LIBS = dirname(HERE);
const ENTRY = join(HERE, 'src', 'index.ts');
const CONTRACTS = join(LIBS, 'contracts', 'src');
const SOURCES = /(sdk|contracts)[/\\]src[/\\].*\.ts$/;
const GENERATED = /[/\\]gen[/\\]/;

/** The methods that the SDK calls: `.attach`, `.waitForReopening`, … */
const CALLED = new Set(readSources(join(HERE, 'src')).flatMap((text) => text.match(/(?<=\.)[a-z]\w*/g) ?? []));

function readSources(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.ts') && !/\.spec\.ts$|^testing/.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8'));
}

/**
 * Leaves out of the generated code what no client of this package can come to, three quarters of it: the JSON form of messages, which is
 * for the command line, and the methods of services that the SDK does not call, with their messages.
 */
const onlyWhatIsUsed = {
  name: 'only-what-is-used',
  setup({ onLoad }) {
    onLoad({ filter: SOURCES }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      return { contents: GENERATED.test(path) ? prune(text) : importDirectly(text), loader: 'ts' };
    });
  },
};

/** `export * as sessionV1 from …` in the contracts: a bundler keeps all of it. Imported as itself, it keeps what is used. */
const AREAS = new Map(
  [...readFileSync(join(CONTRACTS, 'index.ts'), 'utf8').matchAll(/export \* as (\w+) from '(.+)\.js'/g)].map(
    ([, area, file]) => [area, join(CONTRACTS, `${file}.ts`)],
  ),
);

function importDirectly(text) {
  return text.replaceAll(/import \{([^}]+)\} from '@lastcall\/contracts';/g, (_, list) => {
    const names = list
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean);
    const areas = names.filter((name) => AREAS.has(name));
    const others = names.filter((name) => !AREAS.has(name));
    return [
      ...areas.map((area) => `import * as ${area} from ${JSON.stringify(AREAS.get(area))};`),
      `import { ${others.join(', ')} } from '@lastcall/contracts';`,
    ].join(' ');
  });
}

function prune(text) {
  const source = ts.createSourceFile('generated.ts', text, ts.ScriptTarget.Latest, true);
  const cuts = [];
  const visit = (node) => {
    if (isUnused(node)) cuts.push([node.pos, node.end + (ts.isObjectLiteralExpression(node.parent) ? 1 : 0)]);
    else ts.forEachChild(node, visit);
  };
  visit(source);
  return cuts.reduceRight((rest, [from, to]) => rest.slice(0, from) + rest.slice(to), text);
}

function isUnused(node) {
  if (ts.isMethodDeclaration(node)) return ['fromJSON', 'toJSON'].includes(node.name.getText());
  if (ts.isVariableStatement(node)) return node.getText().includes('= makeGenericClientConstructor(');
  return isServiceMethod(node) && !CALLED.has(node.name.getText());
}

/** `attach: { path: '/lastcall…', … }` */
function isServiceMethod(node) {
  const { initializer } = node;
  return (
    ts.isPropertyAssignment(node) &&
    ts.isObjectLiteralExpression(initializer) &&
    initializer.properties.some((property) => property.name?.getText() === 'requestSerialize')
  );
}

async function bundle(folder) {
  await build({
    entryPoints: [ENTRY],
    outfile: join(folder, 'sdk.js'),
    bundle: true,
    // Electron's Node is older than the services'.
    target: 'node20',
    platform: 'node',
    format: 'cjs',
    conditions: ['@lastcall/source'],
    external: ['@grpc/grpc-js'],
    legalComments: 'none',
    // Names stay, for the stack traces of whoever has a problem.
    minifySyntax: true,
    minifyWhitespace: true,
    plugins: [onlyWhatIsUsed],
  });
}

/** The declarations of what `index.ts` names and what those name, each beside the others. */
function writeTypes(folder) {
  const declarations = emitDeclarations();
  const todo = [ENTRY];
  const done = new Set();
  for (const file of todo) {
    if (done.has(file)) continue;
    done.add(file);
    const text = declarations.get(file).replaceAll(/(?<=from )'([^']+)'/g, (quoted, specifier) => {
      if (!specifier.startsWith('.')) return quoted;
      const target = resolve(dirname(file), specifier.replace(/\.js$/, '.ts'));
      todo.push(target);
      return `'./${relative(dirname(placeOf(file)), placeOf(target)).replaceAll('\\', '/')}.js'`;
    });
    const out = join(folder, `${placeOf(file)}.d.ts`);
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(out, text);
  }
}

/** `types/sdk/session/session-api`, without the ending. */
function placeOf(file) {
  if (file === ENTRY) return 'index';
  return join(
    'types',
    relative(LIBS, file)
      .replace(/[/\\]src(?=[/\\])/, '')
      .replace(/\.ts$/, ''),
  );
}

function emitDeclarations() {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(HERE, 'tsconfig.json'),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (problem) => {
        throw new Error(ts.flattenDiagnosticMessageText(problem.messageText, ' '));
      },
    },
  );
  const options = {
    ...config.options,
    composite: false,
    incremental: false,
    tsBuildInfoFile: undefined,
    emitDeclarationOnly: true,
    rootDir: LIBS,
    outDir: LIBS,
    types: ['node'],
  };
  const declarations = new Map();
  // What comes from another package is not emitted, so their files are named themselves.
  const program = ts.createProgram([ENTRY, ...['kernel', 'contracts'].flatMap(filesOf)], options);
  program.emit(undefined, (_, text, __, ___, [source]) => {
    if (source) declarations.set(resolve(source.fileName), withoutPackages(text, source.fileName));
  });
  return declarations;
}

/** Types of the kernel and the contracts are imported from the files that declare them. */
function withoutPackages(text, file) {
  return text.replaceAll(/import type \{([^}]+)\} from '@lastcall\/(\w+)';/g, (_, list, lib) =>
    list
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean)
      .map((name) => {
        const specifier = relative(dirname(file), declaringFile(lib, name)).replace(/\.ts$/, '.js');
        return `import type { ${name} } from '${specifier}';`;
      })
      .join('\n'),
  );
}

function declaringFile(lib, name) {
  const declares = new RegExp(`^export (interface|type) ${name}\\b`, 'm');
  const file = filesOf(lib).find((path) => declares.test(readFileSync(path, 'utf8')));
  if (file === undefined) throw new Error(`${name} of @lastcall/${lib} is not declared in one file of it`);
  return file;
}

function filesOf(lib) {
  const folder = join(LIBS, lib, 'src');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
    .map((file) => join(folder, file));
}

function writeManifest(folder) {
  const { name, version, license, description, dependencies } = JSON.parse(
    readFileSync(join(HERE, 'package.json'), 'utf8'),
  );
  const manifest = {
    name,
    version,
    description,
    license,
    engines: { node: '>=20' },
    main: './sdk.js',
    types: './index.d.ts',
    exports: {
      '.': { types: './index.d.ts', default: './sdk.js' },
      './package.json': './package.json',
    },
    sideEffects: false,
    dependencies: { '@grpc/grpc-js': dependencies['@grpc/grpc-js'] },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

async function buildPackage(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await bundle(folder);
  writeTypes(folder);
  writeManifest(folder);
  cpSync(join(HERE, 'README.md'), join(folder, 'README.md'));
  cpSync(join(LIBS, '..', 'LICENSE'), join(folder, 'LICENSE'));
}

const folder = resolve(process.argv[2] ?? join(HERE, 'dist', 'package'));
await buildPackage(folder);
console.log(folder);
