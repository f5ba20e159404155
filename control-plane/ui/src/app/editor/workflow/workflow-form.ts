import { afterNextRender, ChangeDetectionStrategy, Component, computed, ElementRef, inject, Injector, signal } from '@angular/core';

import { Icon } from '../../components/icon';
import { NamesBox } from '../../components/names-box';
import { PREVIEWER } from '../../components/previewer';
import { Catalogue } from '../../data/catalogue';
import { isWorkflowName } from '../../domain/document/mark';
import { scopeOf } from '../../domain/workflow/scope';
import { addInput, addTrigger, inputRows, renameSection, secretNames, setSection, type TriggerType, triggerRows } from '../../domain/workflow/sections';
import { EditorStore } from '../../state/editor-store';
import { DraftKeeper } from '../drafts/draft-keeper';
import { EntriesBox, type EntryChange } from '../inspector/entries-box';
import { NodePreviewer } from '../inspector/node-previewer';
import { TryData } from '../try/try-data';
import { InputForm } from './input-form';
import { TriggerForm } from './trigger-form';

/** The form of the workflow itself: what starts it, what it asks for, what is fixed in it, and what it gives. */
@Component({
  selector: 'ff-workflow-form',
  templateUrl: './workflow-form.html',
  imports: [EntriesBox, Icon, InputForm, NamesBox, TriggerForm],
  providers: [{ provide: PREVIEWER, useExisting: NodePreviewer }],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class WorkflowForm {
  private readonly store = inject(EditorStore);
  private readonly catalogue = inject(Catalogue);
  private readonly data = inject(TryData);
  private readonly injector = inject(Injector);
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
  private readonly keeper = inject(DraftKeeper);
  protected readonly wrongName = signal<string | null>(null);
  protected readonly published = computed(() => this.keeper.published() !== null);
  protected readonly graph = this.store.graph;
  protected readonly triggers = computed(() => triggerRows(this.store.model()));
  protected readonly inputs = computed(() => inputRows(this.store.model()));
  protected readonly secrets = computed(() => secretNames(this.store.model()));
  protected readonly scope = computed(() => scopeOf(this.store.graph(), null, this.catalogue.entries(), this.data.scopeData()));

  /** A name is where the draft is kept, so that a wrong one is not written at all. */
  protected setName(event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const name = event.target.value.trim();
    this.wrongName.set(isWorkflowName(name) ? null : 'Small letters, digits and hyphens, and a letter first.');
    if (this.wrongName() === null) this.store.run((model) => setSection(model, ['workflow'], name));
  }

  protected setTitle(event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const title = event.target.value.trim();
    this.store.run((model) => setSection(model, ['title'], title === '' ? undefined : title));
  }

  protected trigger(type: TriggerType): void {
    if (this.store.run((model) => addTrigger(model, type))) this.goTo('ff-trigger-form');
  }

  protected input(): void {
    if (this.store.run(addInput)) this.goTo('ff-input-form');
  }

  /** What was added is named next. */
  private goTo(form: string): void {
    afterNextRender(() => {
      const name = [...this.host.nativeElement.querySelectorAll<HTMLInputElement>(`${form} .entry-key`)].at(-1);
      name?.focus();
      name?.select();
    }, { injector: this.injector });
  }

  protected setSecrets(names: readonly string[]): void {
    this.store.run((model) => setSection(model, ['secrets'], names.length === 0 ? undefined : [...names]));
  }

  protected entry(section: 'config' | 'output', change: EntryChange): void {
    const path = [section, change.key];
    if (change.type === 'rename') this.store.run((model) => renameSection(model, path, change.to));
    else this.store.run((model) => setSection(model, path, change.type === 'set' ? change.value : undefined));
  }
}
