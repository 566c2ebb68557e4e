import { buildReleases } from './build-releases.js';

/** `node dist/main.js DIR`: builds Encore's releases into a folder. */
const outDir = process.argv[2];
if (outDir === undefined) {
  console.error('usage: node tools/sample-app/dist/main.js DIR');
  process.exit(2);
}
buildReleases(outDir).then(
  (folders) => console.log(Object.values(folders).join('\n')),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
