import { Server, ServerCredentials } from '@grpc/grpc-js';
import { PACKED_MAX_BYTES } from '@lastcall/contracts';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashFile, listFiles } from './files.js';
import { removeAgentProgram, startAgentProcess } from './testing/agent-process.js';
import { sampleRelease } from './testing/sample-release.js';
import { startTestHost, type TestHost } from './testing/test-host.js';
import type { TestFile } from './testing/tuf-repository.js';

/*
 * Very many and very large files, long paths and all kinds of names, by the real program. The sizes are small unless they are asked for:
 * LASTCALL_TEST_SMALL_FILES=100000 LASTCALL_TEST_LARGE_FILE_MIB=10240. What it took is told then.
 */

const SMALL_FILES = Number(process.env['LASTCALL_TEST_SMALL_FILES'] ?? 2_000);
const LARGE_MIB = Number(process.env['LASTCALL_TEST_LARGE_FILE_MIB'] ?? 64);
const isAsked = process.env['LASTCALL_TEST_SMALL_FILES'] ?? process.env['LASTCALL_TEST_LARGE_FILE_MIB'];
const MINUTES = 60_000;

let host: TestHost;
beforeEach(async () => {
  host = await startTestHost(new Server(), ServerCredentials.createInsecure());
  await host.join();
});
afterEach(() => host.close());
afterAll(removeAgentProgram);

const file = (path: string, bytes: Buffer, mode = 0o644): TestFile => ({ path, mode, bytes });

/** What each step took, and the most memory that the process ever had. */
async function install(version: string) {
  const agent = startAgentProcess('install', '--data', host.dir, '--version', version);
  let peakKib = 0;
  await agent.until((line) => {
    if (!line.includes('"step ended"') || !line.includes('"build"')) return false;
    peakKib = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8'))?.[1]);
    return true;
  });
  const code = await agent.exited;
  const took = agent.lines
    .filter((line) => line.includes('"step ended"'))
    .map((line) => JSON.parse(line) as { step: string; durationMs: number })
    .map(({ step, durationMs }) => `${step} ${durationMs} ms`);
  if (isAsked !== undefined) {
    process.stderr.write(`${version}: ${took.join(', ')}; peak ${Math.round(peakKib / 1024)} MiB\n`);
  }
  return { code, lines: agent.lines };
}

