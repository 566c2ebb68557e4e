import { catalogV1, checkRestorePoint, formatName, installationKind } from '@lastcall/contracts';
import { checkId, invalid, isRejected, reject, type Rejected, type Violation } from '@lastcall/kernel';
import { readPage, type Approvals, type Prepared, type RpcHandlers } from '@lastcall/runtime';
import { actOn } from '../decide.js';
import type { Documents } from '../documents.js';
import type {
  ChangeableSettings,
  InstallationCommand,
  InstallationSettings,
  PresentInstallation,
} from '../domain/installation.js';
import { checkDowngrade } from '../domain/downgrade-check.js';
import { checkUpdate, checkVersion, type UpdateCheck, type UpdateQuestion } from '../domain/update-check.js';
import { stageOf } from '../domain/wave-plan.js';
import { heldBy, waveFor, type Asker, type NamedWave } from '../domain/wave-offer.js';
import { installationMachine } from '../machines.js';
import { checkOptionalVersion, parseChanges, parsePage, parseSettings, Wrong } from '../requests.js';
import type { Waves } from '../waves.js';
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

export interface InstallationParts {
  readonly documents: Documents;
  readonly waves: Waves;
  readonly approvals: Approvals;
}

export function installationHandlers(parts: InstallationParts): Pick<Handlers, Names> {
  const { documents, approvals } = parts;
  const { updateInstallation, deleteInstallation } = catalogV1.CatalogServiceService;
  return {
    createInstallation: (request) => createInstallation(documents, request),
    getInstallation: async (request) => {
      const wrong = new Wrong();
      const { installation } = wrong.name('installation', 'name', request.name);
      const found = wrong.rejected() ?? (await findInstallation(documents, installation));
      return isRejected(found) ? found : { installation: installationToWire(installation, found) };
    },
    listInstallations: (request) => listInstallations(documents, request),
    updateInstallation: approvals.guard(updateInstallation, (request, { principal }) =>
      prepareUpdate(documents, request, principal?.role === 'admin'),
    ),
    deleteInstallation: approvals.guard(deleteInstallation, (request) => prepareDeletion(documents, request)),
    checkUpdate: (request) => answerCheckUpdate(parts, request),
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

async function prepareUpdate(
  documents: Documents,
  { installation: wire, updateMask }: catalogV1.UpdateInstallationRequest,
  isAdmin: boolean,
): Promise<Prepared<catalogV1.UpdateInstallationResponse> | Rejected> {
  if (!wire) return invalid([{ field: 'installation', description: 'is missing' }]);
  const wrong = new Wrong();
  const { installation } = wrong.name('installation', 'installation.name', wire.name);
  const changes = parseChanges(wrong, wire, updateMask);
  const current = wrong.rejected() ?? (await findInstallation(documents, installation));
  if (isRejected(current)) return current;
  const fixed = checkFixed(current.settings, wire);
  if (fixed.length > 0) return invalid(fixed);
  const refused = checkApproval(current.settings, changes, isAdmin);
  if (refused) return refused;
  const channel = changes.channel ?? current.settings.channel;
  const rejected = await checkFollows(documents, current.settings.product, channel);
  if (rejected) return rejected;
  const { secondPerson: rule } = current.settings;
  const action = needsFewerPeople(current.settings, changes) ? 'policy' : undefined;
  return {
    ...{ installation, action, rule, reason: '', shown: { name: wire.name, ...changes } },
    perform: async () => {
      const outcome = await command(documents, installation, () => ({ type: 'change', changes, etag: wire.etag }));
      return isRejected(outcome) ? outcome : { installation: present(installation, outcome.state) };
    },
  };
}

async function prepareDeletion(
  documents: Documents,
  { name, etag }: catalogV1.DeleteInstallationRequest,
): Promise<Prepared<catalogV1.DeleteInstallationResponse> | Rejected> {
  const wrong = new Wrong();
  const { installation } = wrong.name('installation', 'name', name);
  const current = wrong.rejected() ?? (await findInstallation(documents, installation));
  if (isRejected(current)) return current;
  const { secondPerson: rule } = current.settings;
  // Who deletes it may make it anew, without the rule.
  const action = rule && rule.actions.length > 0 ? 'policy' : undefined;
  return {
    ...{ installation, action, rule, reason: '' },
    perform: async () => {
      const outcome = await command(documents, installation, () => ({ type: 'delete', etag }));
      return isRejected(outcome) ? outcome : {};
    },
  };
}

/** Whether one person could do afterwards what takes two now. */
function needsFewerPeople(
  { secondPerson: rule, reactionTimeMs, approvalRequired }: InstallationSettings,
  changes: Partial<ChangeableSettings>,
): boolean {
  if (!rule || rule.actions.length === 0) return false;
  const isFewer =
    changes.secondPerson && !rule.actions.every((action) => changes.secondPerson?.actions.includes(action));
  // Closing the gate with the usual reaction time is no logoff by force, so it must not become shorter by one alone.
  const isQuicker = rule.actions.includes('logoff') && (changes.reactionTimeMs ?? reactionTimeMs) < reactionTimeMs;
  // A job that nobody approves shuts the gate and logs users off, too.
  const isUnapproved = approvalRequired === true && changes.approvalRequired === false;
  return isFewer === true || isQuicker || isUnapproved;
}

/** Whoever needs an approval must not be able to do without it. */
function checkApproval(
  { kind, approvalRequired = false }: InstallationSettings,
  changes: Partial<ChangeableSettings>,
  isAdmin: boolean,
): Rejected | undefined {
  const wanted = [
    ...(changes.approvalRequired ? ['approval_required'] : []),
    ...(changes.secondPerson?.actions.length ? ['second_person'] : []),
  ];
  if (wanted.length > 0 && kind === 'single-user') {
    const description = 'is for installations with many users; this one has a single seat';
    return invalid(wanted.map((field) => ({ field: `installation.${field}`, description })));
  }
  if (!approvalRequired || changes.approvalRequired !== false || isAdmin) return undefined;
  const message = 'only an administrator decides that jobs need no approval any more; ask one';
  return reject('not-permitted', 'ADMIN_NEEDED', message);
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
  parts: InstallationParts,
  request: catalogV1.CheckUpdateRequest,
): Promise<catalogV1.CheckUpdateResponse | Rejected> {
  const { documents } = parts;
  const wrong = new Wrong();
  const { installation } = wrong.name('installation', 'name', request.name);
  wrong.add(checkOptionalVersion('version', request.version));
  const dataFrom = request.downgrade?.dataFrom ?? '';
  if (dataFrom !== '') wrong.add(checkRestorePoint('downgrade.data_from', dataFrom));
  const found = wrong.rejected() ?? (await findInstallation(documents, installation));
  if (isRejected(found)) return found;
  const asker: Asker = { installation, group: found.settings.group ?? '', channel: found.settings.channel };
  const waves = await parts.waves.bindingOf(found.settings.product);
  const question = await questionOf(documents, found, asker, waves);
  if (isRejected(question)) return question;
  const check = await checkFor(documents, found.settings.product, question, request);
  const { version, reason, path } = check;
  const release = version === undefined ? undefined : await findRelease(documents, found.settings.product, version);
  if (isRejected(release)) return release;
  return {
    ...{ installedVersion: found.installedVersion, release: release && releaseToWire(release), reason },
    path: [...path],
    ...waveOf(question, check, asker, waves),
  };
}

/** Back to an older version, to one version, or to the newest. */
async function checkFor(
  documents: Documents,
  product: string,
  question: UpdateQuestion,
  { version, downgrade }: catalogV1.CheckUpdateRequest,
): Promise<UpdateCheck> {
  if (!downgrade) return version === '' ? checkUpdate(question) : checkVersion(question, version);
  const all = await pastReleases(documents, product);
  return checkDowngrade(question.installed, version, question.published, all, downgrade.dataFrom);
}

async function questionOf(
  documents: Documents,
  { settings, installedVersion }: PresentInstallation,
  asker: Asker,
  waves: readonly NamedWave[],
): Promise<UpdateQuestion | Rejected> {
  const { product, channel } = settings;
  const state = await findProduct(documents, product);
  if (isRejected(state)) return state;
  return {
    installed: installedVersion,
    channel: { name: channel, head: state.channels[channel]?.version ?? '' },
    published: await publishedReleases(documents, product),
    holds: (release) => {
      const wave = waveFor(waves, asker, release);
      return wave && heldBy(wave, asker);
    },
  };
}

/** The wave that brings the release that the answer is about. */
function waveOf(
  { published }: UpdateQuestion,
  { target }: UpdateCheck,
  asker: Asker,
  waves: readonly NamedWave[],
): Pick<catalogV1.CheckUpdateResponse, 'wave' | 'waveStage'> {
  const release = published.find(({ version }) => version === target);
  const found = release && waveFor(waves, asker, release);
  if (!found) return { wave: '', waveStage: 0 };
  const { wave, state } = found;
  const isIn = state.plan.channel === asker.channel;
  return { wave: formatName('wave', { wave }), waveStage: isIn ? stageOf(wave, state.plan, asker) + 1 : 0 };
}
