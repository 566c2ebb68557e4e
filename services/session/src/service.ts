import { sessionV1 } from '@lastcall/contracts';
import { bindRpc, createApprovals, type ServiceContext, type ServiceModule } from '@lastcall/runtime';
import { createAdmissions, type Admissions } from './admissions.js';
import { createAttach } from './attach.js';
import { createAttachLimits } from './attach-limits.js';
import { openDocuments } from './documents.js';
import { createDuties } from './duties.js';
import { createHandlers } from './events.js';
import { createHistories } from './histories.js';
import { createGateGauge } from './gate-gauge.js';
import { createGates } from './gates.js';
import { HoldDesk } from './hold-desk.js';
import { createHearing } from './hearing.js';
import { createHellos } from './hellos.js';
import { createKeeper, type Keeper } from './keeper.js';
import { Ledger } from './ledger.js';
import { moveAll } from './mover.js';
import { NoticeWords } from './notice-words.js';
import { createPlans, plansSpec } from './notices/plans.js';
import { createPolicyProblems } from './notices/policy-problems.js';
import { Presence } from './presence.js';
import { Ramp } from './ramp.js';
import { createRemains } from './remains.js';
import { createReplacements } from './replacements.js';
import { Roster } from './roster.js';
import { attendanceHandlers } from './rpc-attendance.js';
import { gateHandlers } from './rpc-gate.js';
import { historyHandlers } from './rpc-history.js';
import { holdHandlers } from './rpc-holds.js';
import { reopeningHandlers } from './rpc-reopening.js';
import { sessionHandlers } from './rpc-sessions.js';
import { sessionSettings, type SessionSettings } from './settings.js';
import { Sheets } from './sheets.js';
import { createSightings } from './sightings.js';
import { Telling } from './telling.js';
import { Vigil } from './vigil.js';
import { Watch } from './watch.js';
import { createWelcomes } from './welcomes.js';

/** Sessions, gate, notices, holds, first-start proofs. */
export const sessionModule: ServiceModule<SessionSettings> = {
  name: 'session',
  settings: sessionSettings,
  create: async (context) => {
    const { settings, store } = context;
    const documents = await openDocuments(store);
    const parts = await createParts(context, documents);
    const { gates, keeper, presence, roster, watch, hellos, ledger, ramp } = parts;
    const plans = createPlans({
      ...{ store, gates, log: context.log, settleMs: settings.planSettleMs },
      plans: await store.collection(plansSpec),
    });
    const histories = createHistories({ store, documents });
    const policyProblems = createPolicyProblems(context.log);
    const isRevoked = (token: string) => context.isRevoked(token);
    const duties = createDuties({ ...parts, leaseMs: settings.sessionLeaseMs, isRevoked });
    const approvals = await createApprovals(context);
    const operators = { ...parts, documents, settings, approvals };
    const rpc = bindRpc(
      sessionV1.SessionServiceService,
      {
        attach: createAttach({ ...parts, now: () => presence.now() }),
        ...reopeningHandlers(parts),
        ...gateHandlers(operators),
        ...holdHandlers(operators),
        ...sessionHandlers(operators),
        ...attendanceHandlers(parts),
        ...historyHandlers({ ...parts, histories }),
        ...approvals.handlers,
      },
      { attach: settings.maxClientMessageBytes },
    );
    return {
      rpc: [rpc],
      consumers: createHandlers({ gates, histories, keeper, plans, policyProblems, settings }),
      duties: [
        ...[...duties, keeper.duty, plans.duty, histories.duty, approvals.duty],
        ...(context.isObserved
          ? [createGateGauge({ store, documents, roster, gauge: (...said) => context.gauge(...said) })]
          : []),
      ],
      stop: async () => {
        parts.admissions.close();
        hellos.stop();
        ramp.stop();
        await moveAll({ roster, presence, watch, ledger, moveMs: settings.moveMs, log: context.log });
        await watch.stop();
        await parts.replacements.stop();
        await parts.sightings.stop();
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
  const vigil = new Vigil(settings.gateLeaseMs);
  const gates = createGates(
    documents,
    settings,
    (record) => watch.changed(record),
    () => vigil.failed(),
  );
  const now = () => presence.now();
  const holds = new HoldDesk({
    ...{ gates, documents, known, now },
    isHere: (installation, id) => roster.find(installation, id) !== undefined,
  });
  const presence: Presence = new Presence({
    documents,
    leaseMs: settings.sessionLeaseMs,
    graceMs: settings.resumeGraceMs,
    log,
    owns: (installation, id) => roster.find(installation, id) !== undefined || admissions.isUnderway(id),
    lost: () => roster.move([...roster.all()]),
    buried: (sessions) => remains.buried(sessions),
  });
  const sheets = new Sheets({ documents, now });
  const ledger: Ledger = new Ledger({
    documents,
    sheets,
    log,
    removed: (installations) => {
      const shut = [...installations].filter((id) => known(id)?.data.gate.phase !== 'open');
      keeper.nudge(new Set(shut));
    },
  });
  const remains = createRemains({ gates, ledger, known, now, log });
  const words = new NoticeWords();
  const roster: Roster = new Roster({
    ...{ ledger, now, known },
    telling: new Telling({ ledger, words, now }),
    over: (session) => remains.over(session),
    graceMs: settings.resumeGraceMs,
    silenceMs: 3 * settings.heartbeatIntervalMs,
    saveTimeoutMs: settings.saveTimeoutMs,
    maxQueuedBytes: settings.maxQueuedBytes,
    maxMessagesPerSecond: settings.maxMessagesPerSecond,
  });
  const watch: Watch = new Watch({
    bus,
    documents,
    log,
    follow: (record) => {
      roster.follow(record);
      holds.follow(record);
    },
  });
  await watch.start();
  const isUnderway = (id: string) => admissions.isUnderway(id);
  const replacements = await createReplacements({ bus, roster, ledger, presence, log, isUnderway });
  const sightings = await createSightings({ bus, roster, presence, log, isUnderway });
  const welcomes = createWelcomes({ roster, holds, watch, words, presence, replacements, settings });
  const admissions: Admissions = createAdmissions({ documents, gates, watch, ledger, presence, settings, welcomes });
  const keeper: Keeper = createKeeper({
    store,
    documents,
    gates,
    ledger,
    sheets,
    sightings,
    presence,
    vigil,
    settings,
    log,
  });
  const hearing = createHearing({ roster, ledger, holds, known, now, settings, log });
  const hellos = createHellos(settings.helloTimeoutMs, settings.attachBurst, now);
  const limits = createAttachLimits(settings);
  const ramp = new Ramp(now);
  const edge = { admissions, hearing, hellos, holds, known, limits, ramp, replacements, roster, sightings, watch };
  return { ...edge, gates, keeper, ledger, presence, sheets };
}
