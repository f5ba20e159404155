import { describe, expect, it } from 'vitest';

import type { Json, Path } from '../json';
import { EMPTY_LAYOUT } from '../layout/layout';
import { missingLine } from '../testing/lines-kept';
import { Random } from '../testing/random';
import { exampleTexts, workflowText } from '../testing/workflow-texts';
import { copyNodes, duplicateNodes, pasteNodes } from '../workflow/clipboard';
import { addNode, connect, disconnect, freeNoteId, nudge, removeNodes, removeNotes, renameNode, setNote, setProperty, tidyUp, toggleDisabled, type Operation } from '../workflow/operations';
import { KINDS } from '../workflow/kinds';
import { EditRefused } from '../yaml/edit';
import { apply, openDocument, redo, undo, type WorkflowDocument } from './document';
import { type Model, modelOf } from './model';

const VALUES: readonly Json[] = ['text', '${input.x}', 12, true, ['a', 'b'], { a: 'x', b: 'two\nlines\n' }, 'with: colon', null];
const PROPERTIES: readonly Path[] = [['with', 'url'], ['with', 'deep', 'a'], ['set', 'value'], ['allow'], ['retry', 'attempts'], ['approval', 'title'], ['after'], ['timeout'], ['parallel']];

/** A random operation, and the nodes whose lines it may change. */
function operate(random: Random, model: Model): { operation: Operation; nodes: readonly string[] } {
  const { graph } = model;
  const some = (): string => random.pick(graph.nodes).id;
  const readers = (id: string): string[] => graph.nodes.filter((node) => node.after.some((after) => after.node === id) || node.uses.some((use) => use.name === id)).map((node) => node.id);
  if (graph.nodes.length === 0) return { operation: addNode(model, { set: { a: 1 } }, { name: 'first' }), nodes: [] };
  const id = some();
  switch (random.below(13)) {
    case 0:
    case 1:
      return { operation: addNode(model, random.pick(KINDS).starter, { name: 'Added Node', ...(random.percent(50) ? { after: { node: id, outcome: '' } } : {}) }), nodes: [] };
    case 2: {
      const ids = random.percent(50) ? [id] : [id, some()];
      return { operation: removeNodes(model, ids), nodes: [...ids, ...ids.flatMap(readers)] };
    }
    case 3:
      return { operation: renameNode(model, id, `renamed_${String(random.below(1000))}`), nodes: [id, ...readers(id), '@output'] };
    case 4:
      return { operation: toggleDisabled(model, [id]), nodes: [id] };
    case 5:
    case 6:
      return { operation: setProperty(model, id, random.pick(PROPERTIES), random.percent(25) ? undefined : random.pick(VALUES)), nodes: [id] };
    case 7: {
      const to = some();
      const outcomes = graph.byId.get(id)?.outcomes ?? [];
      return { operation: connect(model, id, outcomes.length > 0 ? random.pick(outcomes) : '', to), nodes: [to] };
    }
    case 8: {
      const edges = graph.edges.filter((edge) => graph.byId.has(edge.to) && graph.byId.has(edge.from));
      if (edges.length === 0) return { operation: nudge(model, [id], 4, 8), nodes: [] };
      const edge = random.pick(edges);
      const inside = graph.nodes.filter((node) => node.path.includes(edge.to)).map((node) => node.id);
      return { operation: disconnect(model, edge), nodes: [edge.to, ...inside] };
    }
    case 9:
      return { operation: pasteNodes(model, random.percent(50) ? copyNodes(model, [id]) : '# copied\nfetch:\n  call: a:b/c   # note\n  with: { x: "${input}" }\nnext:\n  set: { y: "${fetch.z}" }\n'), nodes: [] };
    case 10:
      return { operation: duplicateNodes(model, [id]), nodes: [] };
    case 11: {
      const note = { id: freeNoteId(model.layout), x: 4, y: 8, width: 160, height: 40, text: 'paper' };
      return { operation: random.percent(60) ? setNote(model, note) : removeNotes(model, ['note_1']), nodes: [] };
    }
    default:
      return { operation: random.percent(70) ? nudge(model, [id], 4 * random.below(50), 8) : tidyUp(model, 900), nodes: [] };
  }
}

