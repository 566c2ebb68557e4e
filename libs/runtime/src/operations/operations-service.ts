import { operationsV1, type ServiceName } from '@lastcall/contracts';
import { bindRpc, type RpcBinding } from '../service.js';
import type { AuditTrail } from './audit-trail.js';
import { listAudit } from './list-audit.js';
import { listDeadLetters, redrive, type DeadLettersOf } from './list-dead-letters.js';
import type { Peers } from './peers.js';
import type { ServiceStates } from './service-states.js';

/*
 * Dead letters and audit of all services, as one list each; and how all services are.
 */

export interface OperationsOf extends DeadLettersOf {
  readonly name: ServiceName;
  readonly audit: AuditTrail;
}

export function bindOperations(services: readonly OperationsOf[], states: ServiceStates, peers: Peers): RpcBinding {
  return bindRpc(operationsV1.OperationsServiceService, {
    listDeadLetters: (request) => listDeadLetters(services, peers, request),
    redriveDeadLetter: (request) => redrive(services, peers, request),
    listAuditRecords: (request) => listAudit(services, peers, request),
    listServiceStates: async ({ ownProcess }) => ({ serviceStates: await states.list(ownProcess) }),
  });
}
