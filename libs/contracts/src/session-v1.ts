/** The package lastcall.session.v1, which is written in several files. */
export * from './gen/lastcall/session/v1/attach.js';
export * from './gen/lastcall/session/v1/attendance.js';
export * from './gen/lastcall/session/v1/gate.js';
export * from './gen/lastcall/session/v1/history.js';
export * from './gen/lastcall/session/v1/policy.js';
export * from './gen/lastcall/session/v1/session.js';
