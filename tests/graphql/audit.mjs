// Asks a real `flowforge dev` as public clients do: the audit suite of `graphql-http` must find no error and give no
// warning, and the client of `graphql-ws` must be able to ask, to follow and to be refused.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
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
} finally {
  await plane.close();
}
console.log('✓ GraphQL over HTTP and WebSocket');

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

async function post(query, variables) {
  const answer = await fetch(`${plane.base}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables }) });
  return answer.json();
}
