// earthquake-watch from an empty workspace to its end: nine nodes, a loop, a switch, an approval, a file, a secret, a webhook; built,
// published, run and approved. One script, played once by mouse and once by keyboard alone. Where the example calls connectors in
// TypeScript and Python, expressions stand: a test build takes minutes to compile those two before the first run.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { keyboard, mouse } from './hands.mjs';
import { runState, until } from './tools.mjs';

const QUAKES = [[6.4, 'Japan'], [2.1, 'Chile'], [4.5, 'Taiwan'], [5.2, 'Greece']];

/** The feed of earthquakes, and the channel that is told. */
async function world() {
  const told = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => { body += part; });
    request.on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' });
      if (request.method === 'POST') told.push({ text: JSON.parse(body).text, auth: request.headers.authorization });
      response.end(JSON.stringify(request.method === 'POST' ? { ok: true } : { features: QUAKES.map(([mag, place], index) => ({ properties: { mag, place, time: 1_764_000_000_000 + index } })) }));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { told, origin: `http://127.0.0.1:${server.address().port}`, close: () => { server.close(); server.closeAllConnections(); } };
}

const TOKEN = 'told-to-nobody-7';
let outside;

/** The secret first: its value goes in here and comes out nowhere. */
async function secret({ base }, hands) {
  outside = await world();
  const { page } = hands;
  await page.goto(base);
  await page.getByText('Nothing is published yet').waitFor();
  await hands.place('Secrets');
  await page.getByText('There is no secret yet').waitFor();
  await hands.press('New secret', false);
  await hands.write('name', 'chat_token');
  await hands.name('destinations', outside.origin);
  await hands.write('value', TOKEN);
  await hands.press('Keep it');
  await page.getByRole('cell', { name: /^chat_token/ }).waitFor();
}

/** What the workflow is, beside its nodes. */
async function frame(_, hands) {
  const { page } = hands;
  await hands.place('Workflows');
  await hands.link('New workflow');
  await page.locator('.start-card').first().waitFor();
  await hands.press(/^Blank/, false);
  await page.locator('f-flow').waitFor();
  await hands.workflow();
  await hands.write('name', 'earthquake-watch');
  await hands.write('title', 'Reports the week’s earthquakes; asks first when one reaches 6.0');
  await hands.press('Add a webhook');
  await hands.choose('who sent it', 'FlowForge');
  await hands.write('its key', 'hook_key');
  await hands.press('Add an input');
  await hands.write('Name of the input value', 'threshold');
  await hands.choose('Type of threshold', 'number');
  await hands.write('Usual value of threshold', '4.0');
  await hands.press('Add a value');
  await hands.write('Name of value value', 'feed');
  await hands.write('feed', outside.origin);
  await hands.name('secrets', 'chat_token');
}

async function first(_, hands) {
  const { page } = hands;
  await hands.add('http get');
  await hands.rename('fetch');
  await hands.write('url', '${config.feed}/week.geojson');
  await hands.press('Allow');
  await hands.add('edit fields');
  await hands.rename('quakes');
  await hands.write('Name of field value', 'chosen');
  await hands.write('chosen', '=fetch.body.features.filter(f, f.properties.mag >= input.threshold)');
  await page.locator('.problems-button', { hasText: 'No errors' }).waitFor();
}

async function loop(_, hands) {
  const { page } = hands;
  await hands.goTo('quakes');
  await hands.add('loop over');
  await hands.rename('labels');
  await hands.write('list', '=quakes.chosen');
  await hands.write('element is called', 'quake');
  await hands.write('at the same time', '8');
  await hands.goTo('step');
  await hands.rename('label');
  await hands.write('Name of field value', 'magnitude');
  await hands.write('magnitude', '=quake.properties.mag');
  await hands.press('Add a field');
  await hands.write('Name of field field', 'line');
  await hands.write('line', '="magnitude " + string(quake.properties.mag) + ", " + quake.properties.place');
  await hands.goTo('labels');
  await hands.add('edit fields');
  await hands.rename('stats');
  await hands.write('Name of field value', 'count');
  await hands.write('count', '=size(labels)');
  await hands.press('Add a field');
  await hands.write('Name of field field', 'max');
  await hands.write('max', '=math.greatest(labels.map(l, l.magnitude))');
  await page.locator('.problems-button', { hasText: 'No errors' }).waitFor();
}

