/** What people from other products look for and do not need, each with what does it here. */
export interface Unneeded {
  readonly title: string;
  readonly words: readonly string[];
  readonly instead: string;
  readonly icon: string;
}

/** What starts a workflow by itself, and the words by which it is looked for. */
export const TRIGGERS = [
  { trigger: 'webhook', title: 'Webhook', docs: 'Starts a run when another system sends a request.', icon: 'webhook', words: ['webhook', 'webhook trigger', 'on webhook call', 'http trigger', 'trigger', 'hook'] },
  { trigger: 'schedule', title: 'Schedule', docs: 'Starts a run at times that a time table says.', icon: 'schedule', words: ['schedule', 'cron', 'schedule trigger', 'timer', 'interval', 'trigger'] },
] as const;

export const UNNEEDED: readonly Unneeded[] = [
  { title: 'merge', words: ['merge', 'join', 'combine', 'join branches'], instead: 'A node may come after several: drag from each of them to it.', icon: 'branch' },
  { title: 'manual trigger', words: ['manual trigger', 'start', 'trigger', 'click'], instead: 'A run can always be started by hand.', icon: 'start' },
  { title: 'sticky note', words: ['sticky', 'sticky note', 'note', 'comment'], instead: 'Press N on the canvas, or write a comment in the text.', icon: 'note' },
  { title: 'credential', words: ['credential', 'credentials', 'api key', 'password', 'token'], instead: 'A secret: its value is set under Secrets, and its name stands in the slot of the node that uses it.', icon: 'key' },
  { title: 'split out', words: ['split out', 'item lists', 'unwind'], instead: 'A list stays a list; For each goes through it.', icon: 'foreach' },
  { title: 'no operation', words: ['no operation', 'noop', 'do nothing', 'pass'], instead: 'Connect the nodes around it.', icon: 'arrow-right' },
  { title: 'error trigger', words: ['error trigger', 'error workflow', 'catch', 'stop and error', 'try'], instead: 'A failed call is tried again by itself; see Behaviour of the node.', icon: 'alert' },
];
