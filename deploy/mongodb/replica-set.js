/* global rs -- of mongosh */
// Once, on one of the three servers: mongosh --file replica-set.js
// The journal of a majority is what a write waits for; writeConcernMajorityJournalDefault stays true.

rs.initiate({
  _id: 'lastcall',
  members: [
    { _id: 0, host: 'mongodb-0:27017' },
    { _id: 1, host: 'mongodb-1:27017' },
    { _id: 2, host: 'mongodb-2:27017' },
  ],
});
