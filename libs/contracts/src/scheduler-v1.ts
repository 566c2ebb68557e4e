/** The package lastcall.scheduler.v1, which is written in several files. */
export * from './gen/lastcall/scheduler/v1/job.js';
export * from './gen/lastcall/scheduler/v1/notification.js';
export * from './gen/lastcall/scheduler/v1/outlook.js';
export * from './gen/lastcall/scheduler/v1/run.js';
export * from './gen/lastcall/scheduler/v1/run_calls.js';
export * from './gen/lastcall/scheduler/v1/scheduler.js';
