// Made by `npm run api` from operations.graphql and the schema of the server. Do not edit.

import type { Json } from '../../domain/json';

/** An operation of the API: its text, and the types of what it takes and gives. */
export interface Operation<Data, Variables> {
  readonly text: string;
  /** Exists in types only. */
  readonly types?: (variables: Variables) => Data;
}

/** Where a run stands. */
export type RunState = 'QUEUED' | 'RUNNING' | 'WAITING' | 'NEEDS_REVIEW' | 'PAUSED' | 'LOST' | 'DONE' | 'FAILED' | 'REJECTED' | 'EXPIRED' | 'CANCELLED';

/** What a run waits for. */
export type WaitKind = 'TIME' | 'SIGNAL' | 'RUN' | 'REVIEW';

/** Where a question stands. */
export type ApprovalState = 'PENDING' | 'APPROVED' | 'REJECTED' | 'EXPIRED' | 'WITHDRAWN';

/** A run to be started. */
export interface StartRunInput {
  readonly workflow: string;
  readonly version?: number | null;
  readonly input?: Json | null;
  readonly clientRequestId?: string | null;
}

/** A run to be stopped. */
export interface CancelRunInput {
  readonly id: string;
  readonly reason?: string | null;
  readonly graceMs?: number | null;
}

/** A run to be paused, or to go on. */
export interface PauseRunInput {
  readonly id: string;
  readonly reason?: string | null;
}

/** A signal. With `run` it goes to that run, which keeps it until a step waits for it; with `workflow` to all runs of it that wait for it, or, if none does, to the first that will, within seven days. */
export interface SendSignalInput {
  readonly run?: string | null;
  readonly workflow?: string | null;
  readonly name: string;
  readonly correlation?: string | null;
  readonly payload?: Json | null;
  readonly clientRequestId?: string | null;
}

/** An answer to a question. */
export interface DecideApprovalInput {
  readonly id: string;
  readonly approved: boolean;
  readonly comment?: string | null;
  readonly by?: string | null;
  readonly form?: Json | null;
  readonly signature?: string | null;
}

/** What a person says of a step that needs review. */
export interface ReviewStepInput {
  readonly run: string;
  readonly step: string;
  readonly action: ReviewAction;
  readonly output?: Json | null;
  readonly comment?: string | null;
}

/** What to do with a step that needs review. */
export type ReviewAction = 'RETRY' | 'SKIP' | 'FAIL';

/** A run that is over, to be run again from a node on. */
export interface RetryRunInput {
  readonly id: string;
  readonly from: string;
  readonly newest?: boolean | null;
  readonly plan?: string | null;
  readonly clientRequestId?: string | null;
}

/** A workflow file to be looked at. */
export interface CheckWorkflowInput {
  readonly source: string;
  readonly fileName?: string | null;
  readonly lock?: string | null;
  readonly config?: Json | null;
}

/** How much a finding matters. */
export type Severity = 'ERROR' | 'WARNING';

/** A workflow file to be released. */
export interface PrepareReleaseInput {
  readonly source: string;
  readonly fileName?: string | null;
  readonly lock?: string | null;
  readonly config?: Json | null;
  readonly draft?: boolean | null;
}

/** What it means that nobody answers a question in time. */
export type ApprovalExpiry = 'EXPIRE' | 'REJECT' | 'APPROVE';

/** `destinations`: where the value may be sent, `scheme://name[:port]`; at least one, except for the kinds `hmac-key` and `opaque`. */
export interface SetSecretInput {
  readonly name: string;
  readonly kind: string;
  readonly value: string;
  readonly destinations: readonly (string)[];
  readonly drafts?: SecretDrafts | null;
}

/** Whether runs of drafts may use a secret. */
export type SecretDrafts = 'ALLOW' | 'DENY';

/** A secret to be forgotten. */
export interface DeleteSecretInput {
  readonly name: string;
  readonly purge?: boolean | null;
}

/** What was decided about a host. */
export type HostStandingName = 'ACTIVE' | 'DRAINING' | 'REVOKED' | 'CLONED' | 'LEFT';

/** A host to be invited. */
export interface InviteHostInput {
  readonly name: string;
  readonly lifeMs: number;
  readonly pool?: string | null;
  readonly labels: readonly (string)[];
}

/** A decision about a host. */
export interface DecideHostInput {
  readonly host: string;
  readonly decision: HostDecision;
  readonly reason?: string | null;
}

/** What is to be decided about a host. */
export type HostDecision = 'DRAIN' | 'UNDRAIN' | 'REVOKE';

/** What became of a request to a webhook. */
export type WebhookDeliveryOutcome = 'ACCEPTED' | 'DUPLICATE' | 'REFUSED';

/** A request to a webhook that is to be done once more. */
export interface ReplayWebhookDeliveryInput {
  readonly id: string;
  readonly clientRequestId?: string | null;
}

/** A group to be made, or changed. */
export interface SetApproverGroupInput {
  readonly name: string;
  readonly members?: readonly (string)[] | null;
  readonly add: readonly (string)[];
  readonly remove: readonly (string)[];
}

/** A draft to be saved. */
export interface SaveDraftInput {
  readonly workflow: string;
  readonly source: string;
  readonly layout?: Json | null;
  readonly lock?: string | null;
  readonly revision?: number | null;
  readonly baseVersion?: number | null;
}

/** A draft to be forgotten. */
export interface DiscardDraftInput {
  readonly workflow: string;
  readonly revision: number;
}

/** A draft to be published. */
export interface PublishDraftInput {
  readonly workflow: string;
  readonly revision: number;
}

/** A workflow's text: `source`; or `workflow` with `version`, with `draft: true`, or alone, which is its newest version. */
export interface WorkflowTextInput {
  readonly workflow?: string | null;
  readonly version?: number | null;
  readonly draft?: boolean | null;
  readonly source?: string | null;
  readonly lock?: string | null;
  readonly layout?: Json | null;
}

/** What became of a node. */
export type ChangeKind = 'ADDED' | 'REMOVED' | 'CHANGED';

/** Which text has a line. */
export type TextLineKind = 'SAME' | 'REMOVED' | 'ADDED';

/** An old version whose text becomes the draft. */
export interface RestoreVersionInput {
  readonly workflow: string;
  readonly version: number;
  readonly revision?: number | null;
}

/** An expression that is being written. */
export interface PreviewExpressionInput {
  readonly expression: string;
  readonly template?: boolean | null;
  readonly cursor?: number | null;
  readonly source?: string | null;
  readonly lock?: string | null;
  readonly node?: string | null;
  readonly data?: Json | null;
  readonly run?: string | null;
  readonly nowMs?: number | null;
}

/** What a completion is. */
export type CompletionKind = 'NAME' | 'NODE' | 'FIELD' | 'FUNCTION' | 'METHOD';

/** A draft to be tried: one that is saved, or a text. All of it runs, unless `node` or `to` says otherwise. */
export interface TryDraftInput {
  readonly workflow?: string | null;
  readonly source?: string | null;
  readonly lock?: string | null;
  readonly config?: Json | null;
  readonly release?: string | null;
  readonly grants?: string | null;
  readonly node?: string | null;
  readonly to?: string | null;
  readonly input?: Json | null;
  readonly pins?: Json | null;
  readonly pinnedFrom?: string | null;
}

