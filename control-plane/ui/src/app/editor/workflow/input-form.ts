import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';

import { Icon } from '../../components/icon';
import type { Json } from '../../domain/json';
import { jsonText } from '../../domain/json-text';
import { plain } from '../../domain/workflow/field';
import { type InputRow, renameSection, setSection } from '../../domain/workflow/sections';
import { readJson } from '../../domain/typed-json';
import { EditorStore } from '../../state/editor-store';

const TYPES = [{ name: 'string', words: 'text' }, { name: 'number', words: 'number' }, { name: 'integer', words: 'whole number' }, { name: 'boolean', words: 'yes or no' }, { name: 'array', words: 'list' }, { name: 'object', words: 'object' }, { name: 'any', words: 'anything' }] as const;

/** One field of what a run is asked for: its name, its type, what it is for, and what holds without it. */
@Component({
  selector: 'ff-input-form',
  template: `
    @let field = row();
    <div class="entry-head"><input class="entry-key" [value]="field.name" [attr.aria-label]="'Name of the input ' + field.name" spellcheck="false" autocomplete="off" (change)="rename($event)" /><button type="button" class="btn quiet icon" [attr.aria-label]="'Delete the input ' + field.name" title="Delete" (click)="put([], undefined)"><ff-icon name="x" size="s" /></button></div>
    <div class="input-line"><span class="select"><select [attr.aria-label]="'Type of ' + field.name" (change)="setType($event)">@for (one of types; track one.name) {<option [value]="one.name" [selected]="one.name === type()">{{ one.words }}</option>}</select><ff-icon name="chevron-down" size="s" /></span><input class="input" [attr.aria-label]="'Usual value of ' + field.name" placeholder="usual value" [value]="usual()" autocomplete="off" (change)="setUsual($event)" /></div>
    <input class="input" [attr.aria-label]="'What ' + field.name + ' is for'" placeholder="what it is for" [value]="word('description')" autocomplete="off" (change)="setDocs($event)" />
    <label class="check small"><input type="checkbox" [checked]="field.value['optional'] === true" (change)="setOptional($event)" />may be left out</label>
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class InputForm {
  private readonly store = inject(EditorStore);
  readonly row = input.required<InputRow>();
  protected readonly types = TYPES;
  protected readonly type = computed(() => this.word('type') || 'any');
  protected readonly usual = computed(() => {
    const value = this.row().value['default'];
    return value === undefined ? '' : typeof value === 'string' ? value : jsonText(value);
  });

  protected word(key: string): string {
    return plain(this.row().value[key]);
  }

  protected rename(event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const { name } = this.row();
    const to = event.target.value.trim();
    if (to !== name && !this.store.run((model) => renameSection(model, ['input', name], to))) event.target.value = name;
  }

  protected setType(event: Event): void {
    if (event.target instanceof HTMLSelectElement) this.put(['type'], event.target.value);
  }

  /** Text as it stands; anything else as JSON. */
  protected setUsual(event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const text = event.target.value.trim();
    if (text === '') this.put(['default'], undefined);
    else if (this.type() === 'string') this.put(['default'], text);
    else {
      const { value, mistake } = readJson(text);
      if (value === undefined) this.store.messages.refused(mistake ?? 'This is not JSON.');
      else this.put(['default'], value);
    }
  }

  protected setDocs(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.put(['description'], event.target.value.trim() === '' ? undefined : event.target.value.trim());
  }

  protected setOptional(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.put(['optional'], event.target.checked ? true : undefined);
  }

  protected put(path: readonly string[], value: Json | undefined): void {
    const { name } = this.row();
    this.store.run((model) => setSection(model, ['input', name, ...path], value));
  }
}
