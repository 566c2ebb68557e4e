import {
  catalogV1,
  decodeEvent,
  eventsV1,
  hostOrderV1,
  preflightV1,
  runSpecToWire,
  type EventMessage,
} from '@lastcall/contracts';
import { HOUR_MS, type RunSpec } from '@lastcall/kernel';
import { CODE } from '@lastcall/sdk';
import { describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { lastLookIdOf, orderId } from './documents.js';
import { preflightModule } from './service.js';

const RUN: RunSpec = {
  run: 'r-1',
  installation: 'berlin',
  job: 'nightly',
  type: 'software-update',
  kind: 'multi-user',
  product: 'encore',
  fromVersion: '11.0.0',
  toVersion: '11.1.0',
  hosts: [
    { host: 'srv1', role: 'server', mayFollowLater: false },
    { host: 'desk1', role: 'workstation', mayFollowLater: true },
  ],
  reactionTimeMs: 1_000,
  message: '',
  backupMode: 'take',
  backupMaxAgeMs: 48 * HOUR_MS,
  fence: 7,
  nominalAt: Date.now(),
  startedAt: Date.now(),
  deadlineAt: Date.now() + HOUR_MS,
  requestedBy: 'anna',
  timeZone: 'Europe/Berlin',
  holdsAllowed: false,
  whatsNew: '',
};

const FACTS = hostOrderV1.HostFacts.fromPartial({
  os: 'linux',
  osVersion: '6.1',
  cpuCount: 2,
  memoryBytes: 2n ** 33n,
  stageFreeBytes: 2n ** 33n,
  backupFreeBytes: 2n ** 33n,
  dataBytes: 2n ** 20n,
  agentVersion: '0.1.0',
  installedVersion: '11.0.0',
  canBackUp: true,
});

const requirements = catalogV1.ReleaseRequirements.fromPartial({
  product: 'encore',
  version: '11.1.0',
  changesData: true,
});

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    beforeEach(async () => {
      stack = await startStack({ modules: [preflightModule], ...pair });
    });
    afterEach(() => stack.stop());

    const begin = (run: RunSpec = RUN) =>
      stack.publish('RunStarted', 'berlin', { run: runSpecToWire(run), requirements });
    const drained = (run: RunSpec = RUN) =>
      stack.publish('SessionsDrained', 'berlin', eventsV1.SessionsDrained.fromPartial({ run: runSpecToWire(run) }));
    const cancelled = () =>
      stack.publish('RunCancelled', 'berlin', eventsV1.RunCancelled.fromPartial({ run: runSpecToWire(RUN) }));

    /** The order for a host, answered as its agent would. */
    async function order(kind: string, host: string): Promise<hostOrderV1.HostOrder> {
      const fits = ({ order: o }: EventMessage<'HostOrderIssued'>) => o?.action?.$case === kind && o.host === host;
      const { message } = await stack.seen('HostOrderIssued', fits);
      if (!message.order) throw new Error('the event carries no order');
      return message.order;
    }
    const answer = (o: hostOrderV1.HostOrder, result: Parameters<typeof hostOrderV1.OrderResult.fromPartial>[0]) =>
      stack.publish('HostOrderCompleted', 'berlin', { order: o, result: hostOrderV1.OrderResult.fromPartial(result) });
    const facts = async (host: string, more: Partial<hostOrderV1.HostFacts> = {}) =>
      answer(await order('collectFacts', host), {
        evidence: { $case: 'facts', value: { ...FACTS, clock: new Date(), ...more } },
      });
    /** The second report of a run, when nobody is inside. */
    const lastLook = async (run = 'r-1', more: Partial<hostOrderV1.HostFacts> = {}) => {
      const id = orderId(lastLookIdOf(run), 'srv1');
      const { message } = await stack.seen('HostOrderIssued', ({ order: o }) => o?.order === id);
      const value = { ...FACTS, clock: new Date(), ...more };
      if (message.order) await answer(message.order, { evidence: { $case: 'facts', value } });
    };
    const backupDone = async (verified = true) => {
      const o = await order('takeBackup', 'srv1');
      const restorePoint = o.action?.$case === 'takeBackup' ? o.action.value.restorePoint : '';
      const value = { restorePoint, takenAt: new Date(), sizeBytes: 5n, sha256: 'x', verified, version: '11.0.0' };
      await answer(o, { evidence: { $case: 'backup', value } });
      return restorePoint;
    };
    const reports = () =>
      stack
        .client(preflightV1.PreflightServiceService)
        .listReports({ parent: 'installations/berlin', pageSize: 0, pageToken: '' });
    const backups = () =>
      stack
        .client(preflightV1.PreflightServiceService)
        .listBackups({ parent: 'installations/berlin', pageSize: 0, pageToken: '' });

    it('asks every host under the fence, passes, backs up when nobody is inside, and keeps both', async () => {
      await begin();
      const asked = await order('collectFacts', 'srv1');
      expect(asked).toMatchObject({ run: 'r-1', fence: 7, issuedBy: 'preflight' });
      await facts('srv1');
      await facts('desk1');
      const { message: passed } = await stack.seen('PreflightPassed');
      expect(passed.absentHosts).toEqual([]);
      await drained();
      await lastLook();
      const restorePoint = await backupDone();
      const { message: taken } = await stack.seen('BackupTaken');
      expect(taken.backup).toMatchObject({ restorePoint, host: 'srv1', verified: true, sizeBytes: 5n });
      expect((await reports()).reports).toMatchObject([
        { run: 'r-1', verdict: preflightV1.Verdict.PASSED, beforeBackup: true },
        { run: 'r-1', verdict: preflightV1.Verdict.PASSED, beforeBackup: false },
      ]);
      expect((await backups()).backups).toMatchObject([{ restorePoint, pending: false, failure: undefined }]);
    });

    it('blocks with evidence and remedy, and takes no backup', async () => {
      await begin();
      await facts('srv1', { stageFreeBytes: 0n, unknown: { stage_free_bytes: 'statfs: EACCES' } });
      await facts('desk1');
      const { message } = await stack.seen('PreflightFailed');
      expect(message.blocking).toMatchObject([{ check: 'disk-stage', host: 'srv1', found: 'statfs: EACCES' }]);
      expect(message.blocking[0]?.remedy).not.toBe('');
      expect((await backups()).backups).toEqual([]);
    });

    it('looks once more when nobody is inside, and takes no backup when something is not ready any more', async () => {
      await begin();
      await facts('srv1');
      await facts('desk1');
      await stack.seen('PreflightPassed');
      await drained();
      await lastLook('r-1', { backupFreeBytes: 1n });
      const { message } = await stack.seen('BackupFailed');
      expect(message.failure).toMatchObject({ reason: 'CHECKS_FAILED', host: 'srv1' });
      expect(message.failure?.message).toMatch(/disk-backup on srv1: 1 B. Free some disk space, or delete old backups/);
      const said = stack.envelopes.map((e) => e.type);
      expect(said.filter((t) => t === 'PreflightPassed' || t === 'PreflightFailed')).toEqual(['PreflightPassed']);
      expect(said).not.toContain('BackupTaken');
      const orders = stack.envelopes.filter((e) => e.type === 'HostOrderIssued');
      expect(orders.map((e) => decodeEvent('HostOrderIssued', e).order?.host)).toEqual(['srv1', 'desk1', 'srv1']);
    });

    it('lets the other hosts try to reach the server, where it said that it is the last time', async () => {
      const start = (run: string) =>
        stack.publish('RunStarted', 'berlin', {
          run: runSpecToWire({ ...RUN, run }),
          requirements: { ...requirements, ports: [8080] },
        });
      await start('r-1');
      await facts('srv1', { addresses: ['10.9.8.7', 'not an address'], ports: [{ port: 8080, usable: true }] });
      await facts('desk1');
      await stack.seen('PreflightPassed');
      await start('r-2');
      const orderOf = async (host: string) => {
        const fits = ({ order: o }: EventMessage<'HostOrderIssued'>) => o?.run === 'r-2' && o.host === host;
        const { message } = await stack.seen('HostOrderIssued', fits);
        return message.order?.action?.$case === 'collectFacts' ? message.order.action.value : undefined;
      };
      expect((await orderOf('desk1'))?.reach).toEqual({ host: 'srv1', addresses: ['10.9.8.7'], ports: [8080] });
      expect((await orderOf('srv1'))?.reach).toBeUndefined();
    });

    it('leaves a silent workstation for later', async () => {
      await begin();
      await facts('srv1');
      await answer(await order('collectFacts', 'desk1'), {
        failure: { reason: 'TIMED_OUT', message: 'silent', host: 'desk1', facts: {} },
      });
      expect((await stack.seen('PreflightPassed')).message.absentHosts).toEqual(['desk1']);
    });

    it('counts every answer once, however often it comes', async () => {
      await begin();
      const o = await order('collectFacts', 'srv1');
      const value = { ...FACTS, clock: new Date() };
      const twice = { order: o, result: hostOrderV1.OrderResult.fromPartial({ evidence: { $case: 'facts', value } }) };
      await stack.publish('HostOrderCompleted', 'berlin', twice);
      await stack.publish('HostOrderCompleted', 'berlin', twice);
      await facts('desk1');
      await stack.seen('PreflightPassed');
      await drained();
      await drained();
      await lastLook();
      await lastLook();
      await backupDone();
      await backupDone();
      await stack.seen('BackupTaken');
      await cancelled();
      await begin({ ...RUN, run: 'r-2' });
      await order('collectFacts', 'srv1');
      const said = stack.envelopes.map((e) => e.type);
      for (const type of ['PreflightPassed', 'BackupTaken']) expect(said.filter((t) => t === type)).toHaveLength(1);
    });

    it('says nothing for a run that was cancelled before', async () => {
      await cancelled();
      // Events of different services have no order: this one has been taken in first.
      while ((await reports()).reports.length === 0);
      await begin();
      await drained();
      await begin({ ...RUN, run: 'r-2' });
      await order('collectFacts', 'srv1');
      const orders = stack.envelopes.filter((e) => e.type === 'HostOrderIssued');
      expect(orders.map((e) => decodeEvent('HostOrderIssued', e).order?.run)).toEqual(orders.map(() => 'r-2'));
    });

    it('refuses a backup that was made elsewhere and is too old, and takes one that is young enough', async () => {
      const elsewhere: RunSpec = { ...RUN, backupMode: 'made-elsewhere' };
      const lastBackup = {
        restorePoint: 'theirs',
        takenAt: new Date(Date.now() - HOUR_MS),
        sizeBytes: 1n,
        sha256: '',
        verified: true,
        version: '11.0.0',
        storedBytes: 1n,
        keyId: '',
        folder: '',
      };
      await begin(elsewhere);
      await facts('srv1', { lastBackup });
      await facts('desk1');
      await stack.seen('PreflightPassed');
      await drained(elsewhere);
      await lastLook('r-1', { lastBackup });
      expect((await stack.seen('BackupTaken')).message.backup?.restorePoint).toBe('theirs');
      expect((await backups()).backups).toEqual([]);

      const late: RunSpec = { ...elsewhere, run: 'r-late', backupMaxAgeMs: 1 };
      await drained(late);
      expect((await stack.seen('BackupFailed')).message.failure?.reason).toBe('BACKUP_TOO_OLD');
    });

    const preflight = () => stack.client(preflightV1.PreflightServiceService);
    const nameOf = (restorePoint: string): string => `installations/berlin/backups/${restorePoint}`;
    const backupNow = async (restorePoint: string) =>
      (await preflight().getBackup({ name: nameOf(restorePoint) })).backup;

    it('has a restore point looked at again, follows that, and does not count it when it is damaged', async () => {
      await begin();
      await facts('srv1');
      await facts('desk1');
      await stack.seen('PreflightPassed');
      await drained();
      await lastLook();
      const restorePoint = await backupDone();
      await stack.seen('BackupTaken');
      const name = nameOf(restorePoint);
      expect((await preflight().verifyBackup({ name })).backup).toMatchObject({ verifying: true, verified: true });
      const first = await order('verifyBackup', 'srv1');
      expect(first).toMatchObject({ run: '', fence: 0, issuedBy: 'preflight' });
      await stack.publish('HostOrderProgressed', 'berlin', {
        order: first,
        progress: { step: 'read-back', done: 5n, total: 9n, note: '' },
      });
      await until(async () => (await backupNow(restorePoint))?.stepDone === 5n, 'the progress');
      expect(await backupNow(restorePoint)).toMatchObject({ step: 'read-back', stepTotal: 9n });
      const verifiedAt = new Date(Date.UTC(2026, 10, 29));
      const value = hostOrderV1.BackupEvidence.fromPartial({
        restorePoint,
        takenAt: verifiedAt,
        verified: true,
        verifiedAt,
      });
      await answer(first, { evidence: { $case: 'backup', value } });
      await until(async () => (await backupNow(restorePoint))?.verifying === false, 'the answer');
      expect(await backupNow(restorePoint)).toMatchObject({ verifiedAt, step: '', verifyFailure: undefined });

      await preflight().verifyBackup({ name });
      const { message } = await stack.seen('HostOrderIssued', ({ order: o }) => {
        return o?.action?.$case === 'verifyBackup' && o.order !== first.order;
      });
      await answer(message.order ?? first, {
        failure: { reason: 'BACKUP_CHANGED', message: 'flipped', host: 'srv1', facts: {} },
      });
      await until(async () => (await backupNow(restorePoint))?.failure !== undefined, 'the bad news');
      expect(await backupNow(restorePoint)).toMatchObject({ verified: false, failure: { reason: 'BACKUP_CHANGED' } });
      await expect(preflight().verifyBackup({ name })).rejects.toMatchObject({ reason: 'NOT_VERIFIABLE' });
      await expect(preflight().restoreBackup({ name, confirm: restorePoint })).rejects.toMatchObject({
        reason: 'NOT_RESTORABLE',
      });
    });

    it('refuses a number to keep that is none', async () => {
      const parent = 'installations/berlin';
      for (const keep of [0, 1_001]) {
        await expect(preflight().updateBackupPolicy({ parent, policy: { keep } })).rejects.toMatchObject({
          code: CODE.invalidArgument,
          message: expect.stringContaining('policy.keep'),
        });
      }
    });

    it('takes the backup of a backup job by itself, and one that is not proven does not count', async () => {
      const job: RunSpec = {
        ...RUN,
        run: 'r-backup',
        type: 'data-backup',
        toVersion: '',
        hosts: RUN.hosts.slice(0, 1),
      };
      await begin(job);
      await facts('srv1');
      await backupDone(false);
      expect((await stack.seen('BackupFailed')).message.failure?.reason).toBe('BACKUP_NOT_PROVEN');
    });

    it('backs a single seat up when it is staged', async () => {
      const seat: RunSpec = { ...RUN, run: 'r-seat', kind: 'single-user', hosts: RUN.hosts.slice(0, 1) };
      await begin(seat);
      await facts('srv1');
      await stack.seen('PreflightPassed');
      await stack.publish('StagingCompleted', 'berlin', { run: runSpecToWire(seat), absentHosts: [] });
      await lastLook('r-seat');
      await backupDone();
      await stack.seen('BackupTaken');
    });

    it('refuses what it cannot do, with field and reason', async () => {
      const client = stack.client(preflightV1.PreflightServiceService);
      await expect(client.getReport({ name: 'x' })).rejects.toMatchObject({ code: CODE.invalidArgument });
      await expect(client.getReport({ name: 'installations/berlin/reports/p-none' })).rejects.toMatchObject({
        code: CODE.notFound,
      });
      await expect(
        client.listBackups({ parent: 'installations/berlin', pageSize: 5_000, pageToken: '' }),
      ).rejects.toMatchObject({
        violations: [{ field: 'page_size' }],
      });
      await expect(
        client.restoreBackup({ name: 'installations/berlin/backups/none', confirm: '' }),
      ).rejects.toMatchObject({ code: CODE.notFound });
    });
  });
}

suite('preflight, embedded', {});
describeWith('nats', 'preflight, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('preflight', { bus: 'nats', store: 'mongodb' }));
});
