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

/** Reads a text with its layout. */
export function modelOf(text: string, layout: Layout): Model {
  const source = readYaml(text);
  const graph = readWorkflow(source);
  return { source, graph, layout: placed(graph, layout) };
}
