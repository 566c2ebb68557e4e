import { installationKind, type catalogV1 } from '@lastcall/contracts';
import { checkId, invalid, isRejected, reject, type Rejected, type Violation } from '@lastcall/kernel';
import { type RpcHandlers, readPage } from '@lastcall/runtime';
import { actOn } from '../decide.js';
import type { Documents } from '../documents.js';
import type { InstallationCommand, InstallationSettings, PresentInstallation } from '../domain/installation.js';
import { checkDowngrade, checkUpdate, checkVersion } from '../domain/update-check.js';
import { installationMachine } from '../machines.js';
import { checkOptionalVersion, parseChanges, parsePage, parseSettings, Wrong } from '../requests.js';
import { installationToWire, releaseToWire } from '../wire.js';
import { findProduct } from './products.js';
import { pastReleases, publishedReleases } from './published-releases.js';
import { findRelease } from './releases.js';

type Handlers = RpcHandlers<typeof catalogV1.CatalogServiceService>;
type Names =
  | 'createInstallation'
  | 'getInstallation'
  | 'listInstallations'
  | 'updateInstallation'
  | 'deleteInstallation'
  | 'checkUpdate';

export function installationHandlers(documents: Documents): Pick<Handlers, Names> {
  return {
    createInstallation: (request) => createInstallation(documents, request),
    getInstallation: async (request) => {
      const wrong = new Wrong();
      const { installation } = wrong.name('installation', 'name', request.name);
      const found = wrong.rejected() ?? (await findInstallation(documents, installation));
      return isRejected(found) ? found : { installation: installationToWire(installation, found) };
    },
    listInstallations: (request) => listInstallations(documents, request),
    updateInstallation: (request) => updateInstallation(documents, request),
    deleteInstallation: async (request) => {
      const wrong = new Wrong();
      const { installation } = wrong.name('installation', 'name', request.name);
      const outcome =
        wrong.rejected() ?? (await command(documents, installation, () => ({ type: 'delete', etag: request.etag })));
      return isRejected(outcome) ? outcome : {};
    },
    checkUpdate: (request) => answerCheckUpdate(documents, request),
  };
}

function command(documents: Documents, installation: string, make: (now: number) => InstallationCommand) {
  return actOn(documents.installations, installationMachine(installation)).carryOut(installation, make);
}

export async function findInstallation(
  documents: Documents,
  installation: string,
): Promise<PresentInstallation | Rejected> {
  const state = (await documents.installations.get(installation))?.data;
  if (state?.state === 'present') return state;
  return reject('not-found', 'INSTALLATION_NOT_FOUND', `there is no installation ${installation}`);
}

async function createInstallation(
  documents: Documents,
  { installationId, installation: wire }: catalogV1.CreateInstallationRequest,
): Promise<catalogV1.CreateInstallationResponse | Rejected> {
  if (!wire) return invalid([{ field: 'installation', description: 'is missing' }]);
  const wrong = new Wrong();
  wrong.add(checkId('installation_id', installationId));
  const settings = parseSettings(wrong, wire);
  const rejected = wrong.rejected() ?? (await checkFollows(documents, settings.product, settings.channel));
  if (rejected) return rejected;
  const outcome = await command(documents, installationId, (at) => ({ type: 'create', settings, at }));
  if (isRejected(outcome)) return outcome;
  return { installation: present(installationId, outcome.state) };
}

function present(
  installation: string,
  state: { readonly state: string } | PresentInstallation,
): catalogV1.Installation | undefined {
  return 'hosts' in state ? installationToWire(installation, state) : undefined;
}

/** Product and channel must be there. */
async function checkFollows(documents: Documents, product: string, channel: string): Promise<Rejected | undefined> {
  const state = await findProduct(documents, product);
  if (isRejected(state)) return state;
  if (state.channels[channel]) return undefined;
  const known = Object.keys(state.channels).toSorted().join(', ');
  const message = `${product} has no channel ${channel}; it has ${known}`;
  return reject('not-found', 'CHANNEL_NOT_FOUND', message, { facts: { product, channel } });
}

async function listInstallations(
  documents: Documents,
  request: catalogV1.ListInstallationsRequest,
): Promise<catalogV1.ListInstallationsResponse | Rejected> {
  const { product } = request;
  const wrong = new Wrong();
  const page = parsePage(wrong, request);
  if (product !== '') wrong.add(checkId('product', product));
  const rejected = wrong.rejected();
  if (rejected) return rejected;
  const query = product === '' ? { index: 'all', where: { all: true } } : { index: 'product', where: { product } };
  const found = await readPage(documents.installations, query, page, ({ id, data }) => present(id, data));
  return isRejected(found) ? found : { installations: found.items, nextPageToken: found.nextPageToken };
}

async function updateInstallation(
  documents: Documents,
  { installation: wire, updateMask }: catalogV1.UpdateInstallationRequest,
): Promise<catalogV1.UpdateInstallationResponse | Rejected> {
  if (!wire) return invalid([{ field: 'installation', description: 'is missing' }]);
  const wrong = new Wrong();
  const { installation } = wrong.name('installation', 'installation.name', wire.name);
  const changes = parseChanges(wrong, wire, updateMask);
  const current = wrong.rejected() ?? (await findInstallation(documents, installation));
  if (isRejected(current)) return current;
  const fixed = checkFixed(current.settings, wire);
  if (fixed.length > 0) return invalid(fixed);
  const channel = changes.channel ?? current.settings.channel;
  const rejected = await checkFollows(documents, current.settings.product, channel);
  if (rejected) return rejected;
  const outcome = await command(documents, installation, () => ({ type: 'change', changes, etag: wire.etag }));
  return isRejected(outcome) ? outcome : { installation: present(installation, outcome.state) };
}

/** What is given for the fields that never change must be what they are. */
function checkFixed({ product, kind }: InstallationSettings, wire: catalogV1.Installation): Violation[] {
  const violations: Violation[] = [];
  const description = 'cannot be changed; create another installation';
  if (wire.product !== '' && wire.product !== product) violations.push({ field: 'installation.product', description });
  const given = installationKind.fromWire(wire.kind);
  if (given !== undefined && given !== kind) violations.push({ field: 'installation.kind', description });
  return violations;
}

async function answerCheckUpdate(
  documents: Documents,
  request: catalogV1.CheckUpdateRequest,
): Promise<catalogV1.CheckUpdateResponse | Rejected> {
  const wrong = new Wrong();
  const { installation } = wrong.name('installation', 'name', request.name);
  wrong.add(checkOptionalVersion('version', request.version));
  const found = wrong.rejected() ?? (await findInstallation(documents, installation));
  if (isRejected(found)) return found;
  const { product, channel } = found.settings;
  const state = await findProduct(documents, product);
  if (isRejected(state)) return state;
  const head = state.channels[channel]?.version ?? '';
  const published = await publishedReleases(documents, product);
  const { downgrade } = request;
  const installed = found.installedVersion;
  const { version, reason } = downgrade
    ? checkDowngrade(installed, request.version, published, await pastReleases(documents, product), downgrade.dataFrom)
    : request.version === ''
      ? checkUpdate(installed, { name: channel, head }, published)
      : checkVersion(installed, request.version, published);
  const release = version === undefined ? undefined : await findRelease(documents, product, version);
  if (isRejected(release)) return release;
  return { installedVersion: found.installedVersion, release: release && releaseToWire(release), reason };
}
