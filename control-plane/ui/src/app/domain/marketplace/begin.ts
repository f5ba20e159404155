/** The text of a workflow that begins with one operation of a connector. */
import type { Operation } from '../ports/interface';

/** A workflow with one node that calls the operation; required ports stand in it to be filled in. */
export function workflowWith(connector: string, operation: Operation): string {
  const name = connector.split(':').at(-1) ?? connector;
  const node = operation.name.replace(/[^a-z0-9_]/g, '_');
  const ports = operation.params.filter((port) => port.ty.type !== 'option');
  const given = ports.length === 0 ? '' : `    with:\n${ports.map((port) => `      ${port.name}: ""\n`).join('')}`;
  return `workflow: ${name}-${node.replaceAll('_', '-')}\nnodes:\n  ${node}:\n    call: ${connector}/${operation.name}\n${given}`;
}
