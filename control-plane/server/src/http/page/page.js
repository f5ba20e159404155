// The page to try the API. It works by itself, without any other machine; once GraphiQL's files have come from
// unpkg.com, GraphiQL takes its place. The files are pinned: a browser refuses other bytes under these names.
'use strict';

const SOURCE = 'https://unpkg.com/';
const SCRIPTS = [
  ['react@18.3.1/umd/react.production.min.js', 'sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z'],
  ['react-dom@18.3.1/umd/react-dom.production.min.js', 'sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1'],
  ['graphiql@4.1.2/graphiql.min.js', 'sha384-9XdHu7ajgGJziD4J1zNBKQ842Q/+zZfDv+ib1eMhZWBH6hPAs806x+Jbcf0yNO6B'],
];
const STYLE = ['graphiql@4.1.2/graphiql.min.css', 'sha384-1el1QShFBnnXTx9x/Cprg82hZWKt0ry29OAYIXt05swbi0KcZDFoj0CWguMpopJr'];

const EXAMPLES = [
  ['Runs, newest first', '{\n  runs(first: 10) {\n    nodes { id workflow version state waitingFor createdAtMs endedAtMs host { name } }\n  }\n}'],
  ['One run: its table, result and receipt', 'query Run($id: String!) {\n  run(id: $id) {\n    id workflow version state view output failure\n    receipt { valid reason }\n  }\n}', '{ "id": "last" }'],
  ['What waits for an answer', '{\n  approvals(first: 10, state: PENDING) {\n    nodes { id run workflow title show approvers expiresAtMs }\n  }\n}'],
  ['Start a run', 'mutation Start($input: StartRunInput!) {\n  startRun(input: $input) {\n    __typename\n    ... on StartRunSuccess { run { id state } }\n    ... on Problem { message code }\n  }\n}', '{ "input": { "workflow": "earthquake-watch", "input": { "threshold": 4.0 } } }'],
  ['Connectors and workflows', '{\n  connectors(first: 50) { nodes { name version title } }\n  workflows(first: 50) { nodes { name version title triggers } }\n}'],
  ['Hosts', '{\n  hosts { id name connected busy lastHeardMs openRuns }\n}'],
];

const at = (id) => document.getElementById(id);
// Whether somebody works in the form: then nothing takes its place unasked.
let typed = false;

function showExample(number) {
  const [, query, variables] = EXAMPLES[number];
  at('query').value = query;
  at('variables').value = variables ?? '{}';
}

async function run() {
  typed = true;
  let variables;
  try {
    variables = JSON.parse(at('variables').value.trim() || '{}');
  } catch (error) {
    at('result').textContent = `The variables are not JSON: ${error.message}`;
    return;
  }
  at('run').disabled = true;
  const started = performance.now();
  try {
    const answer = await fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: at('query').value, variables }),
    });
    const text = await answer.text();
    at('took').textContent = `${answer.status}, ${Math.round(performance.now() - started)} ms`;
    try {
      at('result').textContent = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      at('result').textContent = text;
    }
  } catch (error) {
    at('result').textContent = `The control plane does not answer (${error.message}). Is it still running?`;
  } finally {
    at('run').disabled = false;
  }
}

function load(tag, attributes) {
  return new Promise((resolve, reject) => {
    const element = document.createElement(tag);
    Object.assign(element, { crossOrigin: 'anonymous', referrerPolicy: 'no-referrer', ...attributes });
    element.onload = resolve;
    element.onerror = reject;
    document.head.append(element);
  });
}

async function loadGraphiql() {
  const [style, styleHash] = STYLE;
  const waiting = [load('link', { rel: 'stylesheet', integrity: styleHash, href: SOURCE + style })];
  for (const [script, integrity] of SCRIPTS) {
    // Not `async`: they depend on each other in this order.
    waiting.push(load('script', { async: false, integrity, src: SOURCE + script }));
  }
  await Promise.all(waiting);
}

function showGraphiql() {
  const place = document.createElement('div');
  place.id = 'graphiql';
  const query = at('query').value;
  const variables = at('variables').value;
  document.body.replaceChildren(place);
  const socket = new URL('/graphql/ws', window.location.href);
  socket.protocol = 'ws:';
  const fetcher = GraphiQL.createFetcher({ url: '/graphql', subscriptionUrl: socket.toString() });
  const settings = { fetcher, defaultEditorToolsVisibility: true, query, variables };
  ReactDOM.createRoot(place).render(React.createElement(GraphiQL, settings));
}

function offerGraphiql() {
  if (!typed) {
    showGraphiql();
    return;
  }
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Continue in GraphiQL';
  button.addEventListener('click', showGraphiql);
  at('note').replaceChildren(button);
}

EXAMPLES.forEach(([title], number) => at('example').add(new Option(title, number)));
at('example').addEventListener('change', (event) => showExample(event.target.value));
at('run').addEventListener('click', run);
document.addEventListener('input', () => { typed = true; });
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && at('run')) run();
});
showExample(0);
at('note').textContent = 'GraphiQL is being loaded from unpkg.com; this form works meanwhile.';
loadGraphiql().then(offerGraphiql, () => {
  at('note').textContent =
    'GraphiQL needs files from unpkg.com, which this browser cannot load. This form does without: queries, mutations, schema.';
});