it(
  `stages ${SMALL_FILES} small files, and of the next version only those that differ`,
  async () => {
    const files = Array.from({ length: SMALL_FILES - 4 }, (_, i) =>
      file(`lib/${i % 500}/module-${i}.js`, Buffer.from(`export const number = ${i};\n`.repeat(1 + (i % 40)))),
    );
    host.repository.publish(sampleRelease('11.0.0', { files, timeout: '60s' }));
    expect(await install('11.0.0')).toMatchObject({ code: 0 });
    const requests = host.repository.requests.filter((path) => /^\/(blobs|packs)\//.test(path));
    expect(requests.length).toBeLessThan(5 + SMALL_FILES / 500);
    const changed = files.map((f, i) => (i % 100 === 0 ? { ...f, bytes: randomBytes(100) } : f));
    host.repository.publish(sampleRelease('11.1.0', { files: changed, timeout: '60s' }));
    expect(await install('11.1.0')).toMatchObject({ code: 0 });
    expect(await listFiles(join(host.dir, 'current'))).toHaveLength(SMALL_FILES);
  },
  15 * MINUTES,
);

it(
  `stages a file of ${LARGE_MIB} MiB, also when the agent is killed in the middle`,
  async () => {
    const source = join(mkdtempSync(join(tmpdir(), 'lastcall-large-')), 'source');
    try {
      const size = LARGE_MIB * 2 ** 20;
      // Zeros that take no space, and a few bytes that say where they are.
      const fd = openSync(source, 'w');
      ftruncateSync(fd, size);
      for (let i = 0; i < 8; i++) writeSync(fd, `part ${i}`, Math.floor((size / 8) * i));
      closeSync(fd);
      const { sha256 } = await hashFile(source);
      const large = { ...file('large.img', Buffer.alloc(0)), elsewhere: { size, sha256 } };
      const ranges: string[] = [];
      host.repository.intercept = (request, response) => {
        if (request.url !== `/blobs/${sha256}`) return false;
        const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
        ranges.push(request.headers.range ?? '');
        response.writeHead(from > 0 ? 206 : 200, { 'content-length': size - from });
        // The first answer stops before its end, so that the kill meets the middle on any machine.
        const isFirst = ranges.length === 1;
        const end = isFirst ? Math.floor(size * 0.75) : size - 1;
        createReadStream(source, { start: from, end, highWaterMark: 2 ** 20 }).pipe(response, { end: !isFirst });
        return true;
      };
      host.repository.publish(sampleRelease('11.0.0', { files: [large], timeout: '60s' }));
      const first = startAgentProcess('install', '--data', host.dir, '--version', '11.0.0');
      const part = join(host.dir, 'blobs/partial', sha256);
      await first.until((line) => line.includes('"step begun"') && line.includes('"download"'));
      const isHalf = (): boolean => (statSync(part, { throwIfNoEntry: false })?.size ?? 0) > size / 2;
      const changes = watch(join(host.dir, 'blobs/partial'))[Symbol.asyncIterator]();
      while (!isHalf()) await changes.next();
      await changes.return?.();
      await first.kill();
      expect(await install('11.0.0')).toMatchObject({ code: 0 });
      expect(Number(/\d+/.exec(ranges[1] ?? '')?.[0])).toBeGreaterThanOrEqual(size / 2);
      expect(await hashFile(join(host.dir, 'current/large.img'))).toEqual({ sha256, bytes: size });
    } finally {
      rmSync(join(source, '..'), { recursive: true });
    }
  },
  30 * MINUTES,
);

it('keeps names and modes as they were published', async () => {
  const deep = [...Array.from({ length: 9 }, (_, i) => `${i}`.repeat(100)), 'x'.repeat(100)].join('/');
  const names = [
    deep,
    'ä/ö.txt',
    '日本/語.md',
    'emoji-🚀.bin',
    'with blank.txt',
    `${'n'.repeat(251)}.bin`,
    '.hidden',
    'no-extension',
  ];
  const modes = [0o644, 0o755, 0o600, 0o444, 0o640, 0o555, 0o400, 0o700];
  const files = names.map((path, i) => file(path, randomBytes(10 + i), modes[i]));
  // The same bytes with another mode, an empty file, and both sides of the limit of a pack.
  files.push(file('twin/one', Buffer.from('the same'), 0o644), file('twin/two', Buffer.from('the same'), 0o755));
  files.push(file('empty', Buffer.alloc(0)), file('also-empty', Buffer.alloc(0), 0o755));
  for (const size of [PACKED_MAX_BYTES, PACKED_MAX_BYTES + 1]) files.push(file(`of-${size}`, randomBytes(size)));
  host.repository.publish(sampleRelease('11.0.0', { files }));
  expect(await install('11.0.0')).toMatchObject({ code: 0 });
  for (const { path, mode, bytes } of files) {
    const there = join(host.dir, 'versions/11.0.0', path);
    expect([path, statSync(there).mode & 0o777]).toEqual([path, mode]);
    expect(readFileSync(there).equals(bytes)).toBe(true);
  }
});

it('leaves the time of a file that did not change as it was', async () => {
  const same = file('same.txt', Buffer.from('the same in both'));
  host.repository.publish(sampleRelease('11.0.0', { files: [same] }), sampleRelease('11.1.0', { files: [same] }));
  for (const version of ['11.0.0', '11.1.0']) expect(await install(version)).toMatchObject({ code: 0 });
  const [before, after] = ['11.0.0', '11.1.0'].map((version) =>
    statSync(join(host.dir, 'versions', version, 'same.txt')),
  );
  expect(after?.ino).toBe(before?.ino);
  expect(after?.mtimeMs).toBe(before?.mtimeMs);
});
