/**
 * What is wrong with a workflow, as far as the file alone tells while it is typed.
 *
 * The same codes as the engine's lint, which decides; ports, grants and types are its business. Each problem has its
 * place in the text and its node, so that text, canvas and list show the same.
 */
import { parseExpression } from '../expression/parser';
import { pathText } from '../json';
import { lineEnd, lineStart } from '../text/lines';
import { entryOf, pathAt, type YamlMap, type YamlNode, type YamlSource } from '../yaml/tree';
import type { ExpressionPlace, GraphNode, NameUse, WorkflowGraph } from './graph';
import { allows, COMMON_KEYS, fieldsOf, isShown, itemName, kindForWord, kindKeys, KINDS, type NodeKind } from './kinds';
import { nameProblem, nearest, SPECIAL } from './names';

/** Something wrong. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  /** How to mend it, if that is known. */
  readonly mend?: string;
  readonly from: number;
  readonly to: number;
  /** The node it is in. */
  readonly node: string | null;
  /** The property of the node, or of the workflow. */
  readonly property: string;
  /** Whether it only deserves a look. */
  readonly warning?: boolean;
}

/** What the parser's complaints mean, in the words of people who write files. */
const COMPLAINTS: readonly (readonly [RegExp, string])[] = [
  [/Implicit map keys? need/, 'a key needs a colon and a value'],
  [/Nested mappings are not allowed/, 'there is a second `: ` on this line'],
  [/Map keys must be unique/, 'this key stands here a second time'],
  [/All mapping items must start at the same column|BAD_INDENT|indent/i, 'the indentation does not fit the lines around it'],
  [/Missing closing "quote|Missing closing 'quote/, 'a quote is not closed'],
  [/Flow map|Flow sequence|flow collection|Expected .*\]|Expected .*\}/, 'a bracket or a brace is not closed'],
  [/tab/i, 'indent with spaces: YAML allows no tabs there'],
];

function inWords(message: string): string {
  const known = COMPLAINTS.find(([pattern]) => pattern.test(message));
  return known ? known[1] : message.replace(/ at line \d+, column \d+:?[\s\S]*$/, '');
}

/** The keys of a workflow. */
export const SECTIONS: readonly string[] = ['workflow', 'title', 'input', 'config', 'secrets', 'triggers', 'values', 'runs_on', 'on_done', 'on_failed', 'nodes', 'output'];

/** Everything wrong, in the order of the text. */
export function problemsOf(source: YamlSource, graph: WorkflowGraph): Problem[] {
  const found = new Finder(source, graph);
  found.mistakes();
  if (source.root?.kind === 'map') {
    found.sections(source.root);
    graph.nodes.forEach((node) => {
      found.node(node);
    });
    found.expressions(graph.outputExpressions, graph.outputUses, new Set(graph.nodes.filter((node) => node.parent === null).map((node) => node.id)));
    found.cycles();
  } else if (source.mistakes.length === 0 && source.root !== null) {
    found.add('FF-WF-005', source.root, 'a workflow must be a mapping', 'begin with `workflow: name`');
  }
  return found.problems.sort((a, b) => a.from - b.from);
}

class Finder {
  readonly problems: Problem[] = [];

  constructor(
    private readonly source: YamlSource,
    private readonly graph: WorkflowGraph,
  ) {}

  add(code: string, place: { from: number; to: number }, message: string, mend?: string): void {
    const path = pathAt(this.source.root, place.from);
    let node: GraphNode | null = null;
    for (const candidate of this.graph.nodes) {
      if (place.from >= candidate.keyFrom && place.from <= candidate.to && candidate.path.every((step, index) => step === path[index])) node = candidate;
    }
    const property = pathText(node ? path.slice(node.path.length) : path);
    const to = Math.max(place.to, Math.min(place.from + 1, this.source.text.length));
    this.problems.push({ code, message, from: place.from, to, node: node?.id ?? null, property, ...(mend === undefined ? {} : { mend }) });
  }

  mistakes(): void {
    for (const mistake of this.source.mistakes) {
      const line = this.source.text.slice(lineStart(this.source.text, mistake.from), lineEnd(this.source.text, mistake.from));
      const expression = line.includes('${');
      const mend = expression ? 'put the value in quotes: an expression with `: `, ` #`, { or } needs them' : undefined;
      this.add('FF-WF-001', mistake, `this is not YAML: ${inWords(mistake.message)}`, mend);
    }
  }

