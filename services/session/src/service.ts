import { sessionV1 } from '@lastcall/contracts';
import { bindRpc, type ServiceContext, type ServiceModule } from '@lastcall/runtime';
import { createAdmissions, type Admissions } from './admissions.js';
import { createAttach } from './attach.js';
import { createAttachLimits } from './attach-limits.js';
import { openDocuments } from './documents.js';
import { createDuties } from './duties.js';
import { createHandlers } from './events.js';
import { createGates } from './gates.js';
import { createHellos } from './hellos.js';
import { createKeeper, type Keeper } from './keeper.js';
import { Ledger } from './ledger.js';
import { Presence } from './presence.js';
import { createReplacements } from './replacements.js';
import { Roster } from './roster.js';
import { gateHandlers } from './rpc-gate.js';
import { sessionHandlers } from './rpc-sessions.js';
import { sessionSettings, type SessionSettings } from './settings.js';
import { Watch } from './watch.js';

/** Sessions, gate, notices, holds, first-start proofs. */
export const sessionModule: ServiceModule<SessionSettings> = {
  name: 'session',
  settings: sessionSettings,
  create: async (context) => {
    const { settings, store } = context;
    const documents = await openDocuments(store);
    const parts = await createParts(context, documents);
    const { gates, keeper, presence, roster, watch, hellos, limits, ledger, admissions, replacements } = parts;
    const leaseMs = settings.sessionLeaseMs;
    const isRevoked = (token: string) => context.isRevoked(token);
    const duties = { presence, roster, hellos, limits, ledger, watch, leaseMs, isRevoked };
    const now = () => presence.now();
    const operators = { documents, gates, keeper, watch, presence, ledger, roster };
    const rpc = bindRpc(sessionV1.SessionServiceService, {
      attach: createAttach({ admissions, gates, roster, ledger, watch, hellos, limits, now }),
      ...gateHandlers(operators),
      ...sessionHandlers(operators),
    });
    return {
      rpc: [rpc],
      consumers: createHandlers({ gates, keeper, settings }),
      duties: [...createDuties(duties), keeper.duty],
      stop: async () => {
        hellos.stop();
        roster.moveAll();
        await watch.stop();
        await replacements.stop();
        await ledger.flush();
        await presence.release();
      },
    };
  },
};

type Documents = Awaited<ReturnType<typeof openDocuments>>;

/** The parts know each other in a circle (a gate changes, streams end, documents go, the gate goes on); it is closed here. */
async function createParts({ settings, store, bus, log }: ServiceContext<SessionSettings>, documents: Documents) {
  const known = (installation: string) => watch.known(installation);
  const gates = createGates(documents, settings, (record) => watch.changed(record));
  const presence: Presence = new Presence({
    documents,
    leaseMs: settings.sessionLeaseMs,
    graceMs: settings.resumeGraceMs,
    log,
    owns: (installation, id) => roster.find(installation, id) !== undefined || admissions.isUnderway(id),
    lost: () => roster.moveAll(),
  });
  const now = () => presence.now();
  const ledger: Ledger = new Ledger({
    documents,
    now,
    log,
    removed: (installations) => {
      const shut = [...installations].filter((id) => known(id)?.data.gate.phase !== 'open');
      keeper.nudge(new Set(shut));
    },
  });
  const roster: Roster = new Roster({
    ledger,
    now,
    known,
    graceMs: settings.resumeGraceMs,
    silenceMs: 3 * settings.heartbeatIntervalMs,
    maxQueuedBytes: settings.maxQueuedBytes,
    maxMessagesPerSecond: settings.maxMessagesPerSecond,
  });
  const watch: Watch = new Watch({ bus, documents, log, follow: (record) => roster.follow(record) });
  await watch.start();
  const replacements = await createReplacements({ bus, roster, presence, log });
  const admissions: Admissions = createAdmissions({
    documents,
    gates,
    watch,
    roster,
    ledger,
    presence,
    settings,
    replacements,
  });
  const keeper: Keeper = createKeeper({ store, documents, gates, ledger, presence, settings, log });
  const hellos = createHellos(settings.helloTimeoutMs, now);
  const limits = createAttachLimits(settings);
  return { gates, presence, ledger, roster, watch, replacements, admissions, keeper, hellos, limits };
}
