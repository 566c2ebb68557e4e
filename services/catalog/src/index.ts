export { catalogModule } from './service.js';
export type { CatalogSettings } from './settings.js';
