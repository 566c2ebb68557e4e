export { buildReleases, ENCORE_RELEASES, type EncoreVersion } from './build-releases.js';
