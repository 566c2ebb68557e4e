/* Requests over HTTP as they must not be, written byte by byte: a client library would put them right. */

export interface BadHttp {
  readonly what: string;
  readonly request: string;
  readonly status: number;
  /** In the body. */
  readonly says?: RegExp;
}

const NO_ROUTE = /NO_ROUTE/;
const BAD_NAME = /sha256/;
const HASH = 'a'.repeat(64);
const UPPER = 'A'.repeat(64);

/** `credential` is good; `blob` is there and has `size` bytes. */
export function badHttp(credential: string, blob: string, size: number): readonly BadHttp[] {
  const head = `Host: a\r\nAuthorization: Bearer ${credential}\r\nConnection: close\r\n`;
  const of = (line: string, headers = '', body = ''): string => `${line} HTTP/1.1\r\n${head}${headers}\r\n${body}`;
  const at = (path: string, status: number, says?: RegExp): BadHttp => ({
    ...{ what: `GET ${path.slice(0, 60)}`, request: of(`GET ${path}`), status, ...(says && { says }) },
  });
  const range = (text: string, status: number): BadHttp => ({
    ...{ what: `range ${text.slice(0, 40)}`, request: of(`GET /blobs/${blob}`, `Range: ${text}\r\n`), status },
  });
  const put = (what: string, name: string, headers: string, body: string, status: number, says: RegExp): BadHttp => ({
    ...{ what: `PUT ${what}`, request: of(`PUT /blobs/${name}`, headers, body), status, says },
  });
  const other = (line: string, status: number, says: RegExp): BadHttp => ({
    ...{ what: line, request: of(line), status, says },
  });
  const whole = (what: string, request: string, status: number): BadHttp => ({ what, request, status });
  return [
    ...['/blobs/x', `/blobs/${UPPER}`, `/blobs/${HASH}a`, `/blobs/${HASH}/x`].map((p) => at(p, 400, BAD_NAME)),
    ...['/packs/x', `/packs/${UPPER}`, `/packs/${HASH}.json`].map((p) => at(p, 400, BAD_NAME)),
    ...[`/blobs/${HASH}`, `/packs/${HASH}`].map((p) => at(p, 404, /NOT_FOUND/)),
    ...['/tuf/root', '/tuf/99999.root.json', '/tuf/root.json.bak', '/tuf/targets/', '/tuf/targets/a/b/c'].map((p) =>
      at(p, 404, /NOT_FOUND/),
    ),
    ...['/', '/blobs', '/blobs/', '/packs/', '/tuf/', '/nothing', '/reports/x', '//blobs/x', '/BLOBS/x'].map((p) =>
      at(p, 404, NO_ROUTE),
    ),
    ...[
      '/blobs/../tuf/root.json',
      '/blobs/%2e%2e/x',
      '/blobs/..%2f..%2fetc%2fpasswd',
      '/tuf/..%5c..%5cx',
      '/blobs/%00',
      '/blobs/%zz',
      '/blobs/%',
    ].map((p) => at(p, 404, NO_ROUTE)),
    // What is no range is answered with the whole; what lies outside is said to.
    ...['bytes=5-2', 'bytes=a-b', 'bytes=0-0,1-1', 'items=0-1', 'bytes=', `bytes=${'9'.repeat(30)}-`].map((r) =>
      range(r, 200),
    ),
    ...[`bytes=${size}-`, 'bytes=999999999-', 'bytes=-0'].map((r) => range(r, 416)),
    ...[`POST /blobs/${HASH}`, `DELETE /blobs/${HASH}`, 'PUT /tuf/root.json', `PATCH /packs/${HASH}`].map((l) =>
      other(l, 405, /METHOD_NOT_ALLOWED/),
    ),
    put('a name in upper case', UPPER, 'Content-Length: 1\r\n', 'x', 400, BAD_NAME),
    put('other bytes than it says', HASH, 'Content-Length: 1\r\n', 'x', 400, /sha256|hash/i),
    put('nothing', HASH, 'Content-Length: 0\r\n', '', 400, /sha256|hash/i),
    put('more than is allowed', HASH, 'Content-Length: 99999999999999\r\n', '', 413, /BODY_TOO_LARGE/),
    put(
      'more than is allowed, in pieces',
      HASH,
      'Transfer-Encoding: chunked\r\n',
      `1000\r\n${'x'.repeat(4_096)}\r\n0\r\n\r\n`,
      413,
      /BODY_TOO_LARGE/,
    ),
    whole('a length that is none', of(`PUT /blobs/${HASH}`, 'Content-Length: abc\r\n'), 400),
    whole('a negative length', of(`PUT /blobs/${HASH}`, 'Content-Length: -1\r\n'), 400),
    whole('two lengths', of(`PUT /blobs/${HASH}`, 'Content-Length: 1\r\nContent-Length: 2\r\n', 'x'), 400),
    whole(
      'a length and pieces',
      of(`PUT /blobs/${HASH}`, 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n', 'x'),
      400,
    ),
    whole('pieces that are none', of(`PUT /blobs/${HASH}`, 'Transfer-Encoding: chunked\r\n', 'zz\r\nx\r\n'), 400),
    whole('a header of 20 kB', of('GET /healthz', `X-Long: ${'x'.repeat(20_000)}\r\n`), 431),
    whole('no host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400),
    whole('no HTTP at all', 'hello\r\n\r\n', 400),
    whole('a line break in a header', of('GET /healthz', 'X-A: b\rX-C: d\r\n'), 400),
    ...noCredentials(blob),
  ];
}

function noCredentials(blob: string): BadHttp[] {
  const lines = [
    '',
    'Authorization: \r\n',
    'Authorization: Basic YTpi\r\n',
    'Authorization: Bearer\r\n',
    'Authorization: Bearer a.b.c\r\n',
    'Authorization: bearer  \r\n',
  ];
  return lines.map((line) => ({
    ...{ what: `credential ${JSON.stringify(line)}`, status: 401, says: /credential/i },
    request: `GET /blobs/${blob} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${line}\r\n`,
  }));
}
