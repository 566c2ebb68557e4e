/* global db, require -- of mongosh */
// Run by the image on a new disk, before anybody else can connect: a user for each service, who may use that service's database only.
const passwords = JSON.parse(require('node:fs').readFileSync('/run/secrets/mongodb-users', 'utf8'));

for (const [service, pwd] of Object.entries(passwords)) {
  const database = `lastcall_${service}`;
  db.getSiblingDB('admin').createUser({ user: database, pwd, roles: [{ role: 'readWrite', db: database }] });
}
