import { catalogModule } from '@lastcall/catalog';
import { commonV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { randomId } from '@lastcall/kernel';
import type { AnyServiceModule } from '@lastcall/runtime';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { createTempFolder, describeWith, startStack, type Stack, type StackOptions, until } from '@lastcall/testkit';
import { addSite, localIn, NAME, publishRelease, SITE } from './world/site.js';

/*
 * The scheduler is gone for good in the middle of a drain: the gate opens by itself, and the run ends when the scheduler is back.
 */

const GATE = `${NAME}/gate`;
const LEASE_MS = 4_000;

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    const started: Stack[] = [];
    afterEach(async () => {
      for (const stack of started.splice(0)) await stack.stop();
    });

    it('opens the gate of a run that nobody leads any more, and the run ends as failed', async () => {
      const folder = await createTempFolder('lease');
      const place = { dataDir: folder.path, prefix: randomId('t'), settings: { gateLeaseMs: LEASE_MS }, ...pair };
      const start = async (...modules: readonly AnyServiceModule[]): Promise<Stack> => {
        const stack = await startStack({ modules, ...place });
        started.push(stack);
        return stack;
      };
      const first = await start(catalogModule, schedulerModule, sessionModule);
      await addSite(first);
      await publishRelease(first, '11.1.0');
      const scheduler = first.client(schedulerV1.SchedulerServiceService);
      const condition = { $case: 'time' as const, value: { localTime: localIn(3_600_000) } };
      const job = schedulerV1.Job.fromPartial({
        ...{ title: 'Update', type: commonV1.JobType.SOFTWARE_UPDATE, start: { condition } },
        reactionTime: { seconds: 0n },
      });
      await scheduler.createJob({ parent: NAME, jobId: 'update', job, confirmedCautions: [] });
      await scheduler.startJob({ name: `${NAME}/jobs/update`, confirmedCautions: [], requestId: '' });
      const { run } = (await first.seen('RunStarted')).message;
      await first.publish('StagingCompleted', SITE, { run, absentHosts: [] });
      await first.seen('SessionsDrained');
      await first.stop({ keep: true });

      const alone = await start(catalogModule, sessionModule);
      const gate = async () => (await alone.client(sessionV1.SessionServiceService).getGate({ name: GATE })).gate;
      expect((await gate())?.state).toBe(sessionV1.GateState.CLOSED);
      await until(async () => (await gate())?.state === sessionV1.GateState.OPEN, 'the gate to open by itself');
      await alone.stop({ keep: true });

      const second = await start(schedulerModule);
      const again = second.client(schedulerV1.SchedulerServiceService);
      const ended = async () => (await again.getRun({ name: `${NAME}/runs/${run?.run}` })).run;
      await until(async () => (await ended())?.phase === 'ended', 'the run to end');
      expect(await ended()).toMatchObject({
        outcome: commonV1.RunOutcome.FAILED,
        failure: { reason: 'LEASE_LOST' },
        alarm: false,
      });
      await second.stop();
      await folder.remove();
    });
  });
}

suite('a lost lease, embedded', {});
describeWith('nats', 'a lost lease, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('a lost lease', { bus: 'nats', store: 'mongodb' }));
});