async function ask(_, hands) {
  const { page } = hands;
  await hands.goTo('stats');
  await hands.add('if');
  await hands.write('Name of case yes', 'strong');
  await hands.write('strong', '=stats.max >= 6.0');
  await hands.write('Name of case no', 'quiet');
  await hands.goTo('gate');
  await hands.add('approval');
  await hands.write('question', '${stats.count} earthquakes, the strongest ${stats.max}. Send the report?');
  await hands.write('stands for', '72h');
  await hands.add('to_csv');
  await hands.rename('report');
  await hands.write('rows', '=labels');
  await hands.write('columns', '=["magnitude", "line"]');
  await hands.write('file_name', 'earthquakes.csv');
  await hands.tab('Behaviour');
  await hands.name('after', 'gate.quiet');
  await hands.goTo('report');
  await hands.add('http post');
  await hands.rename('notify');
  await hands.tab('Inputs');
  await hands.write('url', '${config.feed}/hooks/duty');
  await hands.give('json');
  await hands.write('json', '={"text": string(stats.count) + " earthquakes, strongest " + string(stats.max)}');
  await hands.press('Allow');
  await hands.press('Add a slot');
  await hands.write('Name of slot slot', 'auth');
  await hands.write('Secret for auth', 'chat_token');
  await hands.workflow();
  await hands.press('Add a result');
  await hands.write('Name of result result', 'strongest');
  await hands.write('strongest', '=stats.max');
  await page.locator('.problems-button', { hasText: 'No errors' }).waitFor();
}

async function live({ plane }, hands) {
  const { page } = hands;
  await hands.publish();
  const dialog = page.getByRole('dialog', { name: /^Publish earthquake-watch v1/ });
  await dialog.getByText('chat_token').first().waitFor();
  await hands.press('Sign and publish v1');
  await page.getByText('earthquake-watch v1 is live.').waitFor();
  await hands.run();
  await page.getByRole('dialog', { name: 'Run earthquake-watch' }).waitFor();
  await hands.press('Start the run');
  await page.waitForURL(/\/runs\/.+/);
  await page.getByRole('heading', { name: '3 earthquakes, the strongest 6.4. Send the report?' }).waitFor({ timeout: 90_000 });
  await hands.press('Approve', false);
  await runState(page, 'Done');
  await until('the channel is told once, with the secret', () => outside.told, (told) => told.length === 1);
  assert.deepEqual(outside.told, [{ text: '3 earthquakes, strongest 6.4', auth: `Bearer ${TOKEN}` }]);
  const shown = plane.show('last');
  assert.equal(shown.output.strongest, 6.4);
  outside.close();
}

const played = (by, with_) => [
  [`${by}: a secret is kept`, (on) => secret(on, with_(on.page))],
  [`${by}: what starts the workflow, what it asks for, and what is fixed`, (on) => frame(on, with_(on.page))],
  [`${by}: the feed is fetched, and a field is made of it`, (on) => first(on, with_(on.page))],
  [`${by}: a loop, a node in it, and what comes after all rounds`, (on) => loop(on, with_(on.page))],
  [`${by}: a switch, a question, a file, and a message with the secret`, (on) => ask(on, with_(on.page))],
  [`${by}: it is published, run, approved, and the world is told once`, (on) => live(on, with_(on.page))],
];

export const quake = played('mouse', mouse);
export const quakeByKeys = played('keyboard', keyboard);
