/**
 * What can be done to a workflow, each as one edit of its document.
 *
 * Owns the meaning of an operation in the file: which lines a rename reaches, what connecting two nodes writes. Changes
 * only through the text draft, so that every operation keeps its promises.
 */
import type { Edit } from '../document/document';
import type { Model } from '../document/model';
import { type Json, type JsonObject, type Path, pathText } from '../json';
import { type Layout, movedWith, type Note, type Point, snapped } from '../layout/layout';
import { placed } from '../layout/place';
import { tidy } from '../layout/tidy';
import { TextDraft } from '../yaml/draft';
import { EditRefused } from '../yaml/edit';
import { entryOf, nodeAt } from '../yaml/tree';
import { type GraphEdge, type GraphNode, OUTPUT, START, type WorkflowGraph } from './graph';
import { asName, freeName, nameProblem } from './names';
import { readWorkflow } from './read';

/** An edit and the nodes that it is good to select afterwards. */
export interface Operation extends Edit {
  readonly select?: readonly string[];
}

/** An edit from a draft. Nodes that the edit made get places, so that later ones do not move them. */
export function finish(model: Model, draft: TextDraft, label: string, select: readonly string[], positions?: Readonly<Record<string, Point>>): Operation {
  const layout: Layout = positions ? { ...model.layout, positions: { ...model.layout.positions, ...positions } } : model.layout;
  return { label, changes: draft.changes, layout: placed(readWorkflow(draft.source), layout), select };
}

/** Every id that is taken. */
export function takenNames(graph: WorkflowGraph): Set<string> {
  return new Set(graph.nodes.map((node) => node.id));
}

/** The node of this id. */
export function existing(model: Model, id: string): GraphNode {
  const node = model.graph.byId.get(id);
  if (!node) throw new EditRefused(`there is no node ${id}`);
  return node;
}

/** The path of the nodes in a container, or of the workflow's own. */
export function bodyPath(model: Model, parent: string | null): Path {
  if (parent === null) return ['nodes'];
  const node = existing(model, parent);
  if (node.kind?.body === undefined) throw new EditRefused(`${parent} contains no nodes`);
  return [...node.path, node.kind.body];
}

/** Where a new node goes. */
export interface AddOptions {
  readonly name: string;
  readonly parent?: string | null;
  readonly at?: Point;
  /** The node, and its outcome, that the new one comes after. */
  readonly after?: { readonly node: string; readonly outcome: string };
}

/** Adds a node. */
export function addNode(model: Model, value: JsonObject, options: AddOptions): Operation {
  const draft = new TextDraft(model.source);
  const taken = takenNames(model.graph);
  const name = freeName(asName(options.name), taken);
  const inner = fresh(value, new Set(taken).add(name));
  const parent = options.parent ?? null;
  const entry = options.after ? { after: afterText(options.after.node, options.after.outcome), ...inner } : inner;
  startOf(draft);
  draft.set([...bodyPath(model, parent), name], entry);
  return finish(model, draft, `Add ${name}`, [name], options.at ? { [name]: snapped(options.at) } : undefined);
}

/** A text without anything becomes one with a name and a place for nodes. */
export function startOf(draft: TextDraft): void {
  if (draft.source.root !== null) return;
  draft.set(['workflow'], 'new-workflow');
  draft.set(['nodes'], null);
}

/** The value with names of inner nodes that are not taken. */
function fresh(value: JsonObject, taken: Set<string>): JsonObject {
  const body = value['do'];
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return value;
  const entries = Object.entries(body as JsonObject).map(([name, node]): [string, Json] => {
    const free = freeName(name, taken);
    taken.add(free);
    return [free, node];
  });
  return { ...value, do: Object.fromEntries(entries) };
}

/** Takes nodes away, with the `after` entries that name them. What reads them is left, and is a problem then. */
export function removeNodes(model: Model, ids: readonly string[]): Operation {
  const draft = new TextDraft(model.source);
  const gone = new Set(ids.filter((id) => model.graph.byId.has(id)));
  const roots = [...gone].filter((id) => !hasAncestor(model.graph, id, gone));
  for (const id of roots) {
    const node = existing(model, id);
    const body = nodeAt(draft.source.root, node.path.slice(0, -1));
    const only = body?.kind === 'map' && body.entries.length === 1;
    if (only && node.parent === null) draft.set(['nodes'], null);
    else draft.unset(node.path, node.path.length - 1);
  }
  for (const node of model.graph.nodes) {
    if (gone.has(node.id) || hasAncestor(model.graph, node.id, gone)) continue;
    if (node.fallback && gone.has(node.fallback.node)) draft.unset([...node.path, 'fallback'], node.path.length);
    for (const after of [...node.after].reverse()) if (gone.has(after.node)) dropAfter(draft, node.path, afterText(after.node, after.outcome));
  }
  const positions = Object.fromEntries(Object.entries(model.layout.positions).filter(([id]) => !gone.has(id)));
  const label = roots.length === 1 ? `Delete ${roots[0] ?? ''}` : `Delete ${String(roots.length)} nodes`;
  return { label, changes: draft.changes, layout: placed(readWorkflow(draft.source), { ...model.layout, positions }), select: [] };
}