  sections(root: YamlMap): void {
    for (const entry of root.entries) {
      if (SECTIONS.includes(entry.key)) continue;
      const near = nearest(entry.key, SECTIONS);
      this.add('FF-WF-003', { from: entry.keyFrom, to: entry.keyTo }, `\`${entry.key}\` is not a key of a workflow`, near ? `did you mean \`${near}\`?` : `its keys are ${SECTIONS.join(', ')}`);
    }
    const name = entryOf(root, 'workflow');
    if (!name) this.add('FF-WF-004', { from: root.from, to: root.from }, 'the workflow has no name', 'begin with `workflow: name`');
    else if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(this.graph.name)) {
      this.add('FF-WF-007', name.value, `\`${this.graph.name}\` is not the name of a workflow`, 'use small letters, digits and single hyphens');
    }
    const nodes = entryOf(root, 'nodes');
    if (!nodes) this.add('FF-WF-004', { from: root.from, to: root.from }, 'there are no nodes', 'add one with Tab on the canvas');
    else if (nodes.value.kind !== 'map') {
      const nothing = nodes.value.kind === 'scalar' && nodes.value.value === null;
      const place = { from: nodes.keyFrom, to: nodes.keyTo };
      this.add(nothing ? 'FF-WF-004' : 'FF-WF-005', place, nothing ? 'there is no node here' : '`nodes` must be a mapping', nothing ? 'add one with Tab on the canvas' : undefined);
    }
  }

  node(node: GraphNode): void {
    const key = { from: node.keyFrom, to: node.keyTo };
    const wrongName = nameProblem(node.id);
    if (wrongName) this.add('FF-WF-007', key, `\`${node.id}\` cannot be the name of a node: ${wrongName}`);
    if (this.graph.nodes.some((other) => other !== node && other.id === node.id && other.keyFrom < node.keyFrom)) {
      this.add('FF-WF-006', key, `two nodes are called \`${node.id}\``, 'names are unique in a workflow, also inside a loop');
    }
    const value = this.valueOf(node);
    if (value?.kind !== 'map') this.add('FF-WF-005', key, `\`${node.id}\` must be a mapping`);
    else this.keys(node, value);
    this.after(node);
    this.fallback(node);
    this.expressions(node.expressions, node.uses, this.inReach(node));
  }

  private valueOf(node: GraphNode): YamlNode | null {
    let found = this.source.root;
    for (const step of node.path) found = entryOf(found, String(step))?.value ?? null;
    return found;
  }

  private keys(node: GraphNode, value: YamlMap): void {
    const kinds = kindKeys(value.entries.map((entry) => entry.key));
    const [kind, second] = kinds;
    if (!kind) {
      const foreign = value.entries.map((entry) => ({ entry, kind: kindForWord(entry.key) ?? KINDS.find((candidate) => candidate.key === nearest(entry.key, KINDS.map((row) => row.key))) }));
      const hit = foreign.find((candidate) => candidate.kind);
      const mend = hit?.kind ? `\`${hit.entry.key}\` is called \`${hit.kind.key}\` here` : `give it one of: ${KINDS.map((row) => row.key).join(', ')}`;
      this.add('FF-WF-004', { from: node.keyFrom, to: node.keyTo }, `\`${node.id}\` does nothing`, mend);
      return;
    }
    if (second) {
      const entry = entryOf(value, second.key);
      if (entry) this.add('FF-WF-003', { from: entry.keyFrom, to: entry.keyTo }, `\`${node.id}\` has both \`${kind.key}\` and \`${second.key}\``, 'a node does one thing: make two nodes');
      return;
    }
    for (const entry of value.entries) {
      if (allows(kind, entry.key)) continue;
      const near = nearest(entry.key, [kind.key, ...kind.keys, ...COMMON_KEYS]);
      this.add('FF-WF-003', { from: entry.keyFrom, to: entry.keyTo }, `\`${entry.key}\` is not a key of a ${kind.key} node`, near ? `did you mean \`${near}\`?` : undefined);
    }
    this.required(node, kind, value);
  }

  private required(node: GraphNode, kind: NodeKind, value: YamlMap): void {
    for (const field of fieldsOf(kind)) {
      if (!isShown(field, node.value)) continue;
      let found: YamlNode | null = value;
      for (const step of field.path) found = entryOf(found, String(step))?.value ?? null;
      const missing = found === null || (found.kind === 'scalar' ? found.value === null || found.value === '' : false);
      const entry = entryOf(value, field.when ? String(field.when.path[0]) : kind.key);
      const place = { from: entry?.keyFrom ?? node.keyFrom, to: entry?.keyTo ?? node.keyTo };
      if (field.required && missing) this.add('FF-WF-004', place, `\`${node.id}\` has no ${field.label}`, field.docs);
      if (field.required && !missing && found?.kind === 'map' && found.entries.length === 0) {
        this.add('FF-WF-004', found, `\`${node.id}\` has no ${field.label}`, field.docs);
      }
      if (field.control.type === 'duration' && found?.kind === 'scalar' && !missing && !/^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$/.test(String(found.value))) {
        this.add('FF-WF-009', found, `\`${String(found.value)}\` is not a length of time`, 'write for example 200ms, 5s, 90m, 72h or 1h30m');
      }
      if (field.control.type === 'operation' && found?.kind === 'scalar' && !missing && !/^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*\/[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/.test(String(found.value))) {
        this.add('FF-WF-024', found, `\`${String(found.value)}\` is not an operation`, 'write publisher:name/operation, for example flowforge:http/get');
      }
      if (field.control.type === 'integer' && found?.kind === 'scalar' && !missing) {
        const { min, max } = field.control;
        const number = found.value;
        if (typeof number !== 'number' || !Number.isInteger(number) || number < min || number > max) {
          this.add('FF-WF-009', found, `${field.label} must be a whole number from ${String(min)} to ${String(max)}`);
        }
      }
    }
    if (kind.body !== undefined && node.children.length === 0) {
      this.add('FF-WF-004', { from: node.keyFrom, to: node.keyTo }, `\`${node.id}\` has no node inside`);
    }
  }

  private after(node: GraphNode): void {
    const beside = this.graph.nodes.filter((other) => other.parent === node.parent);
    for (const after of node.after) {
      const target = beside.find((other) => other.id === after.node);
      if (!target) {
        if (this.graph.byId.has(after.node)) {
          this.add('FF-WF-027', after, `\`${after.node}\` is not beside this node`, 'a loop itself can be named, not the nodes in it');
        } else {
          const near = nearest(after.node, beside.map((other) => other.id));
          this.add('FF-WF-021', after, `there is no node \`${after.node}\``, near ? `did you mean \`${near}\`?` : undefined);
        }
      } else if (after.outcome !== '' && !target.outcomes.includes(after.outcome)) {
        const near = nearest(after.outcome, target.outcomes);
        const mend = after.outcome === 'failed' ? `write \`on_error: branch\` at \`${after.node}\`` : near ? `did you mean \`${after.node}.${near}\`?` : `its outcomes are: ${target.outcomes.join(', ')}`;
        this.add('FF-WF-022', after, `\`${after.node}\` has no outcome \`${after.outcome}\``, mend);
      }
    }
  }

  /** What stands in for a node stands beside it. */
  private fallback(node: GraphNode): void {
    const named = node.fallback;
    if (!named || named.node === '') return;
    const beside = this.graph.nodes.filter((other) => other.parent === node.parent && other !== node).map((other) => other.id);
    if (named.node === node.id) this.add('FF-WF-020', named, `\`${node.id}\` cannot stand in for itself`);
    else if (!beside.includes(named.node)) {
      const near = nearest(named.node, beside);
      this.add('FF-WF-021', named, `there is no node \`${named.node}\` beside this one`, near ? `did you mean \`${near}\`?` : undefined);
    }
  }

  /** The names that the expressions of a node can use. */
  private inReach(node: GraphNode): Set<string> {
    const names = new Set<string>();
    for (let inner: GraphNode | undefined = node; inner; inner = inner.parent === null ? undefined : this.graph.byId.get(inner.parent)) {
      const parent = inner.parent;
      this.graph.nodes.filter((other) => other.parent === parent).forEach((other) => names.add(other.id));
      const container = parent === null ? undefined : this.graph.byId.get(parent);
      const item = container ? itemName(container.kind, container.value) : null;
      if (item !== null) names.add(item);
    }
    // The condition of a loop sees the nodes of a round, and its number.
    if (node.kind?.item?.is === 'round') [...node.children, itemName(node.kind, node.value) ?? ''].forEach((name) => names.add(name));
    return names;
  }

  expressions(places: readonly ExpressionPlace[], uses: readonly NameUse[], names: ReadonlySet<string>): void {
    for (const place of places) {
      if (place.open) {
        this.add('FF-WF-010', { from: place.positions?.[0] ?? place.from, to: place.to }, 'this expression has no closing }');
        continue;
      }
      const [mistake] = parseExpression(place.source).mistakes;
      if (!mistake) continue;
      const from = place.positions?.[mistake.from] ?? place.from;
      this.add('FF-WF-010', { from, to: place.positions?.[mistake.to] ?? from }, `the expression is wrong here: ${mistake.message}`);
    }
    for (const use of uses) {
      if (names.has(use.name) || SPECIAL.includes(use.name)) continue;
      const near = nearest(use.name, [...names, ...SPECIAL]);
      this.add('FF-WF-013', use, `\`${use.name}\` is not in reach here`, near ? `did you mean \`${near}\`?` : undefined);
    }
  }

  cycles(): void {
    const state = new Map<string, 'open' | 'done'>();
    const visit = (id: string, trail: readonly string[]): void => {
      if (state.get(id) === 'done') return;
      if (state.get(id) === 'open') {
        const circle = [...trail.slice(trail.indexOf(id)), id];
        const node = this.graph.byId.get(id);
        if (node) this.add('FF-WF-020', { from: node.keyFrom, to: node.keyTo }, `these nodes wait for each other: ${circle.join(' → ')}`, 'take one of the references, or one `after`, out');
        return;
      }
      state.set(id, 'open');
      for (const edge of this.graph.edges) if (edge.from === id) visit(edge.to, [...trail, id]);
      state.set(id, 'done');
    };
    for (const node of this.graph.nodes) {
      if (node.uses.some((use) => use.name === node.id && use.path[node.path.length] !== 'undo') || node.after.some((after) => after.node === node.id)) {
        this.add('FF-WF-020', { from: node.keyFrom, to: node.keyTo }, `\`${node.id}\` waits for itself`);
      }
      visit(node.id, []);
    }
  }
}
