/** How the states of runs and nodes look, and what they are called. The words are the engine's. */

/** What a state looks like: its shape and colour. */
export type Look = 'queued' | 'running' | 'waiting' | 'paused' | 'done' | 'failed' | 'review' | 'skipped' | 'offline';

/** A state as it is shown. */
export interface Shown {
  readonly look: Look;
  readonly word: string;
}

/** Every state of a run, by the name that the API has for it. */
export const RUN_STATES = {
  QUEUED: { look: 'queued', word: 'Queued' },
  RUNNING: { look: 'running', word: 'Running' },
  WAITING: { look: 'waiting', word: 'Waiting' },
  NEEDS_REVIEW: { look: 'review', word: 'Needs review' },
  PAUSED: { look: 'paused', word: 'Paused' },
  LOST: { look: 'offline', word: 'Lost by its host' },
  DONE: { look: 'done', word: 'Done' },
  FAILED: { look: 'failed', word: 'Failed' },
  REJECTED: { look: 'failed', word: 'Rejected' },
  EXPIRED: { look: 'failed', word: 'Expired' },
  CANCELLED: { look: 'skipped', word: 'Cancelled' },
} as const satisfies Readonly<Record<string, Shown>>;

export type RunStateName = keyof typeof RUN_STATES;

/** Every state of a node, by the name that the table of a run has for it. */
const NODE_STATES: Readonly<Record<string, Shown>> = {
  pending: { look: 'queued', word: 'Pending' },
  running: { look: 'running', word: 'Running' },
  retrying: { look: 'running', word: 'Tries again' },
  waiting: { look: 'waiting', word: 'Waiting' },
  needs_review: { look: 'review', word: 'Needs review' },
  done: { look: 'done', word: 'Done' },
  skipped: { look: 'skipped', word: 'Skipped' },
  failed: { look: 'failed', word: 'Failed' },
  rejected: { look: 'failed', word: 'Rejected' },
  expired: { look: 'failed', word: 'Expired' },
  stopped: { look: 'skipped', word: 'Stopped' },
  not_run: { look: 'skipped', word: 'Not run' },
};

/** How a node's state is shown; a state that is not known here is shown by its own name. */
export function nodeState(name: string): Shown {
  return NODE_STATES[name] ?? { look: 'queued', word: name };
}

/** Whether a run in this state is over. */
export function isOver(state: RunStateName): boolean {
  return ['DONE', 'FAILED', 'REJECTED', 'EXPIRED', 'CANCELLED'].includes(state);
}

/** Whether the name is one of a run's states. */
export function isRunState(name: string): name is RunStateName {
  return Object.hasOwn(RUN_STATES, name);
}
