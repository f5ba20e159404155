/** Copy and paste: what is copied is the YAML that files have, comments included. A paste is one edit. */
import type { Model } from '../document/model';
import { isObject } from '../json';
import { type Point, rectangles } from '../layout/layout';
import { tidy } from '../layout/tidy';
import { column, lineStart } from '../text/lines';
import { applyChange, ordered } from '../text/patch';
import { TextDraft } from '../yaml/draft';
import { EditRefused, isInFlow } from '../yaml/edit';
import { blockEnd, contentEnd } from '../yaml/span';
import { entryOf, nodeAt, readYaml, toJson, type YamlEntry, type YamlMap, type YamlSource } from '../yaml/tree';
import { entryLines } from '../yaml/write';
import type { WorkflowGraph } from './graph';
import { kindKeys } from './kinds';
import { asName, freeName } from './names';
import { bodyPath, existing, finish, type Operation, startOf, takenNames } from './operations';
import { readWorkflow } from './read';

/** The text of nodes, as entries of `nodes`. Nodes inside a container that is copied too go with it. */
export function copyNodes(model: Model, ids: readonly string[]): string {
  const wanted = new Set(ids);
  const isInside = (id: string | null): boolean => id !== null && (wanted.has(id) || isInside(model.graph.byId.get(id)?.parent ?? null));
  return model.graph.nodes
    .filter((node) => wanted.has(node.id) && !isInside(node.parent))
    .map((node) => {
      const body = nodeAt(model.source.root, node.path.slice(0, -1));
      const entry = entryOf(body, node.id);
      if (!entry || isInFlow(model.source.root, node.path)) return entryLines(node.id, node.value).join('\n') + '\n';
      return linesOf(model.source.text, [entry]).join('\n') + '\n';
    })
    .join('');
}

/** The lines of entries of a block mapping, without their indentation. */
function linesOf(text: string, entries: readonly YamlEntry[]): string[] {
  const first = entries[0];
  const last = entries.at(-1);
  if (!first || !last) return [];
  const indent = column(text, first.keyFrom);
  const end = blockEnd(text, contentEnd(text, last.value, last.colon), indent);
  const lines = text.slice(lineStart(text, first.keyFrom), end).split(/\r?\n/);
  return lines.map((line) => (line.slice(0, indent).trim() === '' ? line.slice(indent) : line.trimStart()));
}

/** Where a paste goes. */
export interface PasteOptions {
  readonly parent?: string | null;
  /** Where the copied nodes stood, if that is known. */
  readonly positions?: Readonly<Record<string, Point>>;
  /** Where the first of them goes; else a little beside where it stood. */
  readonly at?: Point;
  readonly label?: string;
}

/** Puts the nodes of a text into the workflow. Names that are taken get others, inside the text too. */
export function pasteNodes(model: Model, text: string, options: PasteOptions = {}): Operation {
  const pasted = bodyOf(readYaml(text));
  const standing = readWorkflow(pasted.source);
  const taken = takenNames(model.graph);
  const names = new Map<string, string>();
  for (const node of standing.nodes) {
    const name = freeName(asName(node.id), taken);
    taken.add(name);
    names.set(node.id, name);
  }
  const renamed = readYaml(applyChange(pasted.source.text, ordered(renames(pasted.source, standing, names))));
  const body = entryOf(renamed.root, 'nodes')?.value;
  if (body?.kind !== 'map') throw new EditRefused('the text has no nodes');
  const draft = new TextDraft(model.source);
  startOf(draft);
  const path = bodyPath(model, options.parent ?? null);
  if (!nodeAt(draft.source.root, path)) draft.set(path, null);
  insertAll(draft, path, renamed.text, body);
  const roots = body.entries.map((entry) => entry.key);
  const count = names.size;
  const label = options.label ?? (count === 1 ? `Paste ${roots[0] ?? 'a node'}` : `Paste ${String(count)} nodes`);
  return finish(model, draft, label, roots, spots(model, standing, names, options));
}

/** Copies nodes beside themselves. */
export function duplicateNodes(model: Model, ids: readonly string[]): Operation {
  const parents = new Set(ids.map((id) => existing(model, id).parent));
  const parent = parents.size === 1 ? ([...parents][0] ?? null) : null;
  const what = ids.length === 1 ? (ids[0] ?? '') : `${String(ids.length)} nodes`;
  return pasteNodes(model, copyNodes(model, ids), { parent, positions: model.layout.positions, label: `Duplicate ${what}` });
}

