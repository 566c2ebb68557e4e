import { catalogModule } from '@lastcall/catalog';
import {
  approvalV1,
  catalogV1,
  commonV1,
  identityV1,
  msToDuration,
  operationsV1,
  preflightV1,
  schedulerV1,
  sessionV1,
  type ServiceDefinition,
} from '@lastcall/contracts';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { CallError, createClient, type UnaryClient } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf, startCommand, type Command } from './world/sign-in-site.js';
import { addSite, localIn, NAME, publishRelease } from './world/site.js';

/*
 * Actions that two people have to agree on, from the rule in the catalog to what is done: the gate, overrides, and the rule itself. And
 * whatever one person tries alone.
 */

const GATE = `${NAME}/gate`;
const HOUR_MS = 3_600_000;
const { ApprovalState } = approvalV1;
const { GateState } = sessionV1;

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await startStack({
        modules: [catalogModule, schedulerModule, preflightModule, sessionModule],
        settings: { secondPersonForKeysMinutes: 60 },
        ...pair,
      });
      await addSite(stack, { settings: { reactionTime: msToDuration(60_000) } });
      await addSite(stack, { id: 'munich' });
      await publishRelease(stack, '11.1.0');
    });
    afterAll(() => stack.stop());

    type Who = 'anna' | 'ben' | 'vera' | 'mona' | 'service:session';
    const ROLES = {
      anna: 'admin',
      ben: 'operator',
      vera: 'viewer',
      mona: 'operator',
      'service:session': 'admin',
    } as const;
    function as<D extends ServiceDefinition>(definition: D, who: Who): UnaryClient<D> {
      const channel = stack.channel(ROLES[who], who === 'mona' ? 'munich' : undefined, who);
      return createClient(definition, channel);
    }
    const sessions = (who: Who) => as(sessionV1.SessionServiceService, who);
    const catalog = (who: Who) => as(catalogV1.CatalogServiceService, who);
    const refusal = async (call: Promise<unknown>): Promise<CallError> => {
      const error: unknown = await call.then(
        () => new Error('not refused'),
        (e: unknown) => e,
      );
      if (!(error instanceof CallError)) throw error;
      return error;
    };
    const nameIn = ({ facts }: CallError): string => `${NAME}/approvals/${facts['approval']}`;

    async function change(who: Who, changes: Partial<catalogV1.Installation>, ...updateMask: string[]) {
      const installation = catalogV1.Installation.fromPartial({ name: NAME, ...changes });
      return catalog(who).updateInstallation({ installation, updateMask });
    }
    const rule = (...actions: string[]) => ({ secondPerson: { actions, validFor: msToDuration(HOUR_MS) } });
    const close = (who: Who) => sessions(who).closeGate({ name: GATE, reason: 'Fire drill.', reactionTime: undefined });
    const stateOfGate = async () => (await sessions('anna').getGate({ name: GATE })).gate?.state;
    /** Until the session service has heard of the rule. */
    async function left(): Promise<CallError> {
      let found: CallError | undefined;
      await until(async () => {
        found = await refusal(close('anna'));
        return found.reason === 'SECOND_PERSON_NEEDED';
      }, 'the rule to be known');
      if (!found) throw new Error('nothing was left');
      return found;
    }

    function lastcall(who: Who) {
      const file = join(stack.dataDir, `${who}.token`);
      writeFileSync(file, stack.token(ROLES[who], undefined, who));
      const where = {
        LASTCALL_ADDR: stack.grpcAddress,
        LASTCALL_CATALOG_URL: stack.httpUrl,
        LASTCALL_TOKEN_FILE: file,
      };
      const env = { ...where, LASTCALL_INSTALLATION: 'berlin', LASTCALL_KEYS_PASSPHRASE: 'four words are enough' };
      return (...args: string[]): Command => startCommand(env, args);
    }

    it('wait for somebody else, and are done once, with both names in the audit', async () => {
      const approved = { ...rule('gate', 'logoff', 'override'), approvalRequired: true };
      await change('anna', approved, 'second_person', 'approval_required');
      await stack.seen('InstallationChanged', (m) => m.installation?.secondPerson !== undefined);
      const asked = await left();
      expect(asked).toMatchObject({ code: 9, message: expect.stringContaining('lastcall approval approve ap-') });
      expect(await stateOfGate()).toBe(GateState.OPEN);
      const approval = nameIn(asked);
      for (const who of ['anna', 'service:session'] as const) {
        expect((await refusal(sessions(who).grantApproval({ name: approval }))).code).toBe(9);
      }
      for (const who of ['vera', 'mona'] as const) {
        expect((await refusal(sessions(who).grantApproval({ name: approval }))).code).toBe(7);
      }
      const elsewhere = approval.replace('berlin', 'munich');
      expect((await refusal(sessions('mona').grantApproval({ name: elsewhere }))).code).toBe(5);
      expect(
        (await sessions('mona').listApprovals({ parent: 'installations/munich', pageSize: 0, pageToken: '' }))
          .approvals,
      ).toEqual([]);
      expect(await stateOfGate()).toBe(GateState.OPEN);

      const both = await Promise.allSettled([1, 2, 3].map(() => sessions('ben').grantApproval({ name: approval })));
      const granted = both.flatMap((b) => (b.status === 'fulfilled' ? [b.value.approval] : []));
      expect(granted).toMatchObject([{ state: ApprovalState.CARRIED_OUT, requestedBy: 'anna', decidedBy: 'ben' }]);
      expect(await stateOfGate()).not.toBe(GateState.OPEN);
      const operations = stack.client(operationsV1.OperationsServiceService);
      const request = operationsV1.ListAuditRecordsRequest.fromPartial({ pageSize: 1_000, ownProcess: true });
      const records = (await operations.listAuditRecords(request)).auditRecords.filter((r) => r.resource === approval);
      expect(records.map((r) => [r.actor, r.method.split('/').at(-1)])).toEqual(
        expect.arrayContaining([
          ['anna', 'CloseGate'],
          ['ben', 'GrantApproval'],
        ]),
      );
      expect(records.find((r) => r.actor === 'anna')?.changes).toContain('ben');
    });

    it('let nobody weaken the rule alone, an administrator neither', async () => {
      const { installation: whole } = await catalog('anna').getInstallation({ name: NAME });
      const alone = [
        () => change('anna', rule(), 'second_person'),
        () => change('anna', rule('override', 'logoff'), 'second_person'),
        () => change('anna', { reactionTime: msToDuration(1_000) }, 'reaction_time'),
        () => change('anna', {}, 'second_person'),
        () => change('anna', { approvalRequired: false }, 'approval_required'),
        () => change('anna', { ...whole, title: 'Berlin', ...rule() }),
        () => catalog('anna').deleteInstallation({ name: NAME, etag: '' }),
      ];
      for (const call of alone) {
        const refused = await refusal(call());
        expect([refused.reason, refused.facts['action']]).toEqual(['SECOND_PERSON_NEEDED', 'policy']);
        expect((await refusal(catalog('anna').grantApproval({ name: nameIn(refused) }))).reason).toBe('SAME_PERSON');
      }
      const { installation } = await catalog('anna').getInstallation({ name: NAME });
      expect(installation).toMatchObject({ title: 'berlin', reactionTime: { seconds: 60n } });
      expect(installation?.secondPerson?.actions).toEqual(['gate', 'logoff', 'override']);
      // More of it, and what has nothing to do with it, is one person's.
      await change('anna', { title: 'Berlin', reactionTime: msToDuration(90_000) }, 'title', 'reaction_time');
      const wrong = await refusal(change('anna', rule('gate', 'everything'), 'second_person'));
      expect(wrong.violations).toMatchObject([{ field: 'installation.second_person.actions' }]);
      // Credentials of one's own making in the name of who signs in are refused; see the threat model for other names.
      const tokens = as(identityV1.TokenServiceService, 'anna');
      const forged = { subject: 'oidc:ben', role: identityV1.Role.ADMIN, installation: '', validDays: 1 };
      expect((await refusal(tokens.createToken(forged))).code).toBe(3);
    });

    it('are overrides of checks, too', async () => {
      const start = { condition: { $case: 'time' as const, value: { localTime: localIn(2 * HOUR_MS) } } };
      const job = schedulerV1.Job.fromPartial({ title: 'night', type: commonV1.JobType.SOFTWARE_UPDATE, start });
      const scheduler = as(schedulerV1.SchedulerServiceService, 'anna');
      await scheduler.createJob({ parent: NAME, jobId: 'night', job, confirmedCautions: [] });
      // Where jobs are approved as well, whoever has enabled one overrides none of its checks.
      await scheduler.enableJob({ name: `${NAME}/jobs/night`, etag: '', confirmedCautions: [] });
      const expireTime = new Date(Date.now() + HOUR_MS);
      const override = { job: 'night', check: 'clock', host: 'srv1', reason: 'NTP comes on Monday.', expireTime };
      const preflight = (who: Who) => as(preflightV1.PreflightServiceService, who);
      const wanted = { parent: NAME, override: preflightV1.Override.fromPartial(override) };
      const asked = await refusal(preflight('ben').createOverride(wanted));
      expect([asked.reason, asked.facts['action']]).toEqual(['SECOND_PERSON_NEEDED', 'override']);
      const standing = async () =>
        (await preflight('ben').listOverrides({ parent: NAME, pageSize: 0, pageToken: '' })).overrides;
      expect(await standing()).toEqual([]);
      const { approval } = await preflight('anna').grantApproval({ name: nameIn(asked) });
      expect(approval).toMatchObject({ state: ApprovalState.CARRIED_OUT, decidedBy: 'anna' });
      expect(await standing()).toMatchObject([{ check: 'clock', createdBy: 'ben, approved by anna' }]);
      const wrong = { ...wanted, override: { ...wanted.override, check: 'backup' } };
      expect((await refusal(preflight('ben').createOverride(wrong))).reason).toBe('NEVER_OVERRIDDEN');
    });

    it('are one list on the command line, from all services', async () => {
      const [anna, ben] = [lastcall('anna'), lastcall('ben')];
      const asked = anna('gate', 'open', '--reason', 'The drill is over.');
      expect([await asked.ended, asked.err.text]).toEqual([3, expect.stringContaining('needs a second person (gate)')]);
      const [, id = ''] = /waits as (ap-\w+)/.exec(asked.err.text) ?? [];
      const fewer = anna('installation', 'set', 'berlin', '--second-person', 'logoff', '--second-person-within', '2h');
      expect(await fewer.ended).toBe(3);
      const shown = await outputOf(ben('approval', 'list'));
      expect(shown).toMatch(new RegExp(`${id} +gate +OpenGate [^\\n]*The drill is over[^\\n]*anna[^\\n]*waiting`));
      expect(shown).toMatch(/policy +UpdateInstallation [^\n]*"actions":\["logoff"\]/);
      expect(await anna('approval', 'approve', id).ended).toBe(3);
      expect(await outputOf(ben('approval', 'approve', id))).toMatch(/carried out[^]*anna[^]*ben/);
      expect(await stateOfGate()).toBe(GateState.OPEN);
      const [, other = ''] = /waits as (ap-\w+)/.exec(fewer.err.text) ?? [];
      expect(await outputOf(anna('approval', 'refuse', other, '--reason', 'My mistake.'))).toMatch(
        /refused[^]*My mistake/,
      );
      expect(await ben('approval', 'approve', other).ended).toBe(3);
      expect(await ben('approval', 'approve', 'ap-nothing').ended).toBe(4);
      expect(await outputOf(ben('installation', 'show', 'berlin'))).toMatch(
        /Second person +for gate, logoff, override, within 1/,
      );
      const refused = anna('approval', 'approve', id);
      expect([await refused.ended, refused.err.text]).toEqual([3, expect.stringContaining('ben has decided before')]);
    });

    it('are who signs, too, for all installations at once', async () => {
      const [anna, ben] = [lastcall('anna'), lastcall('ben')];
      const keys = join(stack.dataDir, 'keys');
      await outputOf(anna('keys', 'init', keys, '--root', '1/1', '--targets', '1/1', '--releases', '1/1'));
      const asked = anna('keys', 'hand-over', '--keys', keys, '--yes');
      expect([await asked.ended, asked.err.text]).toEqual([3, expect.stringContaining('needs a second person (keys)')]);
      const [, id = ''] = /lastcall approval approve (ap-\w+) -i -/.exec(asked.err.text) ?? [];
      expect(await outputOf(ben('approval', 'list'))).not.toContain(id);
      expect(await outputOf(ben('approval', 'list', '-i', '-'))).toMatch(new RegExp(`${id} +keys +SubmitSigning .*who clients believe from now on`)); // prettier-ignore
      expect((await catalog('anna').getSigningState({})).state?.offline).toBe(false);
      expect(await outputOf(ben('approval', 'approve', id, '-i', '-'))).toMatch(/carried out/);
      expect((await catalog('anna').getSigningState({})).state?.offline).toBe(true);
    });

    it('are one person’s again when two have agreed on that', async () => {
      const asked = await refusal(change('anna', rule(), 'second_person'));
      await catalog('ben').grantApproval({ name: nameIn(asked) });
      await until(async () => (await close('anna').catch(() => undefined)) !== undefined, 'the rule to be gone');
      expect(await stateOfGate()).not.toBe(GateState.OPEN);
    });
  });
}

suite('actions that need a second person, embedded', {});
describeWith('nats', 'actions that need a second person, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('distributed', { bus: 'nats', store: 'mongodb' }));
});
