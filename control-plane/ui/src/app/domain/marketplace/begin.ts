/** The text of a workflow that begins with one operation of a connector. */
import type { Operation } from '../ports/interface';

/** A workflow with one node that calls the operation. Its form shows the ports that are to be filled in. */
export function workflowWith(connector: string, operation: Operation): string {
  const name = connector.split(':').at(-1) ?? connector;
  const node = operation.name.replace(/[^a-z0-9_]/g, '_');
  return `workflow: ${name}-${node.replaceAll('_', '-')}\nnodes:\n  ${node}:\n    call: ${connector}/${operation.name}\n`;
}
