import { operationsV1, type catalogV1 } from '@lastcall/contracts';
import { createClient } from '@lastcall/sdk';
import { allPages, type Services } from '../connect.js';
import { inParallel } from '../publish/in-parallel.js';
import { lastPart } from '../render/words.js';
import { isWrong, type Finding } from './finding.js';
import { Inquiry } from './inquiry.js';
import { judgeInstallation, type Seen } from './judge-installation.js';
import { judgeServices, type Heard } from './judge-services.js';
import { judgeMirror, judgeTrust } from './judge-trust.js';

/* Everything that can be asked, through the public contracts, and what is thought of the answers. */

export interface Examination {
  /** What is wrong first. */
  readonly findings: readonly Finding[];
  readonly services: readonly operationsV1.ServiceState[];
}

const INSTALLATIONS_AT_ONCE = 8;
/** More than a night's backups; older ones do not matter here. */
const BACKUPS = 20;

/** `only`: one installation; default all. */
export async function examine(services: Services, only: string | undefined): Promise<Examination> {
  const inquiry = new Inquiry();
  const [heard, trust, installations] = await Promise.all([
    askServices(services, inquiry),
    askTrust(services, inquiry),
    askInstallations(services, inquiry, only),
  ]);
  const seen = await inParallel(INSTALLATIONS_AT_ONCE, installations, (one) => look(services, inquiry, one));
  const at = Date.now();
  const findings = [
    ...(heard ? judgeServices(heard) : []),
    ...trust,
    ...seen.flatMap((one) => judgeInstallation(one, at)),
    ...inquiry.findings,
  ];
  const [bad, fine] = [findings.filter(isWrong), findings.filter((finding) => !isWrong(finding))];
  return { findings: [...bad, ...fine], services: heard?.states ?? [] };
}

async function askServices({ channel }: Services, inquiry: Inquiry): Promise<Heard | undefined> {
  const operations = createClient(operationsV1.OperationsServiceService, channel);
  const before = Date.now();
  const answer = await inquiry.ask('operations', 'services', (options) =>
    operations.listServiceStates({ ownProcess: false }, options),
  );
  const tookMs = Date.now() - before;
  return answer && { states: answer.serviceStates, at: before + tookMs / 2, tookMs };
}

async function askTrust({ catalog }: Services, inquiry: Inquiry): Promise<Finding[]> {
  const mirrored = await inquiry.ask('catalog', 'mirror', (options) => catalog.getMirror({}, options));
  if (mirrored?.mirror) return judgeMirror(mirrored.mirror, Date.now());
  const signing = await inquiry.ask('catalog', 'signatures', (options) => catalog.getSigningState({}, options));
  return signing?.state ? judgeTrust(signing.state, Date.now()) : [];
}

async function askInstallations(
  services: Services,
  inquiry: Inquiry,
  only: string | undefined,
): Promise<readonly catalogV1.Installation[]> {
  if (only !== undefined) {
    const request = { name: `installations/${lastPart(only)}` };
    const answer = await inquiry.ask('catalog', only, (options) => services.catalog.getInstallation(request, options));
    return answer?.installation ? [answer.installation] : [];
  }
  const all = await inquiry.ask('catalog', 'installations', (options) =>
    allPages(async (pageToken) => {
      const request = { pageSize: 1_000, pageToken, product: '', group: '' };
      const page = await services.catalog.listInstallations(request, options);
      return { items: page.installations, next: page.nextPageToken };
    }),
  );
  return all ?? [];
}

async function look(services: Services, inquiry: Inquiry, installation: catalogV1.Installation): Promise<Seen> {
  const { name: parent } = installation;
  const id = lastPart(parent);
  const { session, installer, preflight } = services;
  const [gate, hosts, plans, reports, backups] = await Promise.all([
    inquiry.ask('session', id, (options) => session.getGate({ name: `${parent}/gate` }, options)),
    inquiry.ask('installer', id, (options) =>
      allPages(async (pageToken) => {
        const page = await installer.listHosts({ parent, pageSize: 1_000, pageToken }, options);
        return { items: page.hosts, next: page.nextPageToken };
      }),
    ),
    inquiry.ask('installer', id, (options) => installer.listPlans({ parent, pageSize: 1, pageToken: '' }, options)),
    inquiry.ask('preflight', id, (options) => preflight.listReports({ parent, pageSize: 1, pageToken: '' }, options)),
    inquiry.ask('preflight', id, (options) =>
      preflight.listBackups({ parent, pageSize: BACKUPS, pageToken: '' }, options),
    ),
  ]);
  return {
    installation,
    gate: gate?.gate,
    hosts,
    plan: plans?.plans[0],
    report: reports?.reports[0],
    backups: backups?.backups,
  };
}