/** Whether a text holds nodes that can be pasted. */
export function holdsNodes(text: string): boolean {
  try {
    bodyOf(readYaml(text));
    return true;
  } catch {
    return false;
  }
}

/** A source that has the nodes of a text, and nothing else, under `nodes`. */
function bodyOf(source: YamlSource): { source: YamlSource } {
  if (source.mistakes.length > 0) throw new EditRefused(`the text is not YAML: ${source.mistakes[0]?.message ?? ''}`);
  const { root, text } = source;
  const named = entryOf(root, 'nodes')?.value ?? null;
  const body = named ?? root;
  if (body?.kind !== 'map' || body.entries.length === 0) throw new EditRefused('the text has no nodes');
  const isNodes = body.entries.every((entry) => entry.value.kind === 'map' && kindKeys(entry.value.entries.map((inner) => inner.key)).length > 0);
  if (!isNodes) throw new EditRefused('the text has no nodes');
  const lines = body.flow ? body.entries.flatMap((entry) => entryLines(entry.key, toJson(entry.value))) : linesOf(text, body.entries);
  return { source: readYaml(['nodes:', ...lines.map((line) => (line === '' ? '' : `  ${line}`))].join('\n') + '\n') };
}

function renames(source: YamlSource, graph: WorkflowGraph, names: ReadonlyMap<string, string>): { from: number; to: number; insert: string }[] {
  const { text } = source;
  const places: { name: string; from: number; to: number }[] = [];
  for (const node of graph.nodes) {
    places.push({ name: node.id, from: node.keyFrom, to: node.keyTo });
    for (const use of node.uses) places.push(use);
    for (const after of [...node.after, ...(node.fallback ? [node.fallback] : [])]) places.push({ name: after.node, from: after.from, to: after.to });
  }
  return places.flatMap(({ name, from, to }) => {
    const next = names.get(name);
    const at = text.slice(from, to).indexOf(name);
    return next === undefined || next === name || at < 0 ? [] : [{ from: from + at, to: from + at + name.length, insert: next }];
  });
}

function insertAll(draft: TextDraft, path: readonly (string | number)[], text: string, body: YamlMap): void {
  const target = nodeAt(draft.source.root, path);
  const flow = isInFlow(draft.source.root, path) || (target?.kind === 'map' && target.flow && target.entries.length > 0);
  const [first] = body.entries;
  if (!flow && first) {
    draft.insertLines(path, first.key, toJson(first.value), linesOf(text, body.entries));
    return;
  }
  for (const entry of body.entries) draft.set([...path, entry.key], toJson(entry.value));
}

/** Where pasted nodes stand: as they stood, a little moved, or laid out below everything. */
function spots(model: Model, standing: WorkflowGraph, names: ReadonlyMap<string, string>, options: PasteOptions): Record<string, Point> {
  const leaves = standing.nodes.filter((node) => node.children.length === 0).map((node) => node.id);
  const known = leaves.flatMap((id) => (options.positions?.[id] ? [[id, options.positions[id]] as const] : []));
  const own = known.length === leaves.length;
  const places = own ? known : Object.entries(tidy(standing, 900)).filter(([id]) => leaves.includes(id));
  const left = Math.min(...places.map(([, at]) => at.x));
  const top = Math.min(...places.map(([, at]) => at.y));
  const all = [...rectangles(model.graph, model.layout.positions).values()];
  const below = { x: Math.min(40, ...all.map((rect) => rect.x)), y: Math.max(60, ...all.map((rect) => rect.y + rect.height + 60)) };
  const start = options.at ?? (own ? { x: left + 28, y: top + 28 } : below);
  return Object.fromEntries(
    places.map(([id, at]) => [names.get(id) ?? id, { x: start.x + at.x - left, y: start.y + at.y - top }]),
  );
}

/** Whether a value is what a whole workflow file holds. */
export function isWorkflow(source: YamlSource): boolean {
  const value = toJson(source.root);
  return isObject(value) && 'nodes' in value && 'workflow' in value;
}
