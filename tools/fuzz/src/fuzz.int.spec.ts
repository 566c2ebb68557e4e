import { fuzzCalls } from './fuzz-calls.js';
import { fuzzEvents } from './fuzz-events.js';
import { startTarget } from './target.js';

it('a few thousand mutated messages neither stop a server nor make it forget itself', async () => {
  const target = await startTarget();
  const report = await fuzzCalls({ seed: 7, messages: 1_500, agentShare: 0.1, target, say: () => undefined }).finally(
    () => target.stop(),
  );
  expect(report.findings).toEqual([]);
  expect(report.agentMessages).toBeGreaterThan(50);
  expect(report.memoryGrowthBytes).toBeLessThan(100 * 1024 * 1024);
  expect(report.ownStallMs).toBeLessThan(200);
});

it('events that nobody can take in are put aside, and nothing else happens', async () => {
  const report = await fuzzEvents(7, 200, () => undefined);
  expect(report.findings).toEqual([]);
  expect(report.deadLetters).toBeGreaterThan(20);
  expect(report.ownStallMs).toBeLessThan(200);
});
