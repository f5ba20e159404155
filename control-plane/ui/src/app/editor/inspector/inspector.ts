import { ChangeDetectionStrategy, Component, computed, type ElementRef, inject, output, signal, viewChild } from '@angular/core';

import { Icon } from '../../components/icon';
import { Tabs } from '../../components/tabs';
import { Catalogue } from '../../data/catalogue';
import { copyNodes } from '../../domain/workflow/clipboard';
import { type FieldPart, type FieldSpec, fieldsOf, isShown } from '../../domain/workflow/kinds';
import { duplicateNodes } from '../../domain/workflow/clipboard';
import { removeNodes, renameNode, setProperty } from '../../domain/workflow/operations';
import { wantedBy } from '../../domain/workflow/reach';
import { destinationName } from '../../domain/workflow/read';
import { scopeOf } from '../../domain/workflow/scope';
import { EditorStore } from '../../state/editor-store';
import { iconOf } from '../card';
import { PREVIEWER } from '../../components/previewer';
import { TryData } from '../try/try-data';
import { WorkflowForm } from '../workflow/workflow-form';
import { FieldEditor } from './field-editor';
import { NodePreviewer } from './node-previewer';

/** The form of the selected node, made from the table of kinds. */
@Component({
  selector: 'ff-inspector',
  templateUrl: './inspector.html',
  imports: [FieldEditor, Icon, Tabs, WorkflowForm],
  providers: [{ provide: PREVIEWER, useExisting: NodePreviewer }],
  changeDetection: ChangeDetectionStrategy.OnPush,
  // The canvas listens on the whole page; marking text here is not a drag of it.
  host: { class: 'insp', '(mousedown)': '$event.stopPropagation()', '(touchstart)': '$event.stopPropagation()' },
})
export class Inspector {
  protected readonly store = inject(EditorStore);
  private readonly catalogue = inject(Catalogue);
  private readonly data = inject(TryData);
  readonly closed = output();
  readonly textWanted = output();
  protected readonly tab = signal('inputs');
  private readonly nameBox = viewChild<ElementRef<HTMLInputElement>>('nameBox');
  protected readonly tabs = [{ id: 'inputs', label: 'Inputs' }, { id: 'behaviour', label: 'Behaviour' }, { id: 'text', label: 'Text' }] as const;
  protected readonly node = this.store.selectedNode;
  protected readonly icon = computed(() => {
    const node = this.node();
    return node ? iconOf(node) : 'code';
  });
  protected readonly fields = computed(() => {
    const node = this.node();
    const shown = node?.kind ? fieldsOf(node.kind).filter((spec) => isShown(spec, node.value)) : [];
    const of = (part: FieldPart): readonly FieldSpec[] => shown.filter((spec) => spec.part === part);
    return {
      inputs: of('inputs'),
      reach: of('reach'),
      behaviour: [
        { title: 'Order', icon: 'arrow-right', fields: of('order') },
        { title: 'When it fails', icon: 'retry', fields: of('failure') },
        { title: 'When the run fails later', icon: 'undo', fields: of('undo') },
      ],
    };
  });
  protected readonly scope = computed(() => scopeOf(this.store.graph(), this.node()?.id ?? null, this.catalogue.entries(), this.data.scopeData()));
  protected readonly asks = computed(() => {
    const node = this.node();
    return node ? wantedBy(node, this.store.graph()).filter((wanted) => !wanted.allowed).map((wanted) => ({ ...wanted, name: destinationName(wanted.origin) })) : [];
  });
  protected readonly text = computed(() => {
    const node = this.node();
    return node && this.tab() === 'text' ? copyNodes(this.store.model(), [node.id]) : '';
  });
  protected readonly readers = computed(() => {
    const id = this.node()?.id;
    return this.store.graph().nodes.filter((node) => node.uses.some((use) => use.name === id)).map((node) => node.id);
  });

  /** Puts the caret into the name. */
  rename(): void {
    const box = this.nameBox()?.nativeElement;
    box?.focus();
    box?.select();
  }

  /** Puts the caret into the first field. */
  focusFirst(): void {
    this.tab.set('inputs');
    setTimeout(() => {
      document.querySelector<HTMLElement>('.insp .fields :is(input, textarea, select)')?.focus();
    });
  }

  protected onName(event: Event): void {
    const node = this.node();
    if (!node || !(event.target instanceof HTMLInputElement)) return;
    const box = event.target;
    if (!this.store.run((model) => renameNode(model, node.id, box.value))) box.value = node.id;
  }

  protected onNameKey(event: KeyboardEvent): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    if (event.key === 'Enter') event.target.blur();
    if (event.key === 'Escape') event.target.value = this.node()?.id ?? '';
  }

  protected allow(entry: string): void {
    const node = this.node();
    if (!node) return;
    const known = Array.isArray(node.value['allow']) ? node.value['allow'].length : 0;
    this.store.run((model) => setProperty(model, node.id, ['allow', known], entry));
  }

  protected remove(): void {
    const id = this.node()?.id;
    if (id !== undefined && this.store.run((model) => removeNodes(model, [id]))) this.store.messages.done(`${id} deleted`, { label: 'Undo', run: () => { this.store.undo(); } });
  }

  protected duplicate(): void {
    const id = this.node()?.id;
    if (id !== undefined) this.store.run((model) => duplicateNodes(model, [id]));
  }
}
