/** The text of a workflow that nobody has written anything in. */
export const BLANK = 'workflow: new-workflow\nnodes:\n';