function hasAncestor(graph: WorkflowGraph, id: string, of: ReadonlySet<string>): boolean {
  for (let up = graph.byId.get(id)?.parent ?? null; up !== null; up = graph.byId.get(up)?.parent ?? null) if (of.has(up)) return true;
  return false;
}

/** Gives a node another name, wherever it is named. */
export function renameNode(model: Model, id: string, wanted: string): Operation {
  const node = existing(model, id);
  const name = wanted.trim();
  if (name === id) return { label: `Rename ${id}` };
  const problem = nameProblem(name);
  if (problem) throw new EditRefused(problem);
  if (model.graph.byId.has(name)) throw new EditRefused(`there is a node ${name} already`);
  const draft = new TextDraft(model.source);
  const { text } = model.source;
  const uses = [...model.graph.nodes.flatMap((other) => other.uses), ...model.graph.outputUses].filter((use) => use.name === id);
  const afters = model.graph.nodes.flatMap((other) => other.after).filter((after) => after.node === id);
  const hidden = uses.find((use) => text.slice(use.from, use.to) !== id);
  if (hidden) throw new EditRefused(`${pathText(hidden.path)} names it in a way that cannot be changed here`);
  const patches = [
    ...uses.map((use) => ({ from: use.from, to: use.to, insert: name })),
    ...model.graph.nodes.flatMap((other) => (other.fallback?.node === id ? [other.fallback] : [])).map((place) => {
      const from = place.from + text.slice(place.from, place.to).indexOf(id);
      return { from, to: from + id.length, insert: name };
    }),
    ...afters.map((after) => {
      const from = after.from + text.slice(after.from, after.to).indexOf(id);
      return { from, to: from + id.length, insert: name };
    }),
  ];
  const keyFrom = node.keyFrom + text.slice(node.keyFrom, node.keyTo).indexOf(id);
  draft.patch([...patches, { from: keyFrom, to: keyFrom + id.length, insert: name }]);
  const positions = Object.fromEntries(Object.entries(model.layout.positions).map(([key, at]) => [key === id ? name : key, at]));
  return { label: `Rename ${id} to ${name}`, changes: draft.changes, layout: { ...model.layout, positions }, select: [name] };
}

/** Disables nodes, or enables them again if all are disabled. */
export function toggleDisabled(model: Model, ids: readonly string[]): Operation {
  const nodes = ids.map((id) => existing(model, id));
  const enable = nodes.every((node) => node.disabled);
  const draft = new TextDraft(model.source);
  for (const node of nodes) {
    if (enable) draft.unset([...node.path, 'disabled'], node.path.length);
    else draft.set([...node.path, 'disabled'], true);
  }
  const what = nodes.length === 1 ? (ids[0] ?? '') : `${String(nodes.length)} nodes`;
  return { label: `${enable ? 'Enable' : 'Disable'} ${what}`, changes: draft.changes };
}

/** Sets a property of a node; without a value it is taken away. */
export function setProperty(model: Model, id: string, path: Path, value: Json | undefined): Operation {
  const node = existing(model, id);
  const draft = new TextDraft(model.source);
  if (value === undefined) draft.unset([...node.path, ...path], node.path.length);
  else draft.set([...node.path, ...path], value);
  return { ...finish(model, draft, `Change ${id}.${pathText(path)}`, [id]), joins: `set ${id} ${pathText(path)}` };
}

/** Gives a key of a mapping in a node another name: a field of `set`, a case of `switch`. */
export function renameProperty(model: Model, id: string, path: Path, key: string): Operation {
  const node = existing(model, id);
  const old = path.at(-1);
  const draft = new TextDraft(model.source);
  draft.rename([...node.path, ...path], key);
  if (typeof old === 'string' && path.length === 2 && path[0] === node.kind?.key && node.outcomes.includes(old)) {
    for (const other of model.graph.nodes) {
      other.after.forEach((after, index) => {
        if (after.node !== id || after.outcome !== old) return;
        const list = nodeAt(draft.source.root, [...other.path, 'after'])?.kind === 'list';
        draft.set([...other.path, 'after', ...(list ? [index] : [])], afterText(id, key));
      });
    }
  }
  return { label: `Rename ${String(old)} to ${key}`, changes: draft.changes };
}

/** Makes a node come after another, or after an outcome of it. */
export function connect(model: Model, from: string, outcome: string, to: string): Operation {
  const label = `Connect ${afterText(from, outcome)} to ${to}`;
  if (from === START || from === to || to === START) return { label };
  if (to === OUTPUT) throw new EditRefused('the output names what it gives in its own text');
  const source = existing(model, from);
  const target = existing(model, to);
  if (source.parent !== target.parent) throw new EditRefused(`${from} and ${to} do not stand beside each other`);
  if (model.graph.edges.some((edge) => edge.from === from && edge.port === outcome && edge.to === to)) return { label };
  if (reaches(model.graph, to, from)) throw new EditRefused(`${from} waits for ${to} already: that would be a circle`);
  const draft = new TextDraft(model.source);
  const path = [...target.path, 'after'];
  const known = nodeAt(model.source.root, path);
  const wanted = afterText(from, outcome);
  if (known === null) draft.set(path, wanted, 'first');
  else if (known.kind === 'list') draft.set([...path, known.items.length], wanted);
  else draft.set(path, [...target.after.map((after) => afterText(after.node, after.outcome)), wanted]);
  return { label, changes: draft.changes };
}

