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

/** `destinations`: where the value may be sent, `scheme://name[:port]`; at least one, except for the kinds `hmac-key` and `opaque`. */
export interface SetSecretInput {
  readonly name: string;
  readonly kind: string;
  readonly value: string;
  readonly destinations: readonly (string)[];
}

/** A secret to be forgotten. */
export interface DeleteSecretInput {
  readonly name: string;
}

/** A group to be made, or changed. */
export interface SetApproverGroupInput {
  readonly name: string;
  readonly members: readonly (string)[];
}

export type HomeData = { readonly server: { readonly version: string; readonly workspace: string; readonly dev: boolean }; readonly workflows: { readonly nodes: readonly ({ readonly name: string; readonly title: string; readonly version: number; readonly publishedAtMs: number })[]; readonly pageInfo: { readonly hasNextPage: boolean } }; readonly runs: { readonly nodes: readonly ({ readonly id: string; readonly workflow: string; readonly version: number; readonly state: RunState; readonly waitingFor: string | null; readonly createdAtMs: number; readonly endedAtMs: number | null; readonly trigger: Json; readonly host: { readonly name: string; readonly connected: boolean } | null; readonly lineage: { readonly generation: number; readonly predecessor: string | null; readonly parent: string | null } | null })[] }; readonly failed: { readonly nodes: readonly ({ readonly id: string; readonly workflow: string; readonly version: number; readonly state: RunState; readonly waitingFor: string | null; readonly createdAtMs: number; readonly endedAtMs: number | null; readonly trigger: Json; readonly host: { readonly name: string; readonly connected: boolean } | null; readonly lineage: { readonly generation: number; readonly predecessor: string | null; readonly parent: string | null } | null })[] }; readonly review: { readonly nodes: readonly ({ readonly id: string; readonly workflow: string; readonly version: number; readonly state: RunState; readonly waitingFor: string | null; readonly createdAtMs: number; readonly endedAtMs: number | null; readonly trigger: Json; readonly host: { readonly name: string; readonly connected: boolean } | null; readonly lineage: { readonly generation: number; readonly predecessor: string | null; readonly parent: string | null } | null })[] }; readonly approvals: { readonly nodes: readonly ({ readonly id: string; readonly run: string; readonly workflow: string; readonly title: string })[] }; readonly hosts: readonly ({ readonly name: string; readonly connected: boolean })[] };
export type HomeVariables = Record<string, never>;
export const Home: Operation<HomeData, HomeVariables> = { text: "query Home { server { version workspace dev } workflows(first: 100) { nodes { name title version publishedAtMs } pageInfo { hasNextPage } } runs(first: 100) { nodes { ...RunRow } } failed: runs(first: 5, state: FAILED) { nodes { ...RunRow } } review: runs(first: 5, state: NEEDS_REVIEW) { nodes { ...RunRow } } approvals(first: 20, state: PENDING) { nodes { id run workflow title } } hosts { name connected } } fragment RunRow on Run { id workflow version state waitingFor createdAtMs endedAtMs trigger host { name connected } lineage { generation predecessor parent } }" };

export type RunsData = { readonly runs: { readonly nodes: readonly ({ readonly id: string; readonly workflow: string; readonly version: number; readonly state: RunState; readonly waitingFor: string | null; readonly createdAtMs: number; readonly endedAtMs: number | null; readonly trigger: Json; readonly host: { readonly name: string; readonly connected: boolean } | null; readonly lineage: { readonly generation: number; readonly predecessor: string | null; readonly parent: string | null } | null })[]; readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null } } };
export type RunsVariables = { readonly first: number; readonly after?: string | null; readonly workflow?: string | null; readonly state?: RunState | null };
export const Runs: Operation<RunsData, RunsVariables> = { text: "query Runs($first: Int!, $after: String, $workflow: String, $state: RunState) { runs(first: $first, after: $after, workflow: $workflow, state: $state) { nodes { ...RunRow } pageInfo { hasNextPage endCursor } } } fragment RunRow on Run { id workflow version state waitingFor createdAtMs endedAtMs trigger host { name connected } lineage { generation predecessor parent } }" };

export type WorkflowNamesData = { readonly workflows: { readonly nodes: readonly ({ readonly name: string })[] } };
export type WorkflowNamesVariables = Record<string, never>;
export const WorkflowNames: Operation<WorkflowNamesData, WorkflowNamesVariables> = { text: "query WorkflowNames { workflows(first: 100) { nodes { name } } }" };

