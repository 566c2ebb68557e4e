import { fuzzCalls } from './fuzz-calls.js';
import { startTarget } from './target.js';

it('a few thousand mutated messages neither stop a server nor make it forget itself', async () => {
  const target = await startTarget();
  const report = await fuzzCalls({ seed: 7, messages: 2_500, agentShare: 0.1, target, say: () => undefined }).finally(
    () => target.stop(),
  );
  expect(report.findings).toEqual([]);
  expect(report.agentMessages).toBeGreaterThan(50);
  expect(report.memoryGrowthBytes).toBeLessThan(100 * 1024 * 1024);
  expect(report.ownStallMs).toBeLessThan(200);
});
