/** Completion inside `${…}` of the text view, from the same source as the forms have. */
import { autocompletion, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import type { Extension } from '@codemirror/state';

import { complete } from '../../domain/expression/complete';
import type { CatalogueEntry } from '../../domain/ports/interface';
import type { WorkflowGraph } from '../../domain/workflow/graph';
import { scopeOf } from '../../domain/workflow/scope';

/** The extension that completes expressions. */
export function expressionCompletion(graph: () => WorkflowGraph, catalogue: () => readonly CatalogueEntry[]): Extension {
  return autocompletion({ override: [(context) => offers(context, graph(), catalogue())], icons: false });
}

function offers(context: CompletionContext, graph: WorkflowGraph, catalogue: readonly CatalogueEntry[]): CompletionResult | null {
  const line = context.state.doc.lineAt(context.pos);
  const before = line.text.slice(0, context.pos - line.from);
  const open = before.lastIndexOf('${');
  if (open < 0 || before.slice(open).includes('}')) return null;
  const start = open + 2;
  const source = before.slice(start) + (/^[A-Za-z0-9_]*/.exec(line.text.slice(before.length))?.[0] ?? '');
  const node = [...graph.nodes].reverse().find((candidate) => candidate.keyFrom <= context.pos && context.pos <= candidate.to + 1);
  const found = complete(source, before.length - start, scopeOf(graph, node?.id ?? null, catalogue));
  if (found.options.length === 0) return null;
  const base = line.from + start;
  return {
    from: base + found.from,
    to: base + found.to,
    filter: false,
    options: found.options.map((option) => ({
      label: option.label,
      detail: option.preview ?? option.detail,
      apply: (view, _, from, to) => {
        view.dispatch({ changes: { from, to, insert: option.insert }, selection: { anchor: from + option.caret } });
      },
    })),
  };
}