export type RunDetailData = { readonly run: { readonly id: string; readonly workflow: string; readonly version: number; readonly state: RunState; readonly waitingFor: string | null; readonly createdAtMs: number; readonly endedAtMs: number | null; readonly trigger: Json; readonly host: { readonly name: string; readonly connected: boolean } | null; readonly lineage: { readonly generation: number; readonly predecessor: string | null; readonly parent: string | null } | null; readonly pausedBy: string | null; readonly records: number; readonly progress: readonly ({ readonly step: string; readonly attempt: number; readonly percent: number | null; readonly message: string | null; readonly atMs: number })[]; readonly input: Json; readonly output: Json | null; readonly failure: Json | null; readonly outcome: Json | null; readonly view: Json | null; readonly release: string; readonly waits: readonly ({ readonly step: string; readonly kind: WaitKind; readonly what: string; readonly signal: string | null; readonly correlation: string | null; readonly run: string | null; readonly sinceMs: number; readonly dueMs: number | null })[]; readonly approvals: readonly ({ readonly id: string; readonly step: string; readonly title: string; readonly show: Json; readonly approvers: readonly (string)[]; readonly state: ApprovalState; readonly requestedAtMs: number; readonly expiresAtMs: number | null; readonly decidedBy: string | null; readonly comment: string | null; readonly decidedAtMs: number | null })[]; readonly children: readonly ({ readonly id: string; readonly workflow: string; readonly state: RunState })[]; readonly retries: readonly ({ readonly id: string; readonly state: RunState })[]; readonly receipt: { readonly valid: boolean; readonly reason: string | null } | null } | null };
export type RunDetailVariables = { readonly id: string };
export const RunDetail: Operation<RunDetailData, RunDetailVariables> = { text: "query RunDetail($id: String!) { run(id: $id) { ...RunWhole } } fragment RunWhole on Run { ...RunRow pausedBy records progress { step attempt percent message atMs } input output failure outcome view release waits { step kind what signal correlation run sinceMs dueMs } approvals { id step title show approvers state requestedAtMs expiresAtMs decidedBy comment decidedAtMs } children { id workflow state } retries { id state } receipt { valid reason } } fragment RunRow on Run { id workflow version state waitingFor createdAtMs endedAtMs trigger host { name connected } lineage { generation predecessor parent } }" };

export type RunRecordsData = { readonly run: { readonly evidence: { readonly lines: string; readonly nextSeq: number | null } | null } | null };
export type RunRecordsVariables = { readonly id: string; readonly from: number };
export const RunRecords: Operation<RunRecordsData, RunRecordsVariables> = { text: "query RunRecords($id: String!, $from: Long!) { run(id: $id) { evidence(fromSeq: $from) { lines nextSeq } } }" };

export type RunEvidenceData = { readonly run: { readonly id: string; readonly workflow: string; readonly version: number; readonly evidence: { readonly release: string; readonly grants: string; readonly receipt: string | null; readonly lines: string; readonly nextSeq: number | null } | null } | null };
export type RunEvidenceVariables = { readonly id: string; readonly from: number };
export const RunEvidence: Operation<RunEvidenceData, RunEvidenceVariables> = { text: "query RunEvidence($id: String!, $from: Long!) { run(id: $id) { id workflow version evidence(fromSeq: $from) { release grants receipt lines nextSeq } } }" };

export type RunLogsData = { readonly run: { readonly logs: { readonly nodes: readonly ({ readonly atMs: number; readonly step: string; readonly attempt: number; readonly level: string; readonly message: string })[]; readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null } } } | null };
export type RunLogsVariables = { readonly id: string; readonly first: number; readonly after?: string | null };
export const RunLogs: Operation<RunLogsData, RunLogsVariables> = { text: "query RunLogs($id: String!, $first: Int!, $after: String) { run(id: $id) { logs(first: $first, after: $after) { nodes { atMs step attempt level message } pageInfo { hasNextPage endCursor } } } }" };

export type RunMovesData = { readonly runEvents: { readonly ended: boolean; readonly run: { readonly id: string; readonly state: RunState; readonly records: number } } };
export type RunMovesVariables = { readonly run: string };
export const RunMoves: Operation<RunMovesData, RunMovesVariables> = { text: "subscription RunMoves($run: String!) { runEvents(run: $run) { ended run { id state records } } }" };

