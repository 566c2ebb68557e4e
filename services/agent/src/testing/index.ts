export { certificatesOf } from '../facts/certificates.js';
export { ATTACKS, PRODUCT, publishTwice, SEEN, WANTED, type Attack } from './attacks.js';
export { startRepository, type TestRepository } from './tuf-repository.js';
export { openBackup } from './open-backup.js';
export { openKeyRing } from '../identity.js';
export { layoutOf } from '../layout.js';
export { rotateKeyHere } from '../rotate-key.js';
