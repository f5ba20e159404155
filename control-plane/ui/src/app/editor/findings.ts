/** What the engine's lint found, at its places in the text and the graph. */
import type { CheckWorkflowData } from '../data/api/operations';
import { offsetOf } from '../domain/text/lines';
import type { WorkflowGraph } from '../domain/workflow/graph';
import type { Problem } from '../domain/workflow/problems';

export type Finding = CheckWorkflowData['checkWorkflow']['diagnostics'][number];

/** The problems of a text, which the graph was read from. */
export function problemsFrom(text: string, graph: WorkflowGraph, findings: readonly Finding[]): Problem[] {
  return findings.map((finding) => {
    const from = offsetOf(text, finding.line, finding.column);
    const end = text.indexOf('\n', from);
    const to = Math.max(from + 1, end < 0 ? text.length : end);
    const node = graph.nodes.filter((candidate) => from >= candidate.keyFrom && from <= candidate.to).at(-1);
    return { code: finding.code, message: finding.message, from, to: Math.min(to, text.length), node: node?.id ?? null, property: '', warning: finding.severity === 'WARNING', ...(finding.fix === null ? {} : { mend: finding.fix }) };
  });
}