/** What somebody is in this project. */
export type Role = 'VIEWER' | 'BUILDER' | 'OPERATOR' | 'PUBLISHER' | 'ADMIN';

/** What somebody may be allowed to do. */
export type Permission = 'READ' | 'READ_AUDIT' | 'EDIT' | 'PUBLISH' | 'RUN' | 'OPERATE' | 'APPROVE' | 'KEEP_SECRETS' | 'MANAGE_MEMBERS' | 'MANAGE_HOSTS' | 'SERVE' | 'KEEP_ACCOUNT' | 'SIGN_IN';

/** What a one-time link is for. */
export type InvitationKind = 'FIRST_ADMINISTRATOR' | 'INVITATION' | 'PASSWORD_RESET';

/** Somebody to be invited. */
export interface InviteMemberInput {
  readonly roles: readonly (Role)[];
}

/** A member who forgot the password. */
export interface ResetPasswordInput {
  readonly name: string;
}

/** A link to be taken back. */
export interface WithdrawInvitationInput {
  readonly id: string;
}

/** A member with its new roles. */
export interface SetMemberRolesInput {
  readonly name: string;
  readonly roles: readonly (Role)[];
}

/** A member to be removed. */
export interface RemoveMemberInput {
  readonly name: string;
}

/** Which entries; what is absent does not count. */
export interface AuditEventFilter {
  readonly actor?: string | null;
  readonly action?: string | null;
  readonly objectKind?: string | null;
  readonly object?: string | null;
  readonly outcome?: AuditOutcome | null;
  readonly sinceMs?: number | null;
  readonly untilMs?: number | null;
}

/** How something went that was asked for. */
export type AuditOutcome = 'DONE' | 'DENIED' | 'REFUSED';

/** The old password and the new one. */
export interface ChangePasswordInput {
  readonly old: string;
  readonly new: string;
}

/** A session to be ended. */
export interface EndSessionInput {
  readonly id: string;
}

/** A token for a program. */
export interface MakeApiTokenInput {
  readonly name: string;
  readonly permissions: readonly (Permission)[];
  readonly lifeMs: number;
}

/** A token to be revoked. */
export interface RevokeApiTokenInput {
  readonly id: string;
}

export type HomeData = { readonly server: { readonly version: string; readonly workspace: string; readonly dev: boolean }; readonly workflows: { readonly nodes: readonly ({ readonly name: string; readonly title: string; readonly version: number; readonly publishedAtMs: number })[]; readonly pageInfo: { readonly hasNextPage: boolean } }; readonly runs: { readonly nodes: readonly ({ readonly id: string; readonly workflow: string; readonly version: number; readonly draft: boolean; readonly state: RunState; readonly waitingFor: string | null; readonly createdAtMs: number; readonly endedAtMs: number | null; readonly trigger: Json; readonly host: { readonly name: string; readonly connected: boolean } | null; readonly lineage: { readonly generation: number; readonly predecessor: string | null; readonly parent: string | null } | null })[] }; readonly failed: { readonly nodes: readonly ({ readonly id: string; readonly workflow: string; readonly version: number; readonly draft: boolean; readonly state: RunState; readonly waitingFor: string | null; readonly createdAtMs: number; readonly endedAtMs: number | null; readonly trigger: Json; readonly host: { readonly name: string; readonly connected: boolean } | null; readonly lineage: { readonly generation: number; readonly predecessor: string | null; readonly parent: string | null } | null })[] }; readonly review: { readonly nodes: readonly ({ readonly id: string; readonly workflow: string; readonly version: number; readonly draft: boolean; readonly state: RunState; readonly waitingFor: string | null; readonly createdAtMs: number; readonly endedAtMs: number | null; readonly trigger: Json; readonly host: { readonly name: string; readonly connected: boolean } | null; readonly lineage: { readonly generation: number; readonly predecessor: string | null; readonly parent: string | null } | null })[] }; readonly approvals: { readonly nodes: readonly ({ readonly id: string; readonly run: string; readonly workflow: string; readonly title: string })[] }; readonly hosts: readonly ({ readonly name: string; readonly connected: boolean })[]; readonly drafts: { readonly nodes: readonly ({ readonly workflow: string; readonly baseVersion: number | null; readonly savedAtMs: number; readonly savedBy: string })[] } };
export type HomeVariables = Record<string, never>;
export const Home: Operation<HomeData, HomeVariables> = { text: "query Home { server { version workspace dev } workflows(first: 100) { nodes { name title version publishedAtMs } pageInfo { hasNextPage } } runs(first: 100) { nodes { ...RunRow } } failed: runs(first: 5, state: FAILED) { nodes { ...RunRow } } review: runs(first: 5, state: NEEDS_REVIEW) { nodes { ...RunRow } } approvals(first: 20, state: PENDING) { nodes { id run workflow title } } hosts { name connected } drafts(first: 100) { nodes { workflow baseVersion savedAtMs savedBy } } } fragment RunRow on Run { id workflow version draft state waitingFor createdAtMs endedAtMs trigger host { name connected } lineage { generation predecessor parent } }" };

export type RunsData = { readonly runs: { readonly nodes: readonly ({ readonly id: string; readonly workflow: string; readonly version: number; readonly draft: boolean; readonly state: RunState; readonly waitingFor: string | null; readonly createdAtMs: number; readonly endedAtMs: number | null; readonly trigger: Json; readonly host: { readonly name: string; readonly connected: boolean } | null; readonly lineage: { readonly generation: number; readonly predecessor: string | null; readonly parent: string | null } | null })[]; readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null } } };
export type RunsVariables = { readonly first: number; readonly after?: string | null; readonly workflow?: string | null; readonly state?: RunState | null };
export const Runs: Operation<RunsData, RunsVariables> = { text: "query Runs($first: Int!, $after: String, $workflow: String, $state: RunState) { runs(first: $first, after: $after, workflow: $workflow, state: $state) { nodes { ...RunRow } pageInfo { hasNextPage endCursor } } } fragment RunRow on Run { id workflow version draft state waitingFor createdAtMs endedAtMs trigger host { name connected } lineage { generation predecessor parent } }" };

export type WorkflowNamesData = { readonly workflows: { readonly nodes: readonly ({ readonly name: string })[] } };
export type WorkflowNamesVariables = Record<string, never>;
export const WorkflowNames: Operation<WorkflowNamesData, WorkflowNamesVariables> = { text: "query WorkflowNames { workflows(first: 100) { nodes { name } } }" };

