// Asks a real `flowforge dev` as public clients do: the audit suite of `graphql-http` must find no error and give no
// warning, and the client of `graphql-ws` must be able to ask, to follow and to be refused. What a builder calls runs here on
// a real host: drafts, by the API and by the command line. How long a preview takes is printed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ASKS, startPlane } from '../../control-plane/ui/e2e/plane.mjs';

const here = import.meta.dirname;
install();
const { serverAudits } = await import('graphql-http');
const { createClient } = await import('graphql-ws');
const { default: WebSocket } = await import('ws');

const plane = await startPlane();
try {
  await http(`${plane.base}/graphql`);
  await socket(`${plane.base.replace('http', 'ws')}/graphql/ws`);
  await drafts();
  await previews();
} finally {
  await plane.close();
}
console.log('✓ GraphQL over HTTP and WebSocket, drafts, previews');

/** Installs exactly what the lock file says, unless that is there already. */
function install() {
  const mark = path.join(here, 'node_modules/.installed-from');
  const lock = createHash('sha256').update(readFileSync(path.join(here, 'package-lock.json'))).digest('hex');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) return;
  const ended = spawnSync('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: here, stdio: ['ignore', 'inherit', 'inherit'] });
  if (ended.status !== 0) {
    console.error('✗ npm ci failed in tests/graphql');
    process.exit(1);
  }
  writeFileSync(mark, lock);
}

/** Every audit; what is optional there (`notice`) is printed and does not count. */
async function http(url) {
  const counts = {};
  const wrong = [];
  for (const audit of serverAudits({ url, fetchFn: fetch })) {
    const { status, reason } = await audit.fn();
    counts[status] = (counts[status] ?? 0) + 1;
    if (status === 'error' || status === 'warn') wrong.push(`${status} ${audit.id} ${audit.name}: ${reason}`);
  }
  console.log('graphql-http:', counts);
  assert.ok(counts.ok > 50, 'the suite has run');
  assert.deepEqual(wrong, []);
}

/** The protocol `graphql-transport-ws`, by its own client. */
async function socket(url) {
  plane.publish(ASKS);
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
  const ask = (query, variables) => client.iterate({ query, variables });
  for await (const answer of ask('{ server { dev } }')) assert.equal(answer.data.server.dev, true);

  const started = await post('mutation($input: StartRunInput!) { startRun(input: $input) { __typename ... on StartRunSuccess { run { id } } } }', { input: { workflow: 'asks' } });
  const { id } = started.data.startRun.run;
  let decided = false;
  let last;
  for await (const answer of ask('subscription($run: String!) { runEvents(run: $run) { ended run { state approvals { id state } } } }', { run: id })) {
    assert.equal(answer.errors, undefined);
    last = answer.data.runEvents;
    const asked = last.run.approvals.find((approval) => approval.state === 'PENDING');
    if (asked && !decided) {
      decided = true;
      await post('mutation($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename } }', { input: { id: asked.id, approved: true } });
    }
  }
  assert.deepEqual([last.ended, last.run.state], [true, 'DONE'], 'the stream ends with the run');

  const refusals = [['{ nothing }', 'unknown field'], ['mutation { deleteSecret(input: { name: "x" }) { __typename } }', 'a change']];
  for (const [query, what] of refusals) {
    await assert.rejects(async () => {
      for await (const answer of ask(query)) if (answer.errors) throw answer.errors;
    }, `${what} is refused`);
  }
  await client.dispose();
}

/** A draft runs as far as it is told, by the command line and by the API, and is no run of a version. */
async function drafts() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'ff-draft-'));
  try {
    writeFileSync(path.join(folder, 'workflow.yaml'), ASKS.replace('input.amount * 2', 'input.amount * 3'));
    const words = ['workflow', 'try', folder, '--to', 'twice', '--with', 'amount=7', '--wait', '--output', 'json'];
    const tried = JSON.parse(plane.call(...words));
    assert.deepEqual([tried.state, tried.version], ['DONE', 0]);
    const alone = JSON.parse(plane.call('workflow', 'try', folder, '--node', 'sent', '--pin', 'confirm={"approved": true}', '--pin', 'twice={"amount": 5}', '--wait', '--output', 'json'));
    assert.equal(alone.state, 'DONE');
    const found = plane.call('workflow', 'diff', 'asks@1', folder);
    assert.match(found, /~ node twice\n {2}~ set\.amount/);
    assert.match(found, /^\+ {5}set: \{ amount: "\$\{input\.amount \* 3\}" \}$/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
  const save = (input) => post('mutation($input: SaveDraftInput!) { saveDraft(input: $input) { __typename ... on SaveDraftSuccess { draft { revision } } } }', { input });
  const saved = (await save({ workflow: 'asks', source: ASKS.replace('input.amount * 2', 'input.amount * 4') })).data.saveDraft;
  assert.equal((await save({ workflow: 'asks', source: 'late' })).data.saveDraft.__typename, 'DraftConflictProblem');
  const tried = await post('mutation($input: TryDraftInput!) { tryDraft(input: $input) { __typename ... on StartRunSuccess { run { id draft } } } }', { input: { workflow: 'asks', to: 'twice', input: { amount: 1 } } });
  assert.equal(tried.data.tryDraft.run.draft, true, JSON.stringify(tried));
  const published = await post('mutation($input: PublishDraftInput!) { publishDraft(input: $input) { __typename ... on PublishReleaseSuccess { workflow { version } } } }', { input: { workflow: 'asks', revision: saved.draft.revision } });
  assert.equal(published.data.publishDraft.workflow.version, 2, JSON.stringify(published));
}

/** How long one look at an expression takes, from the call to its answer, in a workflow of 200 nodes. */
async function previews() {
  const nodes = Array.from({ length: 200 }, (_, n) => `  n${n}: { set: { rows: [{ id: ${n}, name: "n${n}" }] } }`).join('\n');
  const source = `workflow: large\nnodes:\n${nodes}\n`;
  const data = { n7: { rows: Array.from({ length: 100 }, (_, id) => ({ id, name: `row ${id}` })) } };
  const expression = 'n7.rows.filter(r, r.id > 3).map(r, r.na';
  const input = { expression, cursor: expression.length, source, node: 'n199', data };
  const whole = { ...input, expression: `${expression}me)`, cursor: undefined };
  const took = [];
  for (let n = 0; n < 40; n += 1) {
    const started = performance.now();
    const answer = await post('query($input: PreviewExpressionInput!) { previewExpression(input: $input) { value type fault { code } completions { items { label } } } }', { input: n % 2 ? input : whole });
    took.push(performance.now() - started);
    const seen = answer.data.previewExpression;
    if (n % 2) assert.equal(seen.completions.items[0].label, 'name');
    else assert.equal(seen.value.length, 96);
  }
  took.sort((a, b) => a - b);
  console.log(`preview: median ${took[20].toFixed(1)} ms, slowest ${took[39].toFixed(1)} ms, of 40`);
}

async function post(query, variables) {
  const answer = await fetch(`${plane.base}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables }) });
  return answer.json();
}