function reaches(graph: WorkflowGraph, from: string, to: string): boolean {
  const seen = new Set<string>();
  const stack = [from];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (id === to) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    for (const edge of graph.edges) if (edge.from === id) stack.push(edge.to);
  }
  return false;
}

/** Takes a connection away: its `after` entry, and inputs that are nothing but the other node's value. */
export function disconnect(model: Model, edge: GraphEdge): Operation {
  const draft = new TextDraft(model.source);
  const target = existing(model, edge.to);
  const deep = edge.uses.find((use) => !isSoleValue(model, use.path));
  if (deep) throw new EditRefused(`${pathText(deep.path.slice(1))} names ${edge.from} inside an expression: change it there`);
  if (edge.standsIn) draft.unset([...existing(model, edge.from).path, 'fallback'], existing(model, edge.from).path.length);
  if (edge.order) dropAfter(draft, target.path, afterText(edge.from, edge.port));
  const paths = [...new Map(edge.uses.map((use) => [pathText(use.path), use.path])).values()];
  for (const path of paths) draft.unset(path, target.path.length);
  return { label: `Disconnect ${edge.to} from ${edge.from}`, changes: draft.changes };
}

function isSoleValue(model: Model, path: Path): boolean {
  const node = nodeAt(model.source.root, path);
  return node?.kind === 'scalar' && typeof node.value === 'string' && /^\s*\$\{\s*[\w.]+\s*\}\s*$/.test(node.value);
}

function dropAfter(draft: TextDraft, path: Path, entry: string): void {
  const node = nodeAt(draft.source.root, [...path, 'after']);
  if (node?.kind === 'list') {
    const index = node.items.findIndex((item) => item.value.kind === 'scalar' && item.value.value === entry);
    if (index >= 0) draft.unset([...path, 'after', index], path.length);
  } else if (node?.kind === 'scalar' && node.value === entry) {
    draft.unset([...path, 'after'], path.length);
  }
}

function afterText(node: string, outcome: string): string {
  return outcome === '' ? node : `${node}.${outcome}`;
}

/** Moves nodes, containers with what they contain. */
export function moveNodes(model: Model, moves: ReadonlyMap<string, Point>): Operation {
  const positions: Record<string, Point> = { ...model.layout.positions };
  let moved = false;
  for (const [id, to] of moves) {
    const at = snapped(to);
    const known = model.layout.positions[id];
    if (known?.x === at.x && known.y === at.y) continue;
    positions[id] = at;
    moved = true;
  }
  const count = moves.size;
  return { label: count === 1 ? 'Move 1 node' : `Move ${String(count)} nodes`, ...(moved ? { layout: { ...model.layout, positions } } : {}) };
}

/** Moves nodes by a distance. */
export function nudge(model: Model, ids: readonly string[], dx: number, dy: number): Operation {
  const moves = new Map<string, Point>();
  for (const id of ids.flatMap((wanted) => movedWith(model.graph, wanted))) {
    const at = model.layout.positions[id];
    if (at) moves.set(id, { x: at.x + dx, y: at.y + dy });
  }
  return { ...moveNodes(model, moves), joins: `nudge ${ids.join(' ')}` };
}

/** Lays the whole graph out anew. */
export function tidyUp(model: Model, width: number): Operation {
  return { label: 'Tidy up', layout: { ...model.layout, positions: { ...model.layout.positions, ...tidy(model.graph, width) } } };
}

/** Puts a note on the canvas, changes it, or takes it away. */
export function setNote(model: Model, note: Note): Operation {
  const known = model.layout.notes.some((other) => other.id === note.id);
  const notes = known ? model.layout.notes.map((other) => (other.id === note.id ? note : other)) : [...model.layout.notes, note];
  return { label: known ? 'Change the note' : 'Add a note', layout: { ...model.layout, notes }, joins: `note ${note.id}` };
}

/** Takes notes away. */
export function removeNotes(model: Model, ids: readonly string[]): Operation {
  const notes = model.layout.notes.filter((note) => !ids.includes(note.id));
  if (notes.length === model.layout.notes.length) return { label: 'Delete the note' };
  return { label: 'Delete the note', layout: { ...model.layout, notes } };
}

/** An id for a new note. */
export function freeNoteId(layout: Layout): string {
  const numbers = layout.notes.map((note) => Number(/^note_(\d+)$/.exec(note.id)?.[1] ?? 0));
  return `note_${String(Math.max(0, ...numbers) + 1)}`;
}

/** Whether the workflow's text has an entry of this name at its top. */
export function hasSection(model: Model, name: string): boolean {
  return entryOf(model.source.root, name) !== null;
}
