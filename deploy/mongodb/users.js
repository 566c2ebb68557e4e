/* global db, process -- of mongosh */
// Once, on the primary, as an administrator: LASTCALL_PASSWORD=… mongosh mongodb://… --file users.js
// Each service reads and writes its own database and nothing else. `prefix` is the services' setting LASTCALL_PREFIX.

const prefix = process.env.LASTCALL_PREFIX ?? 'lastcall';
const services = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];

if (!process.env.LASTCALL_PASSWORD) throw new Error('LASTCALL_PASSWORD is not set');

for (const service of services) {
  const database = `${prefix}_${service}`;
  db.getSiblingDB('admin').createUser({
    user: database,
    pwd: process.env.LASTCALL_PASSWORD,
    roles: [{ role: 'readWrite', db: database }],
  });
}