export type RunDetailData = { readonly run: { readonly id: string; readonly workflow: string; readonly version: number; readonly draft: boolean; readonly state: RunState; readonly waitingFor: string | null; readonly createdAtMs: number; readonly endedAtMs: number | null; readonly trigger: Json; readonly host: { readonly name: string; readonly connected: boolean } | null; readonly lineage: { readonly generation: number; readonly predecessor: string | null; readonly parent: string | null } | null; readonly pausedBy: string | null; readonly records: number; readonly progress: readonly ({ readonly step: string; readonly attempt: number; readonly percent: number | null; readonly message: string | null; readonly atMs: number })[]; readonly input: Json; readonly output: Json | null; readonly failure: Json | null; readonly outcome: Json | null; readonly view: Json | null; readonly release: string; readonly waits: readonly ({ readonly step: string; readonly kind: WaitKind; readonly what: string; readonly signal: string | null; readonly correlation: string | null; readonly run: string | null; readonly sinceMs: number; readonly dueMs: number | null })[]; readonly approvals: readonly ({ readonly id: string; readonly step: string; readonly title: string; readonly show: Json; readonly approvers: readonly (string)[]; readonly state: ApprovalState; readonly requestedAtMs: number; readonly expiresAtMs: number | null; readonly decidedBy: string | null; readonly comment: string | null; readonly decidedAtMs: number | null; readonly quorum: number; readonly signers: readonly (string)[]; readonly form: Json; readonly answers: readonly ({ readonly by: string; readonly approved: boolean })[] })[]; readonly children: readonly ({ readonly id: string; readonly workflow: string; readonly state: RunState })[]; readonly retries: readonly ({ readonly id: string; readonly state: RunState })[]; readonly receipt: { readonly valid: boolean; readonly reason: string | null } | null } | null };
export type RunDetailVariables = { readonly id: string };
export const RunDetail: Operation<RunDetailData, RunDetailVariables> = { text: "query RunDetail($id: String!) { run(id: $id) { ...RunWhole } } fragment RunWhole on Run { ...RunRow pausedBy records progress { step attempt percent message atMs } input output failure outcome view release waits { step kind what signal correlation run sinceMs dueMs } approvals { id step title show approvers state requestedAtMs expiresAtMs decidedBy comment decidedAtMs quorum signers form answers { by approved } } children { id workflow state } retries { id state } receipt { valid reason } } fragment RunRow on Run { id workflow version draft state waitingFor createdAtMs endedAtMs trigger host { name connected } lineage { generation predecessor parent } }" };

export type RunRecordsData = { readonly run: { readonly evidence: { readonly lines: string; readonly nextSeq: number | null } | null } | null };
export type RunRecordsVariables = { readonly id: string; readonly from: number };
export const RunRecords: Operation<RunRecordsData, RunRecordsVariables> = { text: "query RunRecords($id: String!, $from: Long!) { run(id: $id) { evidence(fromSeq: $from) { lines nextSeq } } }" };

export type RunEvidenceData = { readonly run: { readonly id: string; readonly workflow: string; readonly version: number; readonly evidence: { readonly release: string; readonly grants: string; readonly receipt: string | null; readonly lines: string; readonly nextSeq: number | null } | null } | null };
export type RunEvidenceVariables = { readonly id: string; readonly from: number };
export const RunEvidence: Operation<RunEvidenceData, RunEvidenceVariables> = { text: "query RunEvidence($id: String!, $from: Long!) { run(id: $id) { id workflow version evidence(fromSeq: $from) { release grants receipt lines nextSeq } } }" };

export type RunLogsData = { readonly run: { readonly logs: { readonly nodes: readonly ({ readonly atMs: number; readonly step: string; readonly attempt: number; readonly level: string; readonly message: string })[]; readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null } } } | null };
export type RunLogsVariables = { readonly id: string; readonly first: number; readonly after?: string | null };
export const RunLogs: Operation<RunLogsData, RunLogsVariables> = { text: "query RunLogs($id: String!, $first: Int!, $after: String) { run(id: $id) { logs(first: $first, after: $after) { nodes { atMs step attempt level message } pageInfo { hasNextPage endCursor } } } }" };

export type RunHeardData = { readonly run: { readonly host: { readonly name: string; readonly connected: boolean } | null } | null };
export type RunHeardVariables = { readonly id: string };
export const RunHeard: Operation<RunHeardData, RunHeardVariables> = { text: "query RunHeard($id: String!) { run(id: $id) { host { name connected } } }" };

export type RunMovesData = { readonly runEvents: { readonly ended: boolean; readonly run: { readonly id: string; readonly state: RunState; readonly records: number } } };
export type RunMovesVariables = { readonly run: string };
export const RunMoves: Operation<RunMovesData, RunMovesVariables> = { text: "subscription RunMoves($run: String!) { runEvents(run: $run) { ended run { id state records } } }" };

export type WorkflowTextData = { readonly workflow: { readonly name: string; readonly title: string; readonly version: number; readonly inputSchema: Json; readonly versions: readonly ({ readonly version: number; readonly source: string | null })[] } | null };
export type WorkflowTextVariables = { readonly name: string };
export const WorkflowText: Operation<WorkflowTextData, WorkflowTextVariables> = { text: "query WorkflowText($name: String!) { workflow(name: $name) { name title version inputSchema versions { version source } } }" };

export type ConnectorListData = { readonly connectors: { readonly nodes: readonly ({ readonly name: string; readonly version: string; readonly interface: Json })[]; readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null } } };
export type ConnectorListVariables = { readonly after?: string | null };
export const ConnectorList: Operation<ConnectorListData, ConnectorListVariables> = { text: "query ConnectorList($after: String) { connectors(first: 100, after: $after) { nodes { name version interface } pageInfo { hasNextPage endCursor } } }" };

