import { describe, expect, it } from 'vitest';

import { apply, openDocument } from '../document/document';
import { type Model, modelOf } from '../document/model';
import { EMPTY_LAYOUT } from '../layout/layout';
import { earthquakeWatch, exampleTexts } from '../testing/workflow-texts';
import { place } from '../text/lines';
import { EditRefused } from '../yaml/edit';
import { copyNodes, duplicateNodes, pasteNodes } from './clipboard';
import { type Operation, addNode, connect, disconnect, removeNodes, renameNode, renameProperty, setProperty, toggleDisabled } from './operations';
import { problemsOf } from './problems';

const model = (text: string): Model => modelOf(text, EMPTY_LAYOUT);

/** The lines that an operation takes away and adds, as `-line` and `+line`. */
function changed(text: string, make: (model: Model) => Operation): string[] {
  const after = apply(openDocument(text), make(model(text))).text.split('\n');
  const before = text.split('\n');
  let head = 0;
  while (head < before.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  return [...before.slice(head, before.length - tail).map((line) => `-${line}`), ...after.slice(head, after.length - tail).map((line) => `+${line}`)];
}

describe('the graph of earthquake-watch', () => {
  const { graph, source } = model(earthquakeWatch());

  it('has its nodes, with the loop around the node inside', () => {
    expect(graph.nodes.map((node) => [node.id, node.kind?.key, node.parent])).toEqual([
      ['fetch', 'call', null], ['quakes', 'set', null], ['labels', 'foreach', null], ['label', 'call', 'labels'], ['stats', 'call', null],
      ['gate', 'switch', null], ['confirm', 'approval', null], ['report', 'call', null], ['notify', 'call', null],
    ]);
    expect(graph.byId.get('gate')?.outcomes).toEqual(['strong', 'quiet']);
    expect(graph.byId.get('fetch')?.destinations).toEqual(['https://earthquake.usgs.gov']);
    expect(graph.byId.get('notify')?.secrets).toEqual(['chat_token']);
  });

  it('draws what nothing else implies, and knows the rest', () => {
    const drawn = graph.edges.filter((edge) => !edge.implied).map((edge) => edge.id);
    expect(drawn).toEqual([
      'fetch→quakes', 'quakes→labels', 'labels→stats', 'stats→gate', 'gate.strong→confirm', 'confirm→report', 'gate.quiet→report', 'report→notify', '@start→fetch', 'notify→@output',
    ]);
    expect(graph.edges.filter((edge) => edge.implied).map((edge) => edge.id)).toContain('labels→report');
  });

  it('is right, as every example is', () => {
    expect(problemsOf(source, graph)).toEqual([]);
    for (const text of exampleTexts()) expect(problemsOf(model(text).source, model(text).graph)).toEqual([]);
  });
});

describe('operations', () => {
  const text = earthquakeWatch();

  it('rename a node wherever it is named, and nothing that only looks like it', () => {
    expect(changed(text, (m) => renameNode(m, 'labels', 'lines'))).toEqual([
      '-  labels:                                # its output is the list of results, in order', '-    foreach: quakes.chosen', '-    as: quake', '-    parallel: 8', '-    do:', '-      label:',
      '-        call: demo:quake-text/label      # TypeScript',
      '-        with: { magnitude: "${quake.properties.mag}", place: "${quake.properties.place}", time: "${quake.properties.time}" }',
      '-  stats:', '-    call: demo:statistics/summarise      # Python', '-    with: { values: "${labels.map(l, l.magnitude)}" }', '-  gate:', '-    switch:', '-      strong: stats.max >= 6.0           # first true case wins', '-      quiet: else', '-  confirm:', '-    after: gate.strong', '-    approval:',
      '-      title: "${stats.count} earthquakes, the strongest ${stats.max}. Send the report?"', '-      show: ${labels.filter(l, l.magnitude >= 6.0)}', '-      approvers: [duty]', '-      expires: 72h                       # then the run ends as expired', '-  report:', '-    after: [confirm, gate.quiet]         # whichever happens', '-    call: flowforge:convert/to_csv       # Rust', '-    with: { rows: "${labels}", columns: [magnitude, strength, line], file_name: earthquakes.csv }',
    ].flatMap((line) => [line]).concat([
      '+  lines:                                # its output is the list of results, in order', '+    foreach: quakes.chosen', '+    as: quake', '+    parallel: 8', '+    do:', '+      label:',
      '+        call: demo:quake-text/label      # TypeScript',
      '+        with: { magnitude: "${quake.properties.mag}", place: "${quake.properties.place}", time: "${quake.properties.time}" }',
      '+  stats:', '+    call: demo:statistics/summarise      # Python', '+    with: { values: "${lines.map(l, l.magnitude)}" }', '+  gate:', '+    switch:', '+      strong: stats.max >= 6.0           # first true case wins', '+      quiet: else', '+  confirm:', '+    after: gate.strong', '+    approval:',
      '+      title: "${stats.count} earthquakes, the strongest ${stats.max}. Send the report?"', '+      show: ${lines.filter(l, l.magnitude >= 6.0)}', '+      approvers: [duty]', '+      expires: 72h                       # then the run ends as expired', '+  report:', '+    after: [confirm, gate.quiet]         # whichever happens', '+    call: flowforge:convert/to_csv       # Rust', '+    with: { rows: "${lines}", columns: [magnitude, strength, line], file_name: earthquakes.csv }',
    ]));
    expect(() => renameNode(model(text), 'labels', 'stats')).toThrow(EditRefused);
    expect(() => renameNode(model(text), 'labels', 'item')).toThrow('a name of its own');
  });

  it('set a property in the style it is written in, and keep the comment behind it', () => {
    expect(changed(text, (m) => setProperty(m, 'confirm', ['approval', 'expires'], '24h'))).toEqual([
      '-      expires: 72h                       # then the run ends as expired', '+      expires: 24h                       # then the run ends as expired',
    ]);
    expect(changed(text, (m) => setProperty(m, 'stats', ['with', 'values'], '${labels}'))).toEqual(['-    with: { values: "${labels.map(l, l.magnitude)}" }', '+    with: { values: "${labels}" }']);
    expect(changed(text, (m) => setProperty(m, 'fetch', ['retry', 'attempts'], 3))).toEqual(['+    retry:', '+      attempts: 3']);
    expect(changed(text, (m) => setProperty(m, 'label', ['with', 'place'], undefined))).toEqual([
      '-        with: { magnitude: "${quake.properties.mag}", place: "${quake.properties.place}", time: "${quake.properties.time}" }', '+        with: { magnitude: "${quake.properties.mag}", time: "${quake.properties.time}" }',
    ]);
    expect(changed(text, (m) => setProperty(m, 'confirm', ['approval', 'title'], 'a: b'))).toEqual(['-      title: "${stats.count} earthquakes, the strongest ${stats.max}. Send the report?"', '+      title: "a: b"']);
  });

  it('connect and disconnect through `after`, and refuse circles', () => {
    expect(changed(text, (m) => connect(m, 'gate', 'quiet', 'notify'))).toEqual(['+    after: gate.quiet']);
    expect(changed(text, (m) => connect(m, 'fetch', '', 'confirm'))).toEqual(['-    after: gate.strong', '+    after: [gate.strong, fetch]']);
    expect(() => connect(model(text), 'notify', '', 'fetch')).toThrow('circle');
    expect(() => connect(model(text), 'fetch', '', 'label')).toThrow('beside');
    const edge = model(text).graph.edges.find((candidate) => candidate.id === 'gate.quiet→report');
    if (!edge) throw new Error('the edge is not there');
    expect(changed(text, (m) => disconnect(m, edge))).toEqual(['-    after: [confirm, gate.quiet]         # whichever happens', '+    after: [confirm]         # whichever happens']);
  });

  it('say why a connection cannot be taken away that an expression makes', () => {
    const { graph } = model(text);
    const edge = graph.edges.find((candidate) => candidate.id === 'fetch→quakes');
    if (!edge) throw new Error('the edge is not there');
    expect(() => disconnect(model(text), edge)).toThrow('names fetch inside an expression');
  });

  it('remove a node with its lines and the `after` that names it', () => {
    const after = apply(openDocument(text), removeNodes(model(text), ['confirm'])).text;
    expect(after).not.toContain('confirm');
    expect(after).toContain('after: [gate.quiet]         # whichever happens');
    expect(after).toContain('# first true case wins');
  });

  it('disable, duplicate and add', () => {
    expect(changed(text, (m) => toggleDisabled(m, ['fetch']))).toEqual(['+    disabled: true']);
    expect(changed(text, (m) => duplicateNodes(m, ['quakes']))).toEqual(['+  quakes_2:', '+    set:', '+      chosen: ${fetch.body.features.filter(f, f.properties.mag >= input.threshold)}']);
    expect(changed(text, (m) => addNode(m, { wait: { for: '5m' } }, { name: 'Take a rest', after: { node: 'notify', outcome: '' } }))).toEqual(['+  take_a_rest:', '+    after: notify', '+    wait:', '+      for: 5m']);
    expect(apply(openDocument(''), addNode(model(''), { wait: { for: '5m' } }, { name: 'rest' })).text).toBe('workflow: new-workflow\nnodes:\n  rest:\n    wait:\n      for: 5m\n');
  });

  it('rename an outcome with the `after` entries that name it', () => {
    const after = apply(openDocument(text), renameProperty(model(text), 'gate', ['switch', 'quiet'], 'weak')).text;
    expect(after).toContain('weak: else');
    expect(after).toContain('after: [confirm, gate.weak]');
  });
});

describe('copy and paste', () => {
  const text = earthquakeWatch();

  it('copy the text that the file has, comments too, and paste it as one step', () => {
    const copied = copyNodes(model(text), ['labels', 'label', 'stats']);
    expect(copied).toBe(text.slice(text.indexOf('  labels:'), text.indexOf('  gate:')).replace(/^ {2}/gm, ''));
    const document = apply(openDocument(text), pasteNodes(model(text), copied));
    expect(document.done).toHaveLength(1);
    expect(document.text).toContain('labels_2:                                # its output is the list of results, in order');
    expect(document.text).toContain('label_2:');
    expect(document.text).toContain('with: { values: "${labels_2.map(l, l.magnitude)}" }');
    expect(problemsOf(model(document.text).source, model(document.text).graph)).toEqual([]);
  });

  it('take a whole workflow, a mapping of nodes or nothing', () => {
    expect(pasteNodes(model(text), text).label).toBe('Paste 9 nodes');
    expect(() => pasteNodes(model(text), 'hello')).toThrow('has no nodes');
    expect(() => pasteNodes(model(text), 'a: [')).toThrow('not YAML');
  });
});

describe('problems', () => {
  const find = (text: string): string[] => {
    const { source, graph } = model(text);
    return problemsOf(source, graph).map((problem) => {
      const at = place(text, problem.from);
      return `${String(at.line)}:${String(at.column)} ${problem.code} ${problem.node ?? '-'} ${problem.message}${problem.mend ? ` (${problem.mend})` : ''}`;
    });
  };

  it('name the character, in the middle of a text with escapes too', () => {
    expect(find('workflow: a\nnodes:\n  one:\n    set: { x: "say \\"hi\\" ${ne + 1}" }\n  two:\n    set:\n      y: ${one.x +}\n')).toEqual([
      '4:29 FF-WF-013 one `ne` is not in reach here (did you mean `one`?)',
      '7:19 FF-WF-010 two the expression is wrong here: a value is missing here',
    ]);
  });

  it('know the words of other products and near spellings', () => {
    expect(find('workflow: a\nnode:\n  x: 1\nnodes:\n  check:\n    if: a > 1\n  get:\n    call: http\n    wiht: {}\n    after: chek\n')).toEqual([
      '2:1 FF-WF-003 - `node` is not a key of a workflow (did you mean `nodes`?)',
      '5:3 FF-WF-004 check `check` does nothing (`if` is called `switch` here)',
      '8:11 FF-WF-024 get `http` is not an operation (write publisher:name/operation, for example flowforge:http/get)',
      '9:5 FF-WF-003 get `wiht` is not a key of a call node (did you mean `with`?)',
      '10:12 FF-WF-021 get there is no node `chek` (did you mean `check`?)',
    ]);
  });

  it('find circles, wrong outcomes and wrong values', () => {
    expect(find('workflow: a\nnodes:\n  a:\n    wait: { for: soon }\n    after: b\n  b:\n    set: { x: "${a}" }\n  c:\n    after: a.failed\n    foreach: "[1]"\n    parallel: 0\n    do: {}\n')).toEqual([
      '3:3 FF-WF-020 a these nodes wait for each other: a → b → a (take one of the references, or one `after`, out)',
      '4:18 FF-WF-009 a `soon` is not a length of time (write for example 200ms, 5s, 90m, 72h or 1h30m)',
      '8:3 FF-WF-004 c `c` has no node inside',
      '9:12 FF-WF-022 c `a` has no outcome `failed` (write `on_error: branch` at `a`)',
      '11:15 FF-WF-009 c at the same time must be a whole number from 1 to 64',
    ]);
  });

  it('know what stands in for a node, what takes its effect back, and what a loop sees of its rounds', () => {
    expect(find('workflow: a\nnodes:\n  a:\n    call: x:y/z\n    fallback: { node: b }\n    undo: { call: x:y/w, with: { id: "${a.id}" } }\n  b:\n    call: x:y/z\n  poll:\n    repeat: { until: inner.n > round, max: 3 }\n    do:\n      inner: { set: { n: "${round}" } }\n')).toEqual([]);
    expect(find('workflow: a\nnodes:\n  a:\n    call: x:y/z\n    fallback: { node: c }\n    undo: { call: z }\n  b:\n    set: { x: 1 }\n')).toEqual([
      '5:23 FF-WF-021 a there is no node `c` beside this one (did you mean `b`?)',
      '6:19 FF-WF-024 a `z` is not an operation (write publisher:name/operation, for example flowforge:http/get)',
    ]);
  });

  it('say where a text is not YAML, and how an expression in it is meant', () => {
    const [first] = find('workflow: a\nnodes:\n  a:\n    set:\n      x: ${a ? b : c}\n');
    expect(first).toContain('FF-WF-001');
    expect(first).toContain('put the value in quotes');
  });
});
