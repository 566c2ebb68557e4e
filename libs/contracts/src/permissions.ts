/**
 * The one table of who may do what: method × role × installation. What is not in it is denied.
 *
 * Scopes:
 * - `installation`: the request names an installation (in `parent`, `name`, `installation_id` or the resource's `name`);
 *   a credential that is bound to one passes only for that one.
 * - `stream`: the installation is in the stream's first message; the handler asks `principal` itself.
 * - `any`: the same for every installation; bound credentials pass too.
 * - `global`: concerns all installations; bound credentials do not pass.
 * - `public`: no credential. Health; Join and SignIn, which carry what is checked inside; and where to sign in.
 */
export type RoleName = 'admin' | 'operator' | 'approver' | 'viewer' | 'agent' | 'client';
export type Scope = 'installation' | 'stream' | 'any' | 'global' | 'public';

export const ROLE_NAMES: readonly RoleName[] = ['admin', 'operator', 'approver', 'viewer', 'agent', 'client'];

export interface Permission {
  readonly roles: readonly RoleName[];
  readonly scope: Scope;
  /** Absent: calls leave an audit record unless they only read. */
  readonly audited?: boolean;
}

const people: readonly RoleName[] = ['admin', 'operator', 'approver', 'viewer'];
const operators: readonly RoleName[] = ['admin', 'operator'];

const read = (scope: Scope, ...more: RoleName[]): Permission => ({ roles: [...people, ...more], scope });
const write = (scope: Scope): Permission => ({ roles: operators, scope });
const admin = (scope: Scope): Permission => ({ roles: ['admin'], scope });

/** Those of the service's own actions. */
const approvals: Readonly<Record<string, Permission>> = {
  ListApprovals: read('installation'),
  GrantApproval: { roles: ['admin', 'operator', 'approver'], scope: 'installation' },
  RefuseApproval: { roles: ['admin', 'operator', 'approver'], scope: 'installation' },
};

function methods(
  service: string,
  table: Readonly<Record<string, Permission>>,
): readonly (readonly [string, Permission])[] {
  return Object.entries(table).map(([method, permission]) => [`/${service}/${method}`, permission] as const);
}

