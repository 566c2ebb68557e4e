export { installerModule } from './service.js';
