export { catalogModule } from './service.js';
export type { CatalogSettings } from './settings.js';
export { liftPublication } from './tuf/after-restore.js';
