export { prepareCluster, type PreparedCluster, type PrepareClusterOptions } from './cluster/prepare-cluster.js';
export { ensureDatabaseUsers, readPasswords } from './cluster/database-users.js';
export { prepare } from './data-folder.js';
export { startUp, type RunningUp, type UpOptions } from './start-up.js';
export { backUpState, type BackedUp, type BackUpOptions, type BlobsHow } from './state/back-up.js';
export { checkBackup, restoreState, type Restored, type RestoreOptions } from './state/restore.js';
