/* global db, quit, require -- of mongosh */
// Makes a replica set of this one member, once. Ends with 0 when it may be written to.
const admin = db.getSiblingDB('admin');
admin.auth('root', require('node:fs').readFileSync('/run/secrets/mongodb-root', 'utf8').trim());
const { codeName } = admin.runCommand({ replSetGetStatus: 1 });
if (codeName === 'NotYetInitialized') {
  admin.runCommand({ replSetInitiate: { _id: 'lastcall', members: [{ _id: 0, host: 'mongodb:27017' }] } });
}
if (!admin.hello().isWritablePrimary) quit(1);