/** The lines of these nodes, and the line that holds all of them if they stand on one. */
function linesOf(model: Model, ids: readonly string[]): Set<number> {
  const lines = new Set<number>();
  const { text } = model.source;
  const lineOf = (at: number): number => text.slice(0, at).split('\n').length - 1;
  for (const node of model.graph.nodes) {
    if (!ids.includes(node.id)) continue;
    for (let line = lineOf(node.keyFrom); line <= lineOf(Math.max(node.keyFrom, node.to)); line += 1) lines.add(line);
  }
  if (ids.includes('@output')) for (const place of model.graph.outputExpressions) lines.add(lineOf(place.from));
  return lines;
}

describe('a document', () => {
  it('gives its first text and layout back when 10,000 edits are undone, and each edit changes only its own lines', () => {
    // People do not trust a canvas that rewrites their file: an edit of one node once moved the comments of another.
    let edits = 0;
    let refused = 0;
    const examples = exampleTexts();
    for (let seed = 1; edits < 10_000; seed += 1) {
      const random = new Random(seed);
      const first = openDocument(examples[seed - 1] ?? workflowText(random), EMPTY_LAYOUT);
      const trail: WorkflowDocument[] = [first];
      let document = first;
      for (let round = 0; round < 12; round += 1) {
        const model = modelOf(document.text, document.layout);
        let made: ReturnType<typeof operate>;
        try {
          made = operate(random, model);
        } catch (error) {
          if (!(error instanceof EditRefused)) throw error;
          refused += 1;
          continue;
        }
        const next = apply(document, made.operation, edits * 10_000);
        if (next === document) continue;
        edits += 1;
        const own = linesOf(model, made.nodes);
        const removes = /^(Delete|Change|Disconnect) /.test(made.operation.label);
        // The line of `nodes:` changes when its last node goes or its first one comes.
        const lost = missingLine(document.text, next.text, (line, text) => own.has(line) || /^(nodes|\s+do):/.test(text) || (removes && /^\s+#/.test(text)));
        if (lost !== null) expect(lost, `seed ${String(seed)} ${made.operation.label}\n${document.text}\n====\n${next.text}`).toBeNull();
        document = next;
        trail.push(document);
      }
      const last = document;
      for (const earlier of trail.slice(0, -1).reverse()) {
        document = undo(document);
        if (document.text !== earlier.text) expect(document.text).toBe(earlier.text);
        expect(document.layout).toBe(earlier.layout);
      }
      expect(document.text).toBe(first.text);
      for (let step = 1; step < trail.length; step += 1) document = redo(document);
      expect(document.text).toBe(last.text);
      expect(document.layout).toBe(last.layout);
    }
    expect(refused / edits).toBeLessThan(0.35);
  });

  it('takes typing in one place as one step, and a pause as the end of it', () => {
    let document = openDocument('workflow: a\n');
    const type = (at: number, insert: string, when: number): void => {
      document = apply(document, { label: 'Type', changes: [[{ from: at, to: at, insert }]], joins: 'typing' }, when);
    };
    type(11, 'b', 0);
    type(12, 'c', 500);
    type(13, 'd', 3000);
    expect(document.text).toBe('workflow: abcd\n');
    document = undo(document);
    expect(document.text).toBe('workflow: abc\n');
    document = undo(document);
    expect(document.text).toBe('workflow: a\n');
    expect(undo(document)).toBe(document);
    document = redo(redo(document));
    expect(document.text).toBe('workflow: abcd\n');
  });

  it('forgets what was undone once something else is done', () => {
    let document = apply(openDocument('a'), { label: 'x', changes: [[{ from: 1, to: 1, insert: 'b' }]] });
    document = apply(undo(document), { label: 'y', changes: [[{ from: 1, to: 1, insert: 'c' }]] });
    expect(redo(document)).toBe(document);
    expect(document.text).toBe('ac');
  });
});
