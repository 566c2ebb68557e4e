import type { ServiceModule } from '@lastcall/runtime';
import { createAskingHosts } from './asking-hosts.js';
import { createCatalog } from './catalog.js';
import { acceptedKeys, hostIdOf, openDocuments } from './documents.js';
import { createCommandRuns } from './command-runs.js';
import { createDuties, type Duties } from './duties.js';
import { createHandlers } from './events.js';
import { createHostGauge } from './host-gauge.js';
import { createHostEdge, type HostEdge } from './host-edge.js';
import { createHistoryRemover } from './history-remover.js';
import { createHostKeys } from './host-keys.js';
import { createJoining } from './joining.js';
import { createOrders, type HostKey } from './orders.js';
import { createPlans } from './plans.js';
import { createPresence } from './presence.js';
import { createRpc } from './rpc.js';
import { installerSettings, type InstallerSettings } from './settings.js';

/** Plans, orders to hosts and their outcomes. After an install has begun there is an outcome. */
export const installerModule: ServiceModule<InstallerSettings> = {
  name: 'installer',
  settings: installerSettings,
  create: async (context) => {
    const { store, settings } = context;
    const documents = await openDocuments(store);
    const { queues, hosts } = documents;
    // The edge sends what is queued and the duties watch over it; both are made of what they look after.
    const late: { edge?: HostEdge; duties?: Duties } = {};
    const orders = createOrders({
      queues,
      resultGraceMs: settings.resultGraceMs,
      onQueued: (host) => late.edge?.announceOrders(host),
      onDue: (at) => late.duties?.orders.dueAt(at),
    });
    const plans = createPlans({ plans: documents.plans, settings, onDue: (at) => late.duties?.plans.dueAt(at) });
    const commands = createCommandRuns({
      commandRuns: documents.commandRuns,
      settings,
      onDue: (at) => late.duties?.commands.dueAt(at),
    });
    const presence = createPresence(hosts, settings.hostSilenceMs);
    const edge = createHostEdge({
      ...{ context, orders, presence },
      onConnected: async ({ installation, host }) => {
        const queue = (await queues.get(hostIdOf(installation, host)))?.data.queue;
        if (!queue) return;
        await plans.hostReturned({ installation, host, version: queue.installedVersion, fence: queue.fence });
      },
    });
    const duties = createDuties({ store, documents, orders, plans, commands });
    late.edge = edge;
    late.duties = duties;
    await edge.start();
    const catalog = createCatalog(context);
    const onNewKey = (host: HostKey): Promise<void> => edge.announceNewKey(host);
    const joining = createJoining({ context, documents, catalog, onNewKey });
    const keys = createHostKeys({ hosts, onCutOff: onNewKey });
    return {
      rpc: createRpc({
        ...{ context, documents, joining, keys, orders, plans, edge },
        asking: createAskingHosts({ context, documents, plans }),
      }),
      consumers: createHandlers(
        { plans, commands, orders },
        { settleMs: settings.settleMs, parallelHosts: settings.parallelHosts },
      ),
      duties: [
        ...[duties.orders, duties.plans, duties.commands, duties.tokens],
        createHistoryRemover(context, documents),
        ...(context.isObserved
          ? [createHostGauge({ store, documents, gauge: (...said) => context.gauge(...said) })]
          : []),
      ],
      agentKeys: async (installation, host) => {
        const found = await hosts.get(hostIdOf(installation, host));
        return found ? acceptedKeys(found.data).map((key) => Buffer.from(key, 'base64')) : [];
      },
      stop: () => edge.stop(),
    };
  },
};
