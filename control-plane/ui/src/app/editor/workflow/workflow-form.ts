import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';

import { Icon } from '../../components/icon';
import { NamesBox } from '../../components/names-box';
import { PREVIEWER } from '../../components/previewer';
import { Catalogue } from '../../data/catalogue';
import { scopeOf } from '../../domain/workflow/scope';
import { addInput, addTrigger, inputRows, renameSection, secretNames, setSection, type TriggerType, triggerRows } from '../../domain/workflow/sections';
import { EditorStore } from '../../state/editor-store';
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
  protected readonly graph = this.store.graph;
  protected readonly triggers = computed(() => triggerRows(this.store.model()));
  protected readonly inputs = computed(() => inputRows(this.store.model()));
  protected readonly secrets = computed(() => secretNames(this.store.model()));
  protected readonly scope = computed(() => scopeOf(this.store.graph(), null, this.catalogue.entries(), this.data.scopeData()));

  protected setTitle(event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const title = event.target.value.trim();
    this.store.run((model) => setSection(model, ['title'], title === '' ? undefined : title));
  }

  protected trigger(type: TriggerType): void {
    this.store.run((model) => addTrigger(model, type));
  }

  protected input(): void {
    this.store.run(addInput);
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
