/** What a document says: its text read as YAML, its graph, and what is wrong with it. */
import { placed } from '../layout/place';
import type { Layout } from '../layout/layout';
import type { WorkflowGraph } from '../workflow/graph';
import { readWorkflow } from '../workflow/read';
import { readYaml, type YamlSource } from '../yaml/tree';

export interface Model {
  readonly source: YamlSource;
  readonly graph: WorkflowGraph;
  /** The layout with a place for every node. */
  readonly layout: Layout;
}

/** The text that was read last, so that a layout that changes does not read it again. */
let last: { readonly text: string; readonly source: YamlSource; readonly graph: WorkflowGraph } | null = null;

/** Reads a text with its layout. */
export function modelOf(text: string, layout: Layout): Model {
  if (last?.text !== text) {
    const source = readYaml(text);
    last = { text, source, graph: readWorkflow(source) };
  }
  const { source, graph } = last;
  return { source, graph, layout: placed(graph, layout) };
}
