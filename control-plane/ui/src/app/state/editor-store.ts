import { computed, effect, inject } from '@angular/core';
import { patchState, signalStore, withComputed, withHooks, withMethods, withProps, withState } from '@ngrx/signals';

import { LocalDrafts } from '../data/local-drafts';
import { apply, openDocument, redo, undo, type WorkflowDocument } from '../domain/document/document';
import type { DraftMark } from '../domain/document/mark';
import { type Model, modelOf } from '../domain/document/model';
import { EMPTY_LAYOUT, type Layout, rectangles } from '../domain/layout/layout';
import { type Change, difference } from '../domain/text/patch';
import { type Problem, problemsOf } from '../domain/workflow/problems';
import { BLANK } from '../domain/workflow/blank';
import type { Operation } from '../domain/workflow/operations';
import { EditRefused } from '../domain/yaml/edit';
import { Messages } from './messages';

interface EditorState {
  /** The document; null before one is opened. */
  readonly document: WorkflowDocument | null;
  /** Ids of selected nodes and notes; the last one is the one whose form is shown. */
  readonly selection: readonly string[];
  /** Id of the selected connection. */
  readonly edge: string | null;
  /** When the browser last kept the document; null if it could not. */
  readonly keptAt: number | null;
  /** What the control plane has of it; null: nothing that is known of. */
  readonly mark: DraftMark | null;
  /** What the engine's lint found, and in which text. */
  readonly verdict: { readonly text: string; readonly problems: readonly Problem[] } | null;
  /** A place in the text that the text view is to show. */
  readonly reveal: { readonly from: number; readonly to: number } | null;
}

const KEEP_AFTER_MS = 400;
const NO_DOCUMENT = openDocument('');

/** The document that is edited. Every change goes through `run` or `type`, so that every change can be undone. */
export const EditorStore = signalStore(
  { providedIn: 'root' },
  withState<EditorState>({ document: null, selection: [], edge: null, keptAt: null, mark: null, verdict: null, reveal: null }),
  withProps(() => ({ drafts: inject(LocalDrafts), messages: inject(Messages) })),
  withComputed((store) => {
    const current = computed(() => store.document() ?? NO_DOCUMENT);
    const text = computed(() => current().text);
    const model = computed(() => modelOf(text(), current().layout));
    return {
      current,
      text,
      model,
      graph: computed(() => model().graph),
      layout: computed(() => model().layout),
      rects: computed(() => rectangles(model().graph, model().layout.positions)),
      problems: computed(() => {
        // Whoever has written nothing has done nothing wrong.
        if (!store.document() || text() === BLANK) return [];
        const verdict = store.verdict();
        // The engine knows more kinds, ports and grants than the file alone shows, and decides.
        return verdict?.text === text() ? [...verdict.problems] : problemsOf(model().source, model().graph);
      }),
      undoLabel: computed(() => current().done.at(-1)?.label ?? null),
      redoLabel: computed(() => current().undone.at(-1)?.label ?? null),
    };
  }),
  withComputed((store) => ({
    problemsByNode: computed(() => {
      const found = new Map<string, string>();
      for (const problem of store.problems()) if (problem.node !== null && problem.warning !== true && !found.has(problem.node)) found.set(problem.node, problem.message);
      return found;
    }),
    /** How many findings forbid publishing, and how many somebody should look at. */
    counts: computed(() => {
      const warnings = store.problems().filter((problem) => problem.warning === true).length;
      return { errors: store.problems().length - warnings, warnings };
    }),
    selectedNode: computed(() => store.graph().byId.get(store.selection().at(-1) ?? '') ?? null),
    selectedNodes: computed(() => store.selection().filter((id) => store.graph().byId.has(id))),
  })),
  withMethods((store) => ({
    open(text: string, layout: Layout = EMPTY_LAYOUT, mark: DraftMark | null = null): void {
      const { layout: placed } = modelOf(text, layout);
      patchState(store, { document: openDocument(text, placed), selection: [], edge: null, reveal: null, mark });
    },
    close(): void {
      store.drafts.remove();
      patchState(store, { document: null, selection: [], edge: null, keptAt: null, mark: null });
    },
    /** Puts another text in the place of this one, as one step that can be undone. */
    replace(label: string, text: string, layout: Layout): void {
      const { layout: placed } = modelOf(text, layout);
      patchState(store, { document: apply(store.current(), { label, changes: [difference(store.text(), text)], layout: placed }, Date.now()) });
    },
    /** What the control plane has of the document now. */
    marked(mark: DraftMark | null): void {
      patchState(store, { mark });
    },
    /** Does an operation; one that is refused says why and changes nothing. Gives whether it was done. */
    run(make: (model: Model) => Operation): boolean {
      try {
        const operation = make(store.model());
        const document = apply(store.current(), operation, Date.now());
        patchState(store, { document, ...(operation.select ? { selection: operation.select, edge: null } : {}) });
        return true;
      } catch (error) {
        if (!(error instanceof EditRefused)) throw error;
        store.messages.refused(sentence(error.message));
        return false;
      }
    },
    /** A change that was typed in the text view. */
    type(change: Change): void {
      const next = apply(store.current(), { label: 'Edit the text', changes: [change] });
      const { layout } = modelOf(next.text, store.layout());
      patchState(store, { document: apply(store.current(), { label: 'Edit the text', changes: [change], layout, joins: 'text' }, Date.now()) });
    },
    undo(): void {
      patchState(store, { document: undo(store.current()) });
    },
    redo(): void {
      patchState(store, { document: redo(store.current()) });
    },
    select(ids: readonly string[], edge: string | null = null): void {
      const same = ids.length === store.selection().length && ids.every((id, index) => id === store.selection()[index]) && edge === store.edge();
      if (!same) patchState(store, { selection: ids, edge });
    },
    show(from: number, to: number): void {
      patchState(store, { reveal: { from, to } });
    },
    /** What the engine's lint says. */
    judged(verdict: EditorState['verdict']): void {
      patchState(store, { verdict });
    },
    kept(at: number | null): void {
      patchState(store, { keptAt: at });
    },
  })),
  withHooks((store) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let known: WorkflowDocument | null = null;
    let knownMark: DraftMark | null = null;
    return {
      onInit(): void {
        const draft = store.drafts.read();
        if (draft) {
          store.open(draft.text, draft.layout, draft.mark);
          store.kept(draft.at);
          known = store.document();
          knownMark = draft.mark;
        }
        // Keeps the document a moment after its last change.
        effect(() => {
          const document = store.document();
          const mark = store.mark();
          if (!document || (document === known && mark === knownMark)) return;
          [known, knownMark] = [document, mark];
          clearTimeout(timer);
          timer = setTimeout(() => {
            const at = Date.now();
            store.kept(store.drafts.write({ text: document.text, layout: document.layout, at, mark }) ? at : null);
          }, KEEP_AFTER_MS);
        });
      },
    };
  }),
);

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