export type WorkflowTextData = { readonly workflow: { readonly name: string; readonly title: string; readonly version: number; readonly inputSchema: Json; readonly versions: readonly ({ readonly version: number; readonly source: string | null })[] } | null };
export type WorkflowTextVariables = { readonly name: string };
export const WorkflowText: Operation<WorkflowTextData, WorkflowTextVariables> = { text: "query WorkflowText($name: String!) { workflow(name: $name) { name title version inputSchema versions { version source } } }" };

export type ConnectorListData = { readonly connectors: { readonly nodes: readonly ({ readonly name: string; readonly version: string; readonly interface: Json })[]; readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null } } };
export type ConnectorListVariables = { readonly after?: string | null };
export const ConnectorList: Operation<ConnectorListData, ConnectorListVariables> = { text: "query ConnectorList($after: String) { connectors(first: 100, after: $after) { nodes { name version interface } pageInfo { hasNextPage endCursor } } }" };

export type PlanOfRetryData = { readonly retryPlan: { readonly __typename: 'RetryPlan'; readonly run: string; readonly version: number; readonly generation: number; readonly reused: readonly (string)[]; readonly runsAgain: readonly (string)[]; readonly changed: readonly (string)[]; readonly repeated: readonly ({ readonly step: string; readonly times: number; readonly key: string; readonly used: readonly ({ readonly destination: string; readonly secret: string | null; readonly count: number })[] })[]; readonly digest: string } | { readonly __typename: 'RunNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RunStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } };
export type PlanOfRetryVariables = { readonly id: string; readonly from: string; readonly newest: boolean };
export const PlanOfRetry: Operation<PlanOfRetryData, PlanOfRetryVariables> = { text: "query PlanOfRetry($id: String!, $from: String!, $newest: Boolean!) { retryPlan(id: $id, from: $from, newest: $newest) { __typename ... on RetryPlan { run version generation reused runsAgain changed repeated { step times key used { destination secret count } } digest } ...Told } } fragment Told on Problem { message code }" };

export type StartRunData = { readonly startRun: { readonly __typename: 'StartRunSuccess'; readonly run: { readonly id: string } } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } | { readonly __typename: 'WorkflowNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RequestConflictProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } };
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

export type DecideApprovalData = { readonly decideApproval: { readonly __typename: 'DecideApprovalSuccess' } | { readonly __typename: 'ApprovalNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'NotAskedProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'ApprovalStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } };
export type DecideApprovalVariables = { readonly input: DecideApprovalInput };
export const DecideApproval: Operation<DecideApprovalData, DecideApprovalVariables> = { text: "mutation DecideApproval($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename ...Told } } fragment Told on Problem { message code }" };

export type ReviewStepData = { readonly reviewStep: { readonly __typename: 'ReviewStepSuccess' } | { readonly __typename: 'RunNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RunStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } };
export type ReviewStepVariables = { readonly input: ReviewStepInput };
export const ReviewStep: Operation<ReviewStepData, ReviewStepVariables> = { text: "mutation ReviewStep($input: ReviewStepInput!) { reviewStep(input: $input) { __typename ...Told ... on InputProblem { fields { path message } } } } fragment Told on Problem { message code }" };

export type RetryRunData = { readonly retryRun: { readonly __typename: 'StartRunSuccess'; readonly run: { readonly id: string } } | { readonly __typename: 'RunNotFoundProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RunStateProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'PlanChangedProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'RequestConflictProblem'; readonly message: string; readonly code: string } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } };
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

export type InboxData = { readonly waiting: { readonly nodes: readonly ({ readonly id: string; readonly run: string; readonly workflow: string; readonly step: string; readonly title: string; readonly approvers: readonly (string)[]; readonly state: ApprovalState; readonly requestedAtMs: number; readonly expiresAtMs: number | null; readonly decidedBy: string | null; readonly decidedAtMs: number | null })[]; readonly pageInfo: { readonly hasNextPage: boolean } }; readonly newest: { readonly nodes: readonly ({ readonly id: string; readonly run: string; readonly workflow: string; readonly step: string; readonly title: string; readonly approvers: readonly (string)[]; readonly state: ApprovalState; readonly requestedAtMs: number; readonly expiresAtMs: number | null; readonly decidedBy: string | null; readonly decidedAtMs: number | null })[] } };
export type InboxVariables = Record<string, never>;
export const Inbox: Operation<InboxData, InboxVariables> = { text: "query Inbox { waiting: approvals(first: 100, state: PENDING) { nodes { ...Question } pageInfo { hasNextPage } } newest: approvals(first: 100) { nodes { ...Question } } } fragment Question on Approval { id run workflow step title approvers state requestedAtMs expiresAtMs decidedBy decidedAtMs }" };

export type OneQuestionData = { readonly approval: { readonly id: string; readonly run: string; readonly workflow: string; readonly step: string; readonly title: string; readonly approvers: readonly (string)[]; readonly state: ApprovalState; readonly requestedAtMs: number; readonly expiresAtMs: number | null; readonly decidedBy: string | null; readonly decidedAtMs: number | null; readonly show: Json; readonly comment: string | null } | null };
export type OneQuestionVariables = { readonly id: string };
export const OneQuestion: Operation<OneQuestionData, OneQuestionVariables> = { text: "query OneQuestion($id: String!) { approval(id: $id) { ...Question show comment } } fragment Question on Approval { id run workflow step title approvers state requestedAtMs expiresAtMs decidedBy decidedAtMs }" };

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

export type HostListData = { readonly server: { readonly timeMs: number }; readonly hosts: readonly ({ readonly id: string; readonly name: string; readonly connected: boolean; readonly busy: boolean; readonly lastHeardMs: number | null; readonly registeredAtMs: number; readonly openRuns: number; readonly identityKey: string })[] };
export type HostListVariables = Record<string, never>;
export const HostList: Operation<HostListData, HostListVariables> = { text: "query HostList { server { timeMs } hosts { id name connected busy lastHeardMs registeredAtMs openRuns identityKey } }" };

export type TriggerListData = { readonly workflows: { readonly nodes: readonly ({ readonly name: string; readonly title: string; readonly version: number; readonly triggers: Json })[]; readonly pageInfo: { readonly hasNextPage: boolean } }; readonly secrets: readonly ({ readonly name: string })[]; readonly runs: { readonly nodes: readonly ({ readonly id: string; readonly workflow: string; readonly state: RunState; readonly createdAtMs: number; readonly trigger: Json })[] } };
export type TriggerListVariables = Record<string, never>;
export const TriggerList: Operation<TriggerListData, TriggerListVariables> = { text: "query TriggerList { workflows(first: 100) { nodes { name title version triggers } pageInfo { hasNextPage } } secrets { name } runs(first: 100) { nodes { id workflow state createdAtMs trigger } } }" };

export type SettingsData = { readonly server: { readonly version: string; readonly workspace: string; readonly dev: boolean; readonly startedAtMs: number; readonly timeMs: number }; readonly approverGroups: readonly ({ readonly name: string; readonly members: readonly (string)[] })[] };
export type SettingsVariables = Record<string, never>;
export const Settings: Operation<SettingsData, SettingsVariables> = { text: "query Settings { server { version workspace dev startedAtMs timeMs } approverGroups { name members } }" };

export type SetApproverGroupData = { readonly setApproverGroup: { readonly __typename: 'SetApproverGroupSuccess' } | { readonly __typename: 'InputProblem'; readonly message: string; readonly code: string; readonly fields: readonly ({ readonly path: string; readonly message: string })[] } | { readonly __typename: 'BusyProblem'; readonly message: string; readonly code: string } };
export type SetApproverGroupVariables = { readonly input: SetApproverGroupInput };
export const SetApproverGroup: Operation<SetApproverGroupData, SetApproverGroupVariables> = { text: "mutation SetApproverGroup($input: SetApproverGroupInput!) { setApproverGroup(input: $input) { __typename ...Told ... on InputProblem { fields { path message } } } } fragment Told on Problem { message code }" };

export type RunOutcomeData = { readonly run: { readonly id: string; readonly workflow: string; readonly state: RunState; readonly outcome: Json | null; readonly view: Json | null } | null };
export type RunOutcomeVariables = { readonly id: string };
export const RunOutcome: Operation<RunOutcomeData, RunOutcomeVariables> = { text: "query RunOutcome($id: String!) { run(id: $id) { id workflow state outcome view } }" };
