export { sessionModule } from './service.js';
export type { SessionSettings } from './settings.js';
