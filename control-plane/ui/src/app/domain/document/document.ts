/**
 * A workflow document: its text, its layout, and what was done to them.
 *
 * The text is the truth; the graph is read from it. Every change, from the canvas, a form or the text view, is a step
 * that can be undone. Invariant: undoing every step gives the first text byte for byte and the first layout.
 */
import { EMPTY_LAYOUT, type Layout } from '../layout/layout';
import { applyChange, type Change, difference, invertChange } from '../text/patch';

/** What was done in one go. */
export interface Step {
  /** What it was, for people: `Rename fetch to load`. */
  readonly label: string;
  readonly changes: readonly Change[];
  readonly inverse: readonly Change[];
  readonly before: Layout;
  readonly after: Layout;
  /** Steps of the same kind that follow each other at once are one step: typing in one place. */
  readonly joins: string | null;
  /** Milliseconds; only differences count. */
  readonly at: number;
}

/** A document and its history. Never changed: each step gives another one. */
export interface WorkflowDocument {
  readonly text: string;
  readonly layout: Layout;
  readonly done: readonly Step[];
  readonly undone: readonly Step[];
}

/** What is to be done. */
export interface Edit {
  readonly label: string;
  readonly changes?: readonly Change[];
  readonly layout?: Layout;
  readonly joins?: string;
}

const JOIN_MS = 1000;
const STEPS_MAX = 1000;

/** A new document. */
export function openDocument(text: string, layout: Layout = EMPTY_LAYOUT): WorkflowDocument {
  return { text, layout, done: [], undone: [] };
}

/** The document after an edit; the same one if the edit changes nothing. */
export function apply(document: WorkflowDocument, edit: Edit, at = 0): WorkflowDocument {
  const changes = (edit.changes ?? []).filter((change) => change.length > 0);
  const layout = edit.layout ?? document.layout;
  if (changes.length === 0 && layout === document.layout) return document;
  const inverse: Change[] = [];
  let text = document.text;
  for (const change of changes) {
    inverse.unshift(invertChange(text, change));
    text = applyChange(text, change);
  }
  const joins = edit.joins ?? null;
  const step: Step = { label: edit.label, changes, inverse, before: document.layout, after: layout, joins, at };
  const last = document.done.at(-1);
  const joined = last && joins !== null && last.joins === joins && at - last.at <= JOIN_MS && document.undone.length === 0;
  const done = joined ? [...document.done.slice(0, -1), together(document.text, last, step, text)] : [...document.done, step];
  return { text, layout, done: done.slice(-STEPS_MAX), undone: [] };
}

/** Two steps as one. `text` is the text between them, `now` the one after both. */
function together(text: string, first: Step, second: Step, now: string): Step {
  const start = first.inverse.reduce((current, change) => applyChange(current, change), text);
  const change = difference(start, now);
  return {
    ...second,
    label: first.label,
    changes: change.length === 0 ? [] : [change],
    inverse: change.length === 0 ? [] : [invertChange(start, change)],
    before: first.before,
  };
}

/** The document without its last step. */
export function undo(document: WorkflowDocument): WorkflowDocument {
  const step = document.done.at(-1);
  if (!step) return document;
  const text = step.inverse.reduce((current, change) => applyChange(current, change), document.text);
  return { text, layout: step.before, done: document.done.slice(0, -1), undone: [...document.undone, step] };
}

/** The document with the step that was undone last. */
export function redo(document: WorkflowDocument): WorkflowDocument {
  const step = document.undone.at(-1);
  if (!step) return document;
  const text = step.changes.reduce((current, change) => applyChange(current, change), document.text);
  return { text, layout: step.after, done: [...document.done, { ...step, joins: null }], undone: document.undone.slice(0, -1) };
}