/** Key: full gRPC method (`/package.Service/Method`) or HTTP route (`GET /tuf/*`). */
export const PERMISSIONS: ReadonlyMap<string, Permission> = new Map([
  ...methods('lastcall.catalog.v1.CatalogService', {
    CreateProduct: write('global'),
    GetProduct: read('any'),
    ListProducts: read('any'),
    CreateRelease: write('global'),
    PublishRelease: write('global'),
    WithdrawRelease: write('global'),
    GetRelease: read('any', 'client'),
    ListReleases: read('any'),
    // Reads only, whatever its name says to the audit.
    DiffReleases: { ...read('any'), audited: false },
    ListChannels: read('any'),
    UpdateChannel: write('global'),
    CreateInstallation: write('global'),
    // Agents: for the business hours.
    GetInstallation: read('installation', 'client', 'agent'),
    ListInstallations: read('global'),
    UpdateInstallation: write('installation'),
    DeleteInstallation: write('installation'),
    CheckUpdate: read('installation', 'client'),
    GetSigningState: read('global'),
    PrepareSigning: write('global'),
    // The signatures decide; an operator may carry them.
    SubmitSigning: write('global'),
    // The first import, which says whom to trust, asks for an administrator.
    ImportMirror: write('global'),
    GetMirror: read('global'),
    GetTrustedMetadata: read('any'),
    ...approvals,
  }),
  // A wave concerns many installations: who is bound to one learns of it through CheckUpdate, and lets nobody in before its turn.
  ...methods('lastcall.catalog.v1.WaveService', {
    CreateWave: write('global'),
    GetWave: read('global'),
    ListWaves: read('global'),
    ListWaveInstallations: read('global'),
    StopWave: write('global'),
    ResumeWave: write('global'),
    AbortWave: write('global'),
    AdmitInstallation: write('global'),
  }),
  ...methods('lastcall.scheduler.v1.SchedulerService', {
    CreateJob: write('installation'),
    GetJob: read('installation'),
    ListJobs: read('installation'),
    UpdateJob: write('installation'),
    DeleteJob: write('installation'),
    EnableJob: write('installation'),
    DisableJob: write('installation'),
    ApproveJob: { roles: ['admin', 'operator', 'approver'], scope: 'installation' },
    RejectJob: { roles: ['admin', 'operator', 'approver'], scope: 'installation' },
    SkipNext: write('installation'),
    PauseJobs: write('installation'),
    ResumeJobs: write('installation'),
    StartJob: write('installation'),
    // Makes a report of preflight.
    DryRunJob: write('installation'),
    AdviseJob: read('installation'),
    ListRuns: read('installation'),
    GetRun: read('installation'),
    WatchRun: read('installation'),
    CancelRun: write('installation'),
    GetRunReport: read('installation'),
    CreateNotificationTarget: write('installation'),
    // The address of a webhook often is a secret itself: who only looks does not see it.
    GetNotificationTarget: write('installation'),
    ListNotificationTargets: write('installation'),
    DeleteNotificationTarget: write('installation'),
    TestNotificationTarget: write('installation'),
    ListNotificationDeliveries: read('installation'),
    ListFirings: read('installation'),
  }),
  ...methods('lastcall.preflight.v1.PreflightService', {
    CreateReport: write('installation'),
    GetReport: read('installation'),
    ListReports: read('installation'),
    CreateBackup: write('installation'),
    GetBackup: read('installation'),
    ListBackups: read('installation'),
    RestoreBackup: write('installation'),
    GetRestore: read('installation'),
    CreateOverride: write('installation'),
    ListOverrides: read('installation'),
    RevokeOverride: write('installation'),
    VerifyBackup: write('installation'),
    ReportBackup: write('installation'),
    GetBackupPolicy: read('installation'),
    UpdateBackupPolicy: write('installation'),
    ...approvals,
  }),
  ...methods('lastcall.session.v1.SessionService', {
    Attach: { roles: ['client'], scope: 'stream' },
    WaitForReopening: { roles: ['client', ...people], scope: 'installation' },
    GetGate: read('installation', 'client'),
    CloseGate: write('installation'),
    OpenGate: write('installation'),
    ListSessions: read('installation'),
    CountSessions: read('installation'),
    SendNotice: write('installation'),
    ListHolds: read('installation'),
    ReleaseHold: write('installation'),
    ApproveHold: { roles: ['admin', 'operator', 'approver'], scope: 'installation' },
    ListAttendance: read('installation'),
    GetSessionHistory: read('installation'),
    // A sign of life every few seconds.
    RenewGateLease: { ...admin('installation'), audited: false },
    // Hands out a secret.
    GetFirstStart: { ...write('installation'), audited: true },
    ...approvals,
  }),
  ...methods('lastcall.installer.v1.InstallerService', {
    CreateJoinToken: write('installation'),
    ReleaseQuarantine: write('installation'),
    UpdateAgents: write('installation'),
    CutOffHost: write('installation'),
    GetHost: read('installation'),
    ListHosts: read('installation'),
    GetPlan: read('installation'),
    ListPlans: read('installation'),
  }),
  ...methods('lastcall.installer.v1.HostEdgeService', {
    Join: { roles: [], scope: 'public' },
    Connect: { roles: ['agent'], scope: 'stream' },
    // The host is the one that the credential is of: there is no request for another one.
    CatchUp: { roles: ['agent'], scope: 'any' },
    GetCatchUp: { roles: ['agent'], scope: 'any' },
    RotateKey: { roles: ['agent'], scope: 'any' },
  }),
  ...methods('lastcall.identity.v1.TokenService', {
    CreateToken: admin('global'),
    ListTokens: admin('global'),
    RevokeToken: admin('global'),
    // Issuer and client id: the page of the provider shows both to everybody.
    GetSignIn: { roles: [], scope: 'public' },
    SignIn: { roles: [], scope: 'public' },
    // Their own credential, and no other one.
    SignOut: { roles: people, scope: 'any' },
    GetCaller: read('any', 'client'),
  }),
  ...methods('lastcall.operations.v1.OperationsService', {
    ListDeadLetters: read('global'),
    RedriveDeadLetter: admin('global'),
    ListAuditRecords: read('global'),
    ListServiceStates: write('global'),
  }),
  ...methods('grpc.health.v1.Health', {
    Check: { roles: [], scope: 'public' },
    Watch: { roles: [], scope: 'public' },
  }),
  ['GET /tuf/*', { roles: [...people, 'agent'], scope: 'any' }],
  ['GET /blobs/*', { roles: [...people, 'agent'], scope: 'any' }],
  // The same blobs, several in one answer.
  ['GET /packs/*', { roles: [...people, 'agent'], scope: 'any' }],
  ['PUT /blobs/*', write('global')],
]);

/** Who is calling, as proven by the credential. */
export interface Principal {
  /** Who: name of a person or application; `{installation}/{host}` for an agent. */
  readonly subject: string;
  readonly role: RoleName;
  /** Installation that the credential is bound to; undefined: all. */
  readonly installation?: string;
  /** Id of the credential, for revocation; empty for agents. */
  readonly token: string;
  /** SHA-256 (hexadecimal) of the public key that an agent has signed with; undefined for others. */
  readonly keyFingerprint?: string;
}

/** Whether the table lets this principal call this method; `installation` is what the request names. */
export function isPermitted(
  method: string,
  principal: Principal | undefined,
  installation: string | undefined,
): boolean {
  const permission = PERMISSIONS.get(method);
  if (!permission) return false;
  if (permission.scope === 'public') return true;
  if (!principal || !permission.roles.includes(principal.role)) return false;
  switch (permission.scope) {
    case 'any':
    case 'stream':
      return true;
    case 'global':
      return principal.installation === undefined;
    case 'installation':
      return (
        installation !== undefined && (principal.installation === undefined || principal.installation === installation)
      );
  }
}
