export * from './audit-chain.js';
export * from './broadcasts.js';
export * from './cloudevents.js';
export * from './events.js';
export { checkHolidayRegion, HOLIDAY_REGIONS, holidayRegionOf } from './holiday-regions.js';
export * from './names.js';
export * from './pack.js';
export * from './parse.js';
export * from './permissions.js';
export * from './poison.js';
export * from './service-definition.js';
export * from './session-policy.js';
export * from './status.js';
export * from './subjects.js';
export * from './tree.js';
export * from './wire.js';

export * as approvalV1 from './gen/lastcall/common/v1/approval.js';
export * as catalogV1 from './catalog-v1.js';
export * as commonV1 from './gen/lastcall/common/v1/common.js';
export * as eventsV1 from './events-v1.js';
export * as identityV1 from './gen/lastcall/identity/v1/identity.js';
export * as hostEdgeV1 from './gen/lastcall/installer/v1/host_edge.js';
export * as hostOrderV1 from './host-order-v1.js';
export * as installerV1 from './gen/lastcall/installer/v1/installer.js';
export * as operationsV1 from './gen/lastcall/operations/v1/operations.js';
export * as preflightV1 from './preflight-v1.js';
export * as schedulerV1 from './scheduler-v1.js';
export * as sessionV1 from './session-v1.js';
export * as healthV1 from './gen/grpc/health/v1/health.js';
export * as rpcErrorsV1 from './gen/google/rpc/error_details.js';

// The manifest's parser carries YAML and a schema engine: it has a door of its own, `@lastcall/contracts/manifest`.
export type * from './manifest-shape.js';
