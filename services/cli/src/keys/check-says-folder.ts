import { formatTree } from '@lastcall/contracts';
import { reject, RejectedError, sha256Hex } from '@lastcall/kernel';
import { targetsOf, type SigningRequest } from '@lastcall/trust';
import type { ReleaseFolder } from '../publish/read-release-folder.js';

/** Refuses a request that says anything else about a release than what its folder has: a signature is not given on the catalog's word. */
export function checkSaysFolder(
  { payloads }: SigningRequest,
  { manifest, manifestBytes, artifacts }: ReleaseFolder,
): void {
  const { product, version } = manifest;
  const expected = new Map([
    [`${product}/${version}/lastcall.yaml`, sha256Hex(manifestBytes)],
    ...artifacts.map(({ role, platform, tree }) => {
      return [`${product}/${version}/${role}-${platform}.tree.json`, sha256Hex(formatTree(tree))] as const;
    }),
  ]);
  const said = payloads
    .flatMap(({ signed }) => [...targetsOf(signed).values()])
    .filter(({ path }) => path.startsWith(`${product}/${version}/`));
  const isSame = said.length === expected.size && said.every(({ path, sha256 }) => expected.get(path) === sha256);
  if (isSame) return;
  const message = `what is to be signed for ${product} ${version} is not what the folder has; nothing was signed. Was the folder changed, or the request prepared from another one?`;
  throw new RejectedError(reject('refused', 'REQUEST_SAYS_OTHER_FILES', message));
}
