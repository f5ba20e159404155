/** What people from other products look for and do not need, each with what does it here. */
export interface Unneeded {
  readonly title: string;
  readonly words: readonly string[];
  readonly instead: string;
  readonly icon: string;
}

export const UNNEEDED: readonly Unneeded[] = [
  { title: 'merge', words: ['merge', 'join', 'combine', 'join branches'], instead: 'A node may come after several: drag from each of them to it.', icon: 'branch' },
  { title: 'respond to webhook', words: ['respond to webhook', 'respond', 'webhook response', 'return'], instead: 'A node with `respond:`, written in the text, answers the webhook; or set `answer: result` on the trigger.', icon: 'webhook' },
  { title: 'webhook', words: ['webhook', 'webhook trigger', 'on webhook call', 'http trigger'], instead: 'Triggers stand beside the nodes, under `triggers` in the text.', icon: 'webhook' },
  { title: 'schedule', words: ['schedule', 'cron', 'schedule trigger', 'timer', 'interval'], instead: 'Triggers stand beside the nodes, under `triggers` in the text.', icon: 'schedule' },
  { title: 'manual trigger', words: ['manual trigger', 'start', 'trigger', 'click'], instead: 'A run can always be started by hand.', icon: 'start' },
  { title: 'sticky note', words: ['sticky', 'sticky note', 'note', 'comment'], instead: 'Press N on the canvas, or write a comment in the text.', icon: 'note' },
  { title: 'credential', words: ['credential', 'credentials', 'api key', 'password', 'token'], instead: 'A secret: its name stands under `secrets`, and in the slot of the node that uses it.', icon: 'key' },
  { title: 'split out', words: ['split out', 'item lists', 'unwind'], instead: 'A list stays a list; For each goes through it.', icon: 'foreach' },
  { title: 'no operation', words: ['no operation', 'noop', 'do nothing', 'pass'], instead: 'Connect the nodes around it.', icon: 'arrow-right' },
  { title: 'error trigger', words: ['error trigger', 'error workflow', 'catch', 'stop and error', 'try'], instead: 'A failed call is tried again by itself; see Behaviour of the node.', icon: 'alert' },
];
