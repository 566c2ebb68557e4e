/** Orders, what they have done and what hosts know: the part of lastcall.installer.v1 that services and agents share. */
export * from './gen/lastcall/installer/v1/evidence.js';
export * from './gen/lastcall/installer/v1/host_facts.js';
export * from './gen/lastcall/installer/v1/host_order.js';
