import { sessionV1, type EventEnvelope, type EventMessage, type EventType } from '@lastcall/contracts';
import type { RunSpec } from '@lastcall/kernel';
import type { Channel, UnaryClient } from '@lastcall/sdk';
import type { Store } from '@lastcall/store';
import { openDocuments, type Documents } from '../documents.js';
import type { GateState } from '../domain/gate-state.js';
import { AttachClient, attachedOn, type Attached } from './attach-client.js';
import { eventually } from './eventually.js';
import { INSTALLATION, installationChanged, runSpec, stagingCompleted } from './run-events.js';

/* The session service and one installation, as tests see them from outside. */

export const PARENT = `installations/${INSTALLATION}`;
export const GATE = `${PARENT}/gate`;
export const SITE_SETTINGS = { sessionLeaseMs: 10_000, resumeGraceMs: 4_000, heartbeatIntervalMs: 60_000 };

type Policy = Parameters<typeof sessionV1.SessionPolicy.fromPartial>[0];

type Sessions = UnaryClient<typeof sessionV1.SessionServiceService>;

/** What is needed of the running service. */
export interface Ground {
  client(definition: typeof sessionV1.SessionServiceService, role: 'operator', installation: string): Sessions;
  channel(role: 'client', installation: string): Channel;
  store(service: 'session'): Store;
  publish<T extends EventType>(
    type: T,
    installation: string,
    message: EventMessage<T>,
    source?: string,
  ): Promise<EventEnvelope>;
  seen<T extends EventType>(type: T, fits: (message: EventMessage<T>) => boolean): Promise<unknown>;
}

export interface Site {
  readonly documents: Documents;
  /** As an operator. */
  operator(): Sessions;
  gate(): Promise<sessionV1.Gate>;
  attach(hello?: Partial<sessionV1.Hello>): AttachClient;
  /** Resolves when it is inside. */
  attached(hello?: Partial<sessionV1.Hello>): Promise<Attached>;
  /** Shuts the gate for the next run. */
  shutFor(more?: Partial<RunSpec>): Promise<RunSpec>;
  /** The catalog says it anew. Resolves when it is known. */
  setPolicy(policy: Policy): Promise<void>;
  /** Looks again and again; what is looked at has no signal of its own. */
  gateUntil(fits: (gate: GateState) => boolean, timeoutMs?: number): Promise<GateState>;
}

/** Resolves when the installation is known. */
export async function openSite<G extends Ground>(stack: G): Promise<G & Site> {
  const operator = () => stack.client(sessionV1.SessionServiceService, 'operator', INSTALLATION);
  const documents = await openDocuments(stack.store('session'));
  let fence = 0;

  const site: Site = {
    documents,
    operator,
    gate: async () => {
      const { gate } = await operator().getGate({ name: GATE });
      if (!gate) throw new Error('there is no gate');
      return gate;
    },
    attach: (hello) => new AttachClient(stack.channel('client', INSTALLATION), hello ?? {}),
    attached: (hello) => attachedOn(() => site.attach(hello)),
    shutFor: async (more) => {
      const run = runSpec({ fence: ++fence, ...more });
      await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
      await stack.seen('GateClosed', aboutRun(run));
      return run;
    },
    setPolicy: async (policy) => {
      const sessionPolicy = sessionV1.SessionPolicy.fromPartial(policy);
      const changed = installationChanged({ sessionPolicy });
      const source = `catalog/installations/${INSTALLATION}`;
      const { sequence } = await stack.publish('InstallationChanged', INSTALLATION, changed, source);
      await eventually(async () => (await documents.gates.get(INSTALLATION))?.data.facts?.sequence === sequence);
    },
    gateUntil: async (fits, timeoutMs) => {
      let found: GateState | undefined;
      await eventually(async () => {
        found = (await documents.gates.get(INSTALLATION))?.data.gate;
        return found !== undefined && fits(found);
      }, timeoutMs).catch((cause: unknown) => {
        throw new Error(`the gate stays ${JSON.stringify(found)}`, { cause });
      });
      if (!found) throw new Error('there is no gate');
      return found;
    },
  };
  await site.setPolicy({});
  return { ...stack, ...site };
}

/** Whether an event is about this run. */
export function aboutRun({ run }: { readonly run: string }) {
  return (message: { readonly run?: { readonly run: string } | undefined }): boolean => message.run?.run === run;
}