export type PlanOfRetryData = { readonly retryPlan: { readonly __typename: 'RetryPlan'; readonly run: string; readonly version: number; readonly generation: number; readonly reused: readonly (string)[]; readonly runsAgain: readonly (string)[]; readonly changed: readonly (string)[]; readonly added: readonly (string)[]; readonly continued: readonly (string)[]; readonly repeated: readonly ({ readonly step: string; readonly times: number; readonly key: string; readonly used: readonly ({ readonly destination: string; readonly secret: string | null; readonly count: number })[] })[]; readonly digest: string } | { readonly __typename: 'RunNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RunStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } };
export type PlanOfRetryVariables = { readonly id: string; readonly from: string; readonly newest: boolean };
export const PlanOfRetry: Operation<PlanOfRetryData, PlanOfRetryVariables> = { text: "query PlanOfRetry($id: String!, $from: String!, $newest: Boolean!) { retryPlan(id: $id, from: $from, newest: $newest) { __typename ... on RetryPlan { run version generation reused runsAgain changed added continued repeated { step times key used { destination secret count } } digest } ...Told } } fragment Told on Problem { message code }" };

export type StartRunData = { readonly startRun: { readonly __typename: 'StartRunSuccess'; readonly run: { readonly id: string } } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } | { readonly __typename: 'WorkflowNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RequestConflictProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'CapabilityProblem'; readonly message: string; readonly code: string } };
export type StartRunVariables = { readonly input: StartRunInput };
export const StartRun: Operation<StartRunData, StartRunVariables> = { text: "mutation StartRun($input: StartRunInput!) { startRun(input: $input) { __typename ... on StartRunSuccess { run { id } } ...Told ... on InputProblem { fields { path message } } } } fragment Told on Problem { message code }" };

export type CancelRunData = { readonly cancelRun: { readonly __typename: 'CancelRunSuccess' } | { readonly __typename: 'RunNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RunStateProblem'; readonly message: string; readonly code: string } };
export type CancelRunVariables = { readonly input: CancelRunInput };
export const CancelRun: Operation<CancelRunData, CancelRunVariables> = { text: "mutation CancelRun($input: CancelRunInput!) { cancelRun(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type PauseRunData = { readonly pauseRun: { readonly __typename: 'PauseRunSuccess' } | { readonly __typename: 'RunNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RunStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } };
export type PauseRunVariables = { readonly input: PauseRunInput };
export const PauseRun: Operation<PauseRunData, PauseRunVariables> = { text: "mutation PauseRun($input: PauseRunInput!) { pauseRun(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type ResumeRunData = { readonly resumeRun: { readonly __typename: 'ResumeRunSuccess' } | { readonly __typename: 'RunNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RunStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } };
export type ResumeRunVariables = { readonly input: PauseRunInput };
export const ResumeRun: Operation<ResumeRunData, ResumeRunVariables> = { text: "mutation ResumeRun($input: PauseRunInput!) { resumeRun(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type SendSignalData = { readonly sendSignal: { readonly __typename: 'SendSignalSuccess' } | { readonly __typename: 'RunNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'WorkflowNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RunStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RequestConflictProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } };
export type SendSignalVariables = { readonly input: SendSignalInput };
export const SendSignal: Operation<SendSignalData, SendSignalVariables> = { text: "mutation SendSignal($input: SendSignalInput!) { sendSignal(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type DecideApprovalData = { readonly decideApproval: { readonly __typename: 'DecideApprovalSuccess'; readonly approval: { readonly state: ApprovalState } } | { readonly __typename: 'ApprovalNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'NotAskedProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'ApprovalStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'SignatureProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } };
export type DecideApprovalVariables = { readonly input: DecideApprovalInput };
export const DecideApproval: Operation<DecideApprovalData, DecideApprovalVariables> = { text: "mutation DecideApproval($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename ... on DecideApprovalSuccess { approval { state } } ...Told ... on InputProblem { fields { path message } } } } fragment Told on Problem { message code }" };

export type ReviewStepData = { readonly reviewStep: { readonly __typename: 'ReviewStepSuccess' } | { readonly __typename: 'RunNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RunStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } };
export type ReviewStepVariables = { readonly input: ReviewStepInput };
export const ReviewStep: Operation<ReviewStepData, ReviewStepVariables> = { text: "mutation ReviewStep($input: ReviewStepInput!) { reviewStep(input: $input) { __typename ...Told ... on InputProblem { fields { path message } } } } fragment Told on Problem { message code }" };

export type RetryRunData = { readonly retryRun: { readonly __typename: 'StartRunSuccess'; readonly run: { readonly id: string } } | { readonly __typename: 'RunNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RunStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'PlanChangedProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RequestConflictProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'CapabilityProblem'; readonly message: string; readonly code: string } };
export type RetryRunVariables = { readonly input: RetryRunInput };
export const RetryRun: Operation<RetryRunData, RetryRunVariables> = { text: "mutation RetryRun($input: RetryRunInput!) { retryRun(input: $input) { __typename ... on StartRunSuccess { run { id } } ...Told } } fragment Told on Problem { message code }" };

export type CheckWorkflowData = { readonly checkWorkflow: { readonly diagnostics: readonly ({ readonly severity: Severity; readonly code: string; readonly message: string; readonly line: number; readonly column: number; readonly fix: string | null })[]; readonly errors: number; readonly warnings: number } };
export type CheckWorkflowVariables = { readonly input: CheckWorkflowInput };
export const CheckWorkflow: Operation<CheckWorkflowData, CheckWorkflowVariables> = { text: "mutation CheckWorkflow($input: CheckWorkflowInput!) { checkWorkflow(input: $input) { diagnostics { ...Finding } errors warnings } } fragment Finding on Diagnostic { severity code message line column fix }" };

export type PrepareReleaseData = { readonly prepareRelease: { readonly __typename: 'PreparedRelease'; readonly workflow: string; readonly version: number; readonly summary: { readonly title: string; readonly nodes: number; readonly destinations: readonly (string)[]; readonly secrets: readonly (string)[]; readonly connectors: readonly ({ readonly name: string; readonly version: string })[] }; readonly diagnostics: readonly ({ readonly severity: Severity; readonly code: string; readonly message: string; readonly line: number; readonly column: number; readonly fix: string | null })[] } | { readonly __typename: 'WorkflowProblem'; readonly diagnostics: readonly ({ readonly severity: Severity; readonly code: string; readonly message: string; readonly line: number; readonly column: number; readonly fix: string | null })[]; readonly message: string; readonly code: string } };
export type PrepareReleaseVariables = { readonly input: PrepareReleaseInput };
export const PrepareRelease: Operation<PrepareReleaseData, PrepareReleaseVariables> = { text: "mutation PrepareRelease($input: PrepareReleaseInput!) { prepareRelease(input: $input) { __typename ... on PreparedRelease { workflow version summary { title nodes destinations secrets connectors { name version } } diagnostics { ...Finding } } ... on WorkflowProblem { diagnostics { ...Finding } } ...Told } } fragment Finding on Diagnostic { severity code message line column fix } fragment Told on Problem { message code }" };

export type WaitingData = { readonly approvals: { readonly nodes: readonly ({ readonly id: string })[]; readonly pageInfo: { readonly hasNextPage: boolean } }; readonly hosts: readonly ({ readonly connected: boolean })[] };
export type WaitingVariables = Record<string, never>;
export const Waiting: Operation<WaitingData, WaitingVariables> = { text: "query Waiting { approvals(first: 100, state: PENDING) { nodes { id } pageInfo { hasNextPage } } hosts { connected } }" };

export type InboxData = { readonly waiting: { readonly nodes: readonly ({ readonly id: string; readonly run: string; readonly workflow: string; readonly step: string; readonly title: string; readonly approvers: readonly (string)[]; readonly state: ApprovalState; readonly requestedAtMs: number; readonly expiresAtMs: number | null; readonly decidedBy: string | null; readonly decidedAtMs: number | null; readonly quorum: number; readonly reminders: number | null; readonly answers: readonly ({ readonly by: string; readonly answersFor: string | null; readonly approved: boolean; readonly comment: string | null; readonly atMs: number; readonly form: Json | null; readonly signed: boolean })[] })[]; readonly pageInfo: { readonly hasNextPage: boolean } }; readonly newest: { readonly nodes: readonly ({ readonly id: string; readonly run: string; readonly workflow: string; readonly step: string; readonly title: string; readonly approvers: readonly (string)[]; readonly state: ApprovalState; readonly requestedAtMs: number; readonly expiresAtMs: number | null; readonly decidedBy: string | null; readonly decidedAtMs: number | null; readonly quorum: number; readonly reminders: number | null; readonly answers: readonly ({ readonly by: string; readonly answersFor: string | null; readonly approved: boolean; readonly comment: string | null; readonly atMs: number; readonly form: Json | null; readonly signed: boolean })[] })[] } };
export type InboxVariables = Record<string, never>;
export const Inbox: Operation<InboxData, InboxVariables> = { text: "query Inbox { waiting: approvals(first: 100, state: PENDING) { nodes { ...Question } pageInfo { hasNextPage } } newest: approvals(first: 100) { nodes { ...Question } } } fragment Question on Approval { id run workflow step title approvers state requestedAtMs expiresAtMs decidedBy decidedAtMs quorum reminders answers { by answersFor approved comment atMs form signed } }" };

export type OneQuestionData = { readonly approval: { readonly id: string; readonly run: string; readonly workflow: string; readonly step: string; readonly title: string; readonly approvers: readonly (string)[]; readonly state: ApprovalState; readonly requestedAtMs: number; readonly expiresAtMs: number | null; readonly decidedBy: string | null; readonly decidedAtMs: number | null; readonly quorum: number; readonly reminders: number | null; readonly answers: readonly ({ readonly by: string; readonly answersFor: string | null; readonly approved: boolean; readonly comment: string | null; readonly atMs: number; readonly form: Json | null; readonly signed: boolean })[]; readonly show: Json; readonly comment: string | null; readonly form: Json; readonly signers: readonly (string)[]; readonly onExpiry: ApprovalExpiry; readonly nextReminderAtMs: number | null } | null };
export type OneQuestionVariables = { readonly id: string };
export const OneQuestion: Operation<OneQuestionData, OneQuestionVariables> = { text: "query OneQuestion($id: String!) { approval(id: $id) { ...Question show comment form signers onExpiry nextReminderAtMs } } fragment Question on Approval { id run workflow step title approvers state requestedAtMs expiresAtMs decidedBy decidedAtMs quorum reminders answers { by answersFor approved comment atMs form signed } }" };

export type RunVersionData = { readonly run: { readonly version: number; readonly state: RunState } | null };
export type RunVersionVariables = { readonly id: string };
export const RunVersion: Operation<RunVersionData, RunVersionVariables> = { text: "query RunVersion($id: String!) { run(id: $id) { version state } }" };

export type SecretListData = { readonly secrets: readonly ({ readonly name: string; readonly kind: string; readonly destinations: readonly (string)[]; readonly version: number; readonly updatedAtMs: number })[] };
export type SecretListVariables = Record<string, never>;
export const SecretList: Operation<SecretListData, SecretListVariables> = { text: "query SecretList { secrets { name kind destinations version updatedAtMs } }" };

export type SetSecretData = { readonly setSecret: { readonly __typename: 'SetSecretSuccess'; readonly secret: { readonly name: string; readonly version: number } } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } };
export type SetSecretVariables = { readonly input: SetSecretInput };
export const SetSecret: Operation<SetSecretData, SetSecretVariables> = { text: "mutation SetSecret($input: SetSecretInput!) { setSecret(input: $input) { __typename ... on SetSecretSuccess { secret { name version } } ...Told ... on InputProblem { fields { path message } } } } fragment Told on Problem { message code }" };

export type DeleteSecretData = { readonly deleteSecret: { readonly __typename: 'DeleteSecretSuccess' } | { readonly __typename: 'SecretNotFoundProblem'; readonly message: string; readonly code: string } };
export type DeleteSecretVariables = { readonly input: DeleteSecretInput };
export const DeleteSecret: Operation<DeleteSecretData, DeleteSecretVariables> = { text: "mutation DeleteSecret($input: DeleteSecretInput!) { deleteSecret(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type HostListData = { readonly server: { readonly timeMs: number }; readonly hosts: readonly ({ readonly id: string; readonly name: string; readonly connected: boolean; readonly busy: boolean; readonly lastHeardMs: number | null; readonly registeredAtMs: number; readonly openRuns: number; readonly identityKey: string; readonly standing: HostStandingName; readonly standingReason: string | null; readonly certificate: { readonly generation: number; readonly expiresAtMs: number } | null })[] };
export type HostListVariables = Record<string, never>;
export const HostList: Operation<HostListData, HostListVariables> = { text: "query HostList { server { timeMs } hosts { id name connected busy lastHeardMs registeredAtMs openRuns identityKey standing standingReason certificate { generation expiresAtMs } } }" };

export type InviteHostData = { readonly inviteHost: { readonly __typename: 'InviteHostSuccess'; readonly token: string; readonly expiresAtMs: number; readonly server: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } | { readonly __typename: 'NoHostsLineProblem'; readonly message: string; readonly code: string } };
export type InviteHostVariables = { readonly input: InviteHostInput };
export const InviteHost: Operation<InviteHostData, InviteHostVariables> = { text: "mutation InviteHost($input: InviteHostInput!) { inviteHost(input: $input) { __typename ... on InviteHostSuccess { token expiresAtMs server } ...Told ... on InputProblem { fields { path message } } } } fragment Told on Problem { message code }" };

export type DecideHostData = { readonly decideHost: { readonly __typename: 'DecideHostSuccess' } | { readonly __typename: 'HostNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'HostStateProblem'; readonly message: string; readonly code: string } };
export type DecideHostVariables = { readonly input: DecideHostInput };
export const DecideHost: Operation<DecideHostData, DecideHostVariables> = { text: "mutation DecideHost($input: DecideHostInput!) { decideHost(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type ConnectorCardsData = { readonly connectors: { readonly nodes: readonly ({ readonly id: string; readonly name: string; readonly version: string; readonly title: string | null; readonly summary: string | null; readonly category: string | null; readonly license: string | null; readonly sizeBytes: number; readonly capabilities: readonly (string)[]; readonly yanked: { readonly reason: string } | null; readonly deprecated: { readonly reason: string } | null; readonly advisories: readonly ({ readonly id: string })[] })[]; readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null } } };
export type ConnectorCardsVariables = { readonly after?: string | null; readonly search?: string | null; readonly category?: string | null; readonly capability?: string | null; readonly publisher?: string | null };
export const ConnectorCards: Operation<ConnectorCardsData, ConnectorCardsVariables> = { text: "query ConnectorCards($after: String, $search: String, $category: String, $capability: String, $publisher: String) { connectors( first: 60 after: $after search: $search category: $category capability: $capability publisher: $publisher ) { nodes { ...ConnectorCard } pageInfo { hasNextPage endCursor } } } fragment ConnectorCard on Connector { id name version title summary category license sizeBytes capabilities yanked { reason } deprecated { reason } advisories { id } }" };

export type OneConnectorData = { readonly connector: { readonly id: string; readonly name: string; readonly version: string; readonly title: string | null; readonly summary: string | null; readonly category: string | null; readonly license: string | null; readonly sizeBytes: number; readonly capabilities: readonly (string)[]; readonly yanked: { readonly reason: string; readonly useInstead: string | null } | null; readonly deprecated: { readonly reason: string; readonly useInstead: string | null } | null; readonly advisories: readonly ({ readonly id: string; readonly summary: string; readonly severity: string; readonly fixedIn: string | null })[]; readonly digest: string; readonly publisherKey: string; readonly publishedAtMs: number; readonly interface: Json; readonly versions: readonly (string)[] } | null };
export type OneConnectorVariables = { readonly name: string; readonly version?: string | null };
export const OneConnector: Operation<OneConnectorData, OneConnectorVariables> = { text: "query OneConnector($name: String!, $version: String) { connector(name: $name, version: $version) { ...ConnectorCard digest publisherKey publishedAtMs interface versions yanked { reason useInstead } deprecated { reason useInstead } advisories { id summary severity fixedIn } } } fragment ConnectorCard on Connector { id name version title summary category license sizeBytes capabilities yanked { reason } deprecated { reason } advisories { id } }" };

export type TriggerListData = { readonly workflows: { readonly nodes: readonly ({ readonly name: string; readonly title: string; readonly version: number; readonly triggers: Json })[]; readonly pageInfo: { readonly hasNextPage: boolean } }; readonly secrets: readonly ({ readonly name: string })[]; readonly runs: { readonly nodes: readonly ({ readonly id: string; readonly workflow: string; readonly state: RunState; readonly createdAtMs: number; readonly trigger: Json })[] } };
export type TriggerListVariables = Record<string, never>;
export const TriggerList: Operation<TriggerListData, TriggerListVariables> = { text: "query TriggerList { workflows(first: 100) { nodes { name title version triggers } pageInfo { hasNextPage } } secrets { name } runs(first: 100) { nodes { id workflow state createdAtMs trigger } } }" };

export type DeliveryListData = { readonly webhookDeliveries: { readonly nodes: readonly ({ readonly id: string; readonly atMs: number; readonly path: string; readonly workflow: string; readonly mediaType: string | null; readonly bytes: number; readonly outcome: WebhookDeliveryOutcome | null; readonly code: string | null; readonly run: { readonly id: string; readonly state: RunState } | null; readonly signal: string | null; readonly replayOf: string | null; readonly askedBy: string | null; readonly replayable: boolean })[]; readonly pageInfo: { readonly hasNextPage: boolean } } };
export type DeliveryListVariables = Record<string, never>;
export const DeliveryList: Operation<DeliveryListData, DeliveryListVariables> = { text: "query DeliveryList { webhookDeliveries(first: 20) { nodes { id atMs path workflow mediaType bytes outcome code run { id state } signal replayOf askedBy replayable } pageInfo { hasNextPage } } }" };

export type ReplayDeliveryData = { readonly replayWebhookDelivery: { readonly __typename: 'ReplayWebhookDeliverySuccess' } | { readonly __typename: 'DeliveryNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'DeliveryStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RequestConflictProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'CapabilityProblem'; readonly message: string; readonly code: string } };
export type ReplayDeliveryVariables = { readonly input: ReplayWebhookDeliveryInput };
export const ReplayDelivery: Operation<ReplayDeliveryData, ReplayDeliveryVariables> = { text: "mutation ReplayDelivery($input: ReplayWebhookDeliveryInput!) { replayWebhookDelivery(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type SettingsData = { readonly server: { readonly version: string; readonly workspace: string; readonly dev: boolean; readonly startedAtMs: number; readonly timeMs: number }; readonly approverGroups: readonly ({ readonly name: string; readonly members: readonly (string)[] })[] };
export type SettingsVariables = Record<string, never>;
export const Settings: Operation<SettingsData, SettingsVariables> = { text: "query Settings { server { version workspace dev startedAtMs timeMs } approverGroups { name members } }" };

export type SetApproverGroupData = { readonly setApproverGroup: { readonly __typename: 'SetApproverGroupSuccess' } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } };
export type SetApproverGroupVariables = { readonly input: SetApproverGroupInput };
export const SetApproverGroup: Operation<SetApproverGroupData, SetApproverGroupVariables> = { text: "mutation SetApproverGroup($input: SetApproverGroupInput!) { setApproverGroup(input: $input) { __typename ...Told ... on InputProblem { fields { path message } } } } fragment Told on Problem { message code }" };

export type RunOutcomeData = { readonly run: { readonly id: string; readonly workflow: string; readonly state: RunState; readonly outcome: Json | null; readonly view: Json | null } | null };
export type RunOutcomeVariables = { readonly id: string };
export const RunOutcome: Operation<RunOutcomeData, RunOutcomeVariables> = { text: "query RunOutcome($id: String!) { run(id: $id) { id workflow state outcome view } }" };

export type DraftOfData = { readonly draft: { readonly workflow: string; readonly revision: number; readonly source: string; readonly layout: Json; readonly baseVersion: number | null; readonly savedAtMs: number; readonly savedBy: string } | null; readonly workflow: { readonly version: number; readonly versions: readonly ({ readonly version: number; readonly source: string | null })[] } | null };
export type DraftOfVariables = { readonly name: string };
export const DraftOf: Operation<DraftOfData, DraftOfVariables> = { text: "query DraftOf($name: String!) { draft(workflow: $name) { ...DraftWhole } workflow(name: $name) { version versions { version source } } } fragment DraftWhole on Draft { workflow revision source layout baseVersion savedAtMs savedBy }" };

export type DraftMarkData = { readonly draft: { readonly revision: number; readonly savedBy: string; readonly savedAtMs: number } | null };
export type DraftMarkVariables = { readonly name: string };
export const DraftMark: Operation<DraftMarkData, DraftMarkVariables> = { text: "query DraftMark($name: String!) { draft(workflow: $name) { revision savedBy savedAtMs } }" };

export type DraftsData = { readonly drafts: { readonly nodes: readonly ({ readonly workflow: string; readonly revision: number; readonly baseVersion: number | null; readonly savedAtMs: number; readonly savedBy: string })[] }; readonly workflows: { readonly nodes: readonly ({ readonly name: string })[] } };
export type DraftsVariables = Record<string, never>;
export const Drafts: Operation<DraftsData, DraftsVariables> = { text: "query Drafts { drafts(first: 100) { nodes { workflow revision baseVersion savedAtMs savedBy } } workflows(first: 100) { nodes { name } } }" };

export type SaveDraftData = { readonly saveDraft: { readonly __typename: 'SaveDraftSuccess'; readonly draft: { readonly revision: number; readonly baseVersion: number | null; readonly savedAtMs: number; readonly savedBy: string; readonly check: { readonly diagnostics: readonly ({ readonly severity: Severity; readonly code: string; readonly message: string; readonly line: number; readonly column: number; readonly fix: string | null })[] } } } | { readonly __typename: 'DraftConflictProblem'; readonly theirs: { readonly workflow: string; readonly revision: number; readonly source: string; readonly layout: Json; readonly baseVersion: number | null; readonly savedAtMs: number; readonly savedBy: string } | null; readonly message: string; readonly code: string } | { readonly __typename: 'WorkflowNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly fields: readonly ({ readonly path: string; readonly message: string })[]; readonly message: string; readonly code: string } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } };
export type SaveDraftVariables = { readonly input: SaveDraftInput };
export const SaveDraft: Operation<SaveDraftData, SaveDraftVariables> = { text: "mutation SaveDraft($input: SaveDraftInput!) { saveDraft(input: $input) { __typename ... on SaveDraftSuccess { draft { revision baseVersion savedAtMs savedBy check { diagnostics { ...Finding } } } } ... on DraftConflictProblem { theirs: draft { ...DraftWhole } } ... on InputProblem { fields { path message } } ...Told } } fragment Finding on Diagnostic { severity code message line column fix } fragment DraftWhole on Draft { workflow revision source layout baseVersion savedAtMs savedBy } fragment Told on Problem { message code }" };

export type DiscardDraftData = { readonly discardDraft: { readonly __typename: 'DiscardDraftSuccess' } | { readonly __typename: 'DraftNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'DraftConflictProblem'; readonly message: string; readonly code: string } };
export type DiscardDraftVariables = { readonly input: DiscardDraftInput };
export const DiscardDraft: Operation<DiscardDraftData, DiscardDraftVariables> = { text: "mutation DiscardDraft($input: DiscardDraftInput!) { discardDraft(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type PublishDraftData = { readonly publishDraft: { readonly __typename: 'PublishReleaseSuccess'; readonly workflow: { readonly name: string; readonly version: number } } | { readonly __typename: 'DraftNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'DraftConflictProblem'; readonly theirs: { readonly workflow: string; readonly revision: number; readonly source: string; readonly layout: Json; readonly baseVersion: number | null; readonly savedAtMs: number; readonly savedBy: string } | null; readonly message: string; readonly code: string } | { readonly __typename: 'SigningProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'WorkflowProblem'; readonly diagnostics: readonly ({ readonly severity: Severity; readonly code: string; readonly message: string; readonly line: number; readonly column: number; readonly fix: string | null })[]; readonly message: string; readonly code: string } | { readonly __typename: 'SignatureProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'ReleaseProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'VersionProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'ConnectorProblem'; readonly message: string; readonly code: string } };
export type PublishDraftVariables = { readonly input: PublishDraftInput };
export const PublishDraft: Operation<PublishDraftData, PublishDraftVariables> = { text: "mutation PublishDraft($input: PublishDraftInput!) { publishDraft(input: $input) { __typename ... on PublishReleaseSuccess { workflow { name version } } ... on WorkflowProblem { diagnostics { ...Finding } } ... on DraftConflictProblem { theirs: draft { ...DraftWhole } } ...Told } } fragment Finding on Diagnostic { severity code message line column fix } fragment DraftWhole on Draft { workflow revision source layout baseVersion savedAtMs savedBy } fragment Told on Problem { message code }" };

export type CompareTextsData = { readonly compareWorkflows: { readonly __typename: 'WorkflowComparison'; readonly same: boolean; readonly nodes: readonly ({ readonly node: string; readonly change: ChangeKind; readonly properties: readonly ({ readonly path: string; readonly before: Json | null; readonly after: Json | null; readonly hasBefore: boolean; readonly hasAfter: boolean })[] })[]; readonly settings: readonly ({ readonly path: string; readonly before: Json | null; readonly after: Json | null; readonly hasBefore: boolean; readonly hasAfter: boolean })[]; readonly hunks: readonly ({ readonly beforeLine: number; readonly afterLine: number; readonly lines: readonly ({ readonly kind: TextLineKind; readonly text: string })[] })[] } | { readonly __typename: 'WorkflowProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'WorkflowNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'DraftNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } };
export type CompareTextsVariables = { readonly before: WorkflowTextInput; readonly after: WorkflowTextInput };
export const CompareTexts: Operation<CompareTextsData, CompareTextsVariables> = { text: "query CompareTexts($before: WorkflowTextInput!, $after: WorkflowTextInput!) { compareWorkflows(before: $before, after: $after) { __typename ...Difference ...Told } } fragment Difference on WorkflowComparison { same nodes { node change properties { path before after hasBefore hasAfter } } settings { path before after hasBefore hasAfter } hunks { beforeLine afterLine lines { kind text } } } fragment Told on Problem { message code }" };

export type RestoreVersionData = { readonly restoreVersion: { readonly __typename: 'SaveDraftSuccess'; readonly draft: { readonly workflow: string; readonly revision: number } } | { readonly __typename: 'DraftConflictProblem'; readonly theirs: { readonly revision: number; readonly savedBy: string; readonly savedAtMs: number } | null; readonly message: string; readonly code: string } | { readonly __typename: 'WorkflowNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } };
export type RestoreVersionVariables = { readonly input: RestoreVersionInput };
export const RestoreVersion: Operation<RestoreVersionData, RestoreVersionVariables> = { text: "mutation RestoreVersion($input: RestoreVersionInput!) { restoreVersion(input: $input) { __typename ... on SaveDraftSuccess { draft { workflow revision } } ... on DraftConflictProblem { theirs: draft { revision savedBy savedAtMs } } ...Told } } fragment Told on Problem { message code }" };

export type WorkflowVersionsData = { readonly workflow: { readonly name: string; readonly title: string; readonly version: number; readonly versions: readonly ({ readonly version: number; readonly release: string; readonly signedBy: string | null; readonly publishedAtMs: number })[] } | null; readonly draft: { readonly workflow: string; readonly revision: number; readonly source: string; readonly layout: Json; readonly baseVersion: number | null; readonly savedAtMs: number; readonly savedBy: string } | null };
export type WorkflowVersionsVariables = { readonly name: string };
export const WorkflowVersions: Operation<WorkflowVersionsData, WorkflowVersionsVariables> = { text: "query WorkflowVersions($name: String!) { workflow(name: $name) { name title version versions { version release signedBy publishedAtMs } } draft(workflow: $name) { ...DraftWhole } } fragment DraftWhole on Draft { workflow revision source layout baseVersion savedAtMs savedBy }" };

export type PreviewData = { readonly previewExpression: { readonly value: Json | null; readonly cut: boolean; readonly bytes: number | null; readonly type: string | null; readonly fault: { readonly code: string; readonly message: string; readonly fix: string | null; readonly start: number; readonly end: number } | null; readonly completions: { readonly from: number; readonly to: number; readonly items: readonly ({ readonly label: string; readonly insert: string; readonly kind: CompletionKind; readonly type: string | null; readonly docs: string | null; readonly example: string | null })[] } | null } };
export type PreviewVariables = { readonly input: PreviewExpressionInput };
export const Preview: Operation<PreviewData, PreviewVariables> = { text: "query Preview($input: PreviewExpressionInput!) { previewExpression(input: $input) { value cut bytes type fault { code message fix start end } completions { from to items { label insert kind type docs example } } } }" };

export type InputOfData = { readonly workflowGraph: { readonly __typename: 'WorkflowGraph'; readonly inputSchema: Json } | { readonly __typename: 'WorkflowProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'WorkflowNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'DraftNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } };
export type InputOfVariables = { readonly of: WorkflowTextInput };
export const InputOf: Operation<InputOfData, InputOfVariables> = { text: "query InputOf($of: WorkflowTextInput!) { workflowGraph(of: $of) { __typename ... on WorkflowGraph { inputSchema } ...Told } } fragment Told on Problem { message code }" };

export type LastRunsData = { readonly drafts: { readonly nodes: readonly ({ readonly id: string })[] }; readonly published: { readonly nodes: readonly ({ readonly id: string })[] } };
export type LastRunsVariables = { readonly name: string };
export const LastRuns: Operation<LastRunsData, LastRunsVariables> = { text: "query LastRuns($name: String!) { drafts: runs(first: 1, workflow: $name, draft: true) { nodes { id } } published: runs(first: 1, workflow: $name) { nodes { id } } }" };

export type TryDraftData = { readonly tryDraft: { readonly __typename: 'StartRunSuccess'; readonly run: { readonly id: string } } | { readonly __typename: 'DraftNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'WorkflowProblem'; readonly diagnostics: readonly ({ readonly severity: Severity; readonly code: string; readonly message: string; readonly line: number; readonly column: number; readonly fix: string | null })[]; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly fields: readonly ({ readonly path: string; readonly message: string })[]; readonly message: string; readonly code: string } | { readonly __typename: 'SigningProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'SignatureProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'ReleaseProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'ConnectorProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'CapabilityProblem'; readonly message: string; readonly code: string } };
export type TryDraftVariables = { readonly input: TryDraftInput };
export const TryDraft: Operation<TryDraftData, TryDraftVariables> = { text: "mutation TryDraft($input: TryDraftInput!) { tryDraft(input: $input) { __typename ... on StartRunSuccess { run { id } } ... on InputProblem { fields { path message } } ... on WorkflowProblem { diagnostics { ...Finding } } ...Told } } fragment Finding on Diagnostic { severity code message line column fix } fragment Told on Problem { message code }" };

export type MemberListData = { readonly members: { readonly nodes: readonly ({ readonly id: string; readonly name: string; readonly roles: readonly (Role)[]; readonly sinceMs: number })[]; readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null } }; readonly roles: readonly ({ readonly role: Role; readonly permissions: readonly (Permission)[] })[] };
export type MemberListVariables = { readonly after?: string | null };
export const MemberList: Operation<MemberListData, MemberListVariables> = { text: "query MemberList($after: String) { members(first: 100, after: $after) { nodes { id name roles sinceMs } pageInfo { hasNextPage endCursor } } roles { role permissions } }" };

export type InvitationsData = { readonly invitations: readonly ({ readonly id: string; readonly kind: InvitationKind | null; readonly account: string | null; readonly roles: readonly (Role)[]; readonly madeBy: string; readonly expiresAtMs: number })[] };
export type InvitationsVariables = Record<string, never>;
export const Invitations: Operation<InvitationsData, InvitationsVariables> = { text: "query Invitations { invitations { id kind account roles madeBy expiresAtMs } }" };

export type InviteMemberData = { readonly inviteMember: { readonly __typename: 'InviteMemberSuccess'; readonly link: { readonly address: string; readonly expiresAtMs: number } } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } };
export type InviteMemberVariables = { readonly input: InviteMemberInput };
export const InviteMember: Operation<InviteMemberData, InviteMemberVariables> = { text: "mutation InviteMember($input: InviteMemberInput!) { inviteMember(input: $input) { __typename ... on InviteMemberSuccess { link { ...Link } } ...Told ... on InputProblem { fields { path message } } } } fragment Link on OneTimeLink { address expiresAtMs } fragment Told on Problem { message code }" };

export type ResetPasswordData = { readonly resetPassword: { readonly __typename: 'ResetPasswordSuccess'; readonly link: { readonly address: string; readonly expiresAtMs: number } } | { readonly __typename: 'MemberNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } };
export type ResetPasswordVariables = { readonly input: ResetPasswordInput };
export const ResetPassword: Operation<ResetPasswordData, ResetPasswordVariables> = { text: "mutation ResetPassword($input: ResetPasswordInput!) { resetPassword(input: $input) { __typename ... on ResetPasswordSuccess { link { ...Link } } ...Told } } fragment Link on OneTimeLink { address expiresAtMs } fragment Told on Problem { message code }" };

export type WithdrawInvitationData = { readonly withdrawInvitation: { readonly __typename: 'WithdrawInvitationSuccess' } | { readonly __typename: 'InvitationNotFoundProblem'; readonly message: string; readonly code: string } };
export type WithdrawInvitationVariables = { readonly input: WithdrawInvitationInput };
export const WithdrawInvitation: Operation<WithdrawInvitationData, WithdrawInvitationVariables> = { text: "mutation WithdrawInvitation($input: WithdrawInvitationInput!) { withdrawInvitation(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type SetMemberRolesData = { readonly setMemberRoles: { readonly __typename: 'SetMemberRolesSuccess' } | { readonly __typename: 'MemberNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'MemberStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } };
export type SetMemberRolesVariables = { readonly input: SetMemberRolesInput };
export const SetMemberRoles: Operation<SetMemberRolesData, SetMemberRolesVariables> = { text: "mutation SetMemberRoles($input: SetMemberRolesInput!) { setMemberRoles(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type RemoveMemberData = { readonly removeMember: { readonly __typename: 'RemoveMemberSuccess' } | { readonly __typename: 'MemberNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'MemberStateProblem'; readonly message: string; readonly code: string } };
export type RemoveMemberVariables = { readonly input: RemoveMemberInput };
export const RemoveMember: Operation<RemoveMemberData, RemoveMemberVariables> = { text: "mutation RemoveMember($input: RemoveMemberInput!) { removeMember(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type AuditListData = { readonly auditEvents: { readonly nodes: readonly ({ readonly atMs: number; readonly actorKind: string; readonly actor: string; readonly shownBy: string; readonly action: string; readonly objectKind: string; readonly object: string; readonly outcome: AuditOutcome | null; readonly detail: string | null; readonly request: string })[]; readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null } } };
export type AuditListVariables = { readonly first: number; readonly after?: string | null; readonly filter?: AuditEventFilter | null };
export const AuditList: Operation<AuditListData, AuditListVariables> = { text: "query AuditList($first: Int!, $after: String, $filter: AuditEventFilter) { auditEvents(first: $first, after: $after, filter: $filter) { nodes { atMs actorKind actor shownBy action objectKind object outcome detail request } pageInfo { hasNextPage endCursor } } }" };

export type OwnAccountData = { readonly viewer: { readonly sessions: readonly ({ readonly id: string; readonly agent: string; readonly beganAtMs: number; readonly usedAtMs: number; readonly current: boolean })[]; readonly apiTokens: readonly ({ readonly id: string; readonly name: string; readonly permissions: readonly (Permission)[]; readonly madeAtMs: number; readonly expiresAtMs: number; readonly usedAtMs: number | null })[] } };
export type OwnAccountVariables = Record<string, never>;
export const OwnAccount: Operation<OwnAccountData, OwnAccountVariables> = { text: "query OwnAccount { viewer { sessions { id agent beganAtMs usedAtMs current } apiTokens { id name permissions madeAtMs expiresAtMs usedAtMs } } }" };

export type ChangePasswordData = { readonly changePassword: { readonly __typename: 'ChangePasswordSuccess' } | { readonly __typename: 'PasswordProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } };
export type ChangePasswordVariables = { readonly input: ChangePasswordInput };
export const ChangePassword: Operation<ChangePasswordData, ChangePasswordVariables> = { text: "mutation ChangePassword($input: ChangePasswordInput!) { changePassword(input: $input) { __typename ...Told ... on InputProblem { fields { path message } } } } fragment Told on Problem { message code }" };

export type EndSessionData = { readonly endSession: { readonly __typename: 'EndSessionSuccess' } | { readonly __typename: 'SessionNotFoundProblem'; readonly message: string; readonly code: string } };
export type EndSessionVariables = { readonly input: EndSessionInput };
export const EndSession: Operation<EndSessionData, EndSessionVariables> = { text: "mutation EndSession($input: EndSessionInput!) { endSession(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type MakeApiTokenData = { readonly makeApiToken: { readonly __typename: 'MakeApiTokenSuccess'; readonly token: { readonly id: string; readonly name: string; readonly expiresAtMs: number }; readonly secret: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } };
export type MakeApiTokenVariables = { readonly input: MakeApiTokenInput };
export const MakeApiToken: Operation<MakeApiTokenData, MakeApiTokenVariables> = { text: "mutation MakeApiToken($input: MakeApiTokenInput!) { makeApiToken(input: $input) { __typename ... on MakeApiTokenSuccess { token { id name expiresAtMs } secret } ...Told ... on InputProblem { fields { path message } } } } fragment Told on Problem { message code }" };

export type RevokeApiTokenData = { readonly revokeApiToken: { readonly __typename: 'RevokeApiTokenSuccess' } | { readonly __typename: 'ApiTokenNotFoundProblem'; readonly message: string; readonly code: string } };
export type RevokeApiTokenVariables = { readonly input: RevokeApiTokenInput };
export const RevokeApiToken: Operation<RevokeApiTokenData, RevokeApiTokenVariables> = { text: "mutation RevokeApiToken($input: RevokeApiTokenInput!) { revokeApiToken(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };
