import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:http2';

/*
 * One address for all services, as an ingress would be: a call goes to a service by the name that its path begins with. For the test in
 * the cluster only: one connection to each service, nothing is limited.
 */

function tlsFiles() {
  const file = (name) => process.env[name] && readFileSync(process.env[name]);
  return { ca: file('LASTCALL_TEST_CA'), cert: file('LASTCALL_TEST_CERT'), key: file('LASTCALL_TEST_KEY') };
}

/** `routes`: host:port by the full name of a gRPC service. Answers host:port. */
export async function openFrontDoor(routes) {
  const tls = tlsFiles();
  const sessions = new Map();
  const sessionTo = (address) => {
    const open = sessions.get(address);
    if (open && !open.closed && !open.destroyed) return open;
    const session = connect(`${tls.ca ? 'https' : 'http'}://${address}`, tls);
    session.on('error', (error) => console.error(`${address}: ${error.message}`));
    session.on('goaway', () => sessions.delete(address));
    sessions.set(address, session);
    return session;
  };
  const server = createServer();
  server.on('session', (session) => session.on('error', () => undefined));
  server.on('stream', (down, headers) => {
    down.on('error', () => undefined);
    const address = routes[String(headers[':path']).split('/')[1]];
    if (address === undefined) return refuse(down, 12, 'no route for this service');
    const up = sessionTo(address).request({ ...headers, ':authority': address }, { endStream: false });
    up.on('response', (response, flags) => {
      if (down.destroyed) return up.close();
      if (response[':status'] !== 200) return refuse(down, 14, `${address} answers with HTTP ${response[':status']}`);
      // END_STREAM: a refusal is one frame of headers.
      if (flags & 1) return down.respond(response, { endStream: true });
      down.respond(response, { waitForTrailers: true });
      let trailers = {};
      down.on('wantTrailers', () => down.sendTrailers(trailers));
      // They may come after the last byte, and whoever reads them must not be told that there are none.
      up.on('trailers', (received) => {
        trailers = received;
        down.end();
      });
      up.on('close', () => down.end());
      up.pipe(down, { end: false });
    });
    up.on('error', () => down.headersSent || refuse(down, 14, 'the service cannot be reached'));
    down.on('close', () => up.close());
    down.pipe(up);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${server.address().port}`;
}

function refuse(stream, status, message) {
  if (stream.destroyed) return;
  const headers = {
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-status': status,
    'grpc-message': message,
  };
  stream.respond(headers, { endStream: true });
}

/** A call of a method whose request has a name as its first field, and whose answer does not matter. */
export function callUnary(address, { path, token, name }) {
  const text = Buffer.from(name);
  const message = Buffer.concat([Buffer.from([0x0a, text.length]), text]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return new Promise((resolve, reject) => {
    const session = connect(`http://${address}`);
    session.on('error', reject);
    const call = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${token}`,
    });
    const status = (headers) => {
      if (headers['grpc-status'] === undefined) return;
      session.close();
      // 5: there is none.
      if (['0', '5'].includes(headers['grpc-status'])) resolve();
      else reject(new Error(decodeURIComponent(headers['grpc-message'] ?? '')));
    };
    call.on('response', status).on('trailers', status).on('error', reject).resume();
    call.end(Buffer.concat([frame, message]));
  });
}
