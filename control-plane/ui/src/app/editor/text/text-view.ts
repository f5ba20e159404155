import { ChangeDetectionStrategy, Component, DestroyRef, effect, ElementRef, inject, untracked } from '@angular/core';
import { closeBrackets, closeBracketsKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, indentWithTab } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, foldGutter, foldKeymap, indentUnit } from '@codemirror/language';
import { type Diagnostic, lintGutter, setDiagnostics } from '@codemirror/lint';
import { Annotation, EditorState, StateEffect, StateField } from '@codemirror/state';
import { Decoration, type DecorationSet, drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';

import { Catalogue } from '../../data/catalogue';
import { difference, type Patch } from '../../domain/text/patch';
import { pathAt } from '../../domain/yaml/tree';
import { EditorStore } from '../../state/editor-store';
import { highlighting } from './highlight';
import { expressionCompletion } from './text-completion';

/** Marks transactions that bring the store's text in, so that they are not taken for typing. */
const FROM_STORE = Annotation.define<boolean>();
const setMarked = StateEffect.define<readonly { from: number; to: number }[]>();

/** The lines of the selected nodes. */
const marked = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(lines, transaction) {
    let next = lines.map(transaction.changes);
    for (const change of transaction.effects) {
      if (!change.is(setMarked)) continue;
      const line = Decoration.line({ class: 'cm-of-selection' });
      const starts = new Set<number>();
      for (const range of change.value) {
        const last = transaction.state.doc.lineAt(Math.min(range.to, transaction.state.doc.length));
        for (let at = transaction.state.doc.lineAt(Math.min(range.from, transaction.state.doc.length)); ; at = transaction.state.doc.line(at.number + 1)) {
          starts.add(at.from);
          if (at.number >= last.number) break;
        }
      }
      next = Decoration.set([...starts].sort((a, b) => a - b).map((from) => line.range(from)));
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** The workflow as text. The same document as the canvas: both see each change at once, and undo is one for both. */
@Component({
  selector: 'ff-text-view',
  template: '',
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'text-view' },
})
export class TextView {
  private readonly store = inject(EditorStore);
  private readonly catalogue = inject(Catalogue);
  private readonly view: EditorView;

  constructor() {
    const host = inject<ElementRef<HTMLElement>>(ElementRef).nativeElement;
    this.view = new EditorView({ parent: host, state: this.state(this.store.text()) });
    inject(DestroyRef).onDestroy(() => {
      this.view.destroy();
    });
    effect(() => {
      this.bring(this.store.text());
    });
    effect(() => {
      const problems = this.store.problems();
      const length = this.view.state.doc.length;
      const diagnostics = problems.map((problem): Diagnostic => ({
        from: Math.min(problem.from, length),
        to: Math.min(problem.to, length),
        severity: problem.warning === true ? 'warning' : 'error',
        message: `${problem.message}${problem.mend === undefined ? '' : `\n${problem.mend}`}`,
        source: problem.code,
      }));
      this.view.dispatch(setDiagnostics(this.view.state, diagnostics));
    });
    effect(() => {
      const graph = this.store.graph();
      const ranges = this.store.selection().flatMap((id) => {
        const node = graph.byId.get(id);
        return node ? [{ from: node.keyFrom, to: Math.max(node.keyTo, node.to - 1) }] : [];
      });
      this.view.dispatch({ effects: setMarked.of(ranges) });
      const first = ranges[0];
      if (first && !this.view.hasFocus) this.view.dispatch({ effects: EditorView.scrollIntoView(first.from, { y: 'nearest', yMargin: 60 }) });
    });
    effect(() => {
      const place = this.store.reveal();
      if (!place) return;
      const at = Math.min(place.from, this.view.state.doc.length);
      this.view.dispatch({ selection: { anchor: at, head: Math.min(place.to, this.view.state.doc.length) }, effects: EditorView.scrollIntoView(at, { y: 'center' }) });
      this.view.focus();
    });
  }


  private state(text: string): EditorState {
    return EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(), foldGutter(), lintGutter(), drawSelection(), highlightActiveLine(), bracketMatching(), closeBrackets(), yaml(), marked, highlighting, indentUnit.of('  '),
        EditorState.lineSeparator.of(text.includes('\r\n') ? '\r\n' : '\n'),
        EditorView.contentAttributes.of({ 'aria-label': 'Text of the workflow', tabindex: '0' }),
        expressionCompletion(() => this.store.graph(), () => this.catalogue.entries()),
        keymap.of([
          { key: 'Mod-z', run: () => (this.store.undo(), true), preventDefault: true },
          { key: 'Mod-y', run: () => (this.store.redo(), true), preventDefault: true },
          { key: 'Mod-Shift-z', run: () => (this.store.redo(), true), preventDefault: true },
          ...closeBracketsKeymap, ...foldKeymap, ...defaultKeymap.filter((binding) => binding.key !== 'Mod-z'), indentWithTab,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !update.transactions.some((transaction) => transaction.annotation(FROM_STORE))) {
            const before = update.startState.sliceDoc();
            if (before === this.store.text()) {
              const patches: Patch[] = [];
              update.changes.iterChanges((fromA, toA, _fromB, _toB, inserted) => {
                const eol = update.state.lineBreak;
                patches.push({ from: offset(before, fromA, eol), to: offset(before, toA, eol), insert: inserted.toString().replaceAll('\n', eol) });
              });
              this.store.type(patches);
            } else {
              this.store.type(difference(this.store.text(), update.state.sliceDoc()));
            }
          } else if (update.selectionSet && this.view.hasFocus && !update.docChanged) {
            this.selectAt(update.state.selection.main.head);
          }
        }),
      ],
    });
  }

  /** Takes the store's text over, changing only what differs. */
  private bring(text: string): void {
    const known = this.view.state.sliceDoc();
    if (known === text) return;
    const separator = text.includes('\r\n') ? '\r\n' : '\n';
    if (this.view.state.lineBreak !== separator) {
      this.view.setState(this.state(text));
      return;
    }
    const changes = difference(known.replaceAll('\r\n', '\n'), text.replaceAll('\r\n', '\n'));
    untracked(() => {
      this.view.dispatch({ changes, annotations: FROM_STORE.of(true) });
    });
  }

  /** Selects the node that the caret is in. */
  private selectAt(position: number): void {
    const path = pathAt(this.store.model().source.root, position);
    const id = [...path].reverse().find((step) => typeof step === 'string' && this.store.graph().byId.get(step)?.path.every((part, index) => part === path[index]));
    if (typeof id === 'string') this.store.select([id]);
  }
}

/** A position of the editor, where a line break is one character, in the text. */
function offset(text: string, position: number, eol: string): number {
  if (eol.length === 1) return position;
  let at = 0;
  for (let left = position; left > 0; left -= 1) at += text.startsWith(eol, at) ? eol.length : 1;
  return at;
}
