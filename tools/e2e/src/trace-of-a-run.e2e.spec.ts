import { startTraceCollector, until, type CollectedSpan, type TraceCollector } from '@lastcall/testkit';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventsOf } from './world/remains.js';
import { createWorld, type World } from './world/world.js';

/*
 * One run is one trace: what the operator's call, the services, the orders to hosts and the users' gate did for it, although most of it is
 * done by duties that look at the clock and over streams that were open before.
 */

describe('the trace of a run', () => {
  let collector: TraceCollector;
  let world: World;
  beforeAll(async () => {
    collector = await startTraceCollector();
    const telemetry = {
      LASTCALL_TELEMETRY: 'otlp',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '100',
    };
    const hosts = [
      { id: 'srv', role: 'server' },
      { id: 'desk', role: 'workstation' },
    ] as const;
    // Signs of life of a run's lease are no part of its trace; none falls into this one.
    const settings = { scheduler: { ...telemetry, LASTCALL_GATE_LEASE_MS: '600000' } };
    world = await createWorld({ pair: 'embedded', hosts, users: 2, settings });
  }, 60_000);
  afterAll(async () => {
    await world.stop();
    await collector.stop();
  });

  const called = (name: string): CollectedSpan | undefined => collector.spans.find((span) => span.name === name);

  it('leads from the call that enabled its job to the end, over every event and order', async () => {
    const logged: string[] = [];
    world.agentOf('srv').onLine((line) => line.includes('"step begun"') && logged.push(line));
    await world.publish({ version: '1.1.0' });
    const run = await world.ended(await world.update('1.1.0'));
    const id = run.name.split('/').at(-1) ?? '';
    await until(async () => called('publish RunFinished') !== undefined, 'the last span to arrive');
    const call = called('lastcall.scheduler.v1.SchedulerService/EnableJob');
    expect(call).toBeDefined();
    const ofTrace = collector.spans.filter(({ traceId }) => traceId === call?.traceId);
    const names = new Set(ofTrace.map(({ name }) => name));
    const said = [...new Set(eventsOf(run))].filter((type) => type !== 'RunPlanned');
    expect(said).toContain('GateReopened');
    expect(said.filter((type) => !names.has(`publish ${type}`))).toEqual([]);
    for (const type of ['HostOrderIssued', 'HostOrderCompleted', 'RunFinished'])
      expect(names).toContain(`take ${type}`);

    // Nothing of the run is anywhere else, and nothing of another run is here.
    const ofRun = collector.spans.filter(({ attributes }) => attributes['lastcall.run'] === id);
    expect(new Set(ofRun.map(({ traceId }) => traceId))).toEqual(new Set([call?.traceId]));
    expect(new Set(ofRun.map(({ attributes }) => attributes['lastcall.service'])).size).toBe(5);
    expect(ofRun.filter(({ attributes }) => attributes['lastcall.host'] === 'srv').length).toBeGreaterThan(3);
    // The agent says no spans; its log carries the trace.
    expect(logged.length).toBeGreaterThan(3);
    const about = { run: id, trace: call?.traceId, installation: 'testing', host: 'srv' };
    for (const line of logged) expect(JSON.parse(line)).toMatchObject(about);
    // Each of its spans hangs on another one that was sent, up to the call.
    const sent = new Set(ofTrace.map(({ spanId }) => spanId));
    expect(ofTrace.filter(({ parentId }) => !sent.has(parentId)).map(({ name }) => name)).toEqual([call?.name]);
    checkLog(id, call?.traceId ?? '');
  }, 60_000);

  interface Line {
    readonly level: string;
    readonly trace?: string;
    readonly run?: string;
  }

  /** Every line about the run has its trace; none has what could open a door, or, where it is not asked for details, who the users are. */
  function checkLog(run: string, trace: string): void {
    const texts = world.lastcall.lines().filter((line) => line.startsWith('{'));
    const lines = texts.map((text) => [text, JSON.parse(text) as Line] as const);
    const about = lines.filter(([text, line]) => line.run === run || text.includes(run));
    expect(about.length).toBeGreaterThan(10);
    expect(about.filter(([, line]) => line.trace !== trace || line.run !== run).map(([text]) => text)).toEqual([]);
    expect(new Set(lines.filter(([, line]) => line.trace === trace).map(([, line]) => line.run))).toContain(run);
    for (const secret of secrets()) expect(texts.filter((text) => text.includes(secret))).toEqual([]);
    const loud = lines.filter(([, { level }]) => level !== 'debug' && level !== 'trace').map(([text]) => text);
    expect(loud.length).toBeGreaterThan(0);
    for (const { name } of world.users) expect(loud.filter((text) => text.includes(name))).toEqual([]);
  }

  /** Credentials, keys of the site and of its hosts, and the tokens that they joined with; what is short is part of other words. */
  function secrets(): readonly string[] {
    const identity = join(world.dir, 'lastcall', 'identity');
    const files = [
      ...readdirSync(identity).map((name) => join(identity, name)),
      world.clientTokenFile,
      ...world.hosts.map(({ id }) => join(world.dirOf(id), 'identity.pem')),
    ].filter((file) => !file.endsWith('keys.json'));
    const inFiles = files.flatMap((file) => readFileSync(file, 'utf8').split('\n'));
    const found = [...inFiles, ...world.joinTokens()].filter((text) => text.length > 30 && !text.startsWith('-----'));
    expect(found.length).toBeGreaterThan(files.length);
    return found;
  }
});
