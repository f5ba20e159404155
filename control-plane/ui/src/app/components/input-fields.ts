import { ChangeDetectionStrategy, Component, input, model } from '@angular/core';

import type { InputField } from '../domain/runs/input-form';

/** The input that a workflow asks for, with what its schema says of each value. */
@Component({
  selector: 'ff-input-fields',
  template: `
    @for (field of fields(); track field.name) {
      <div class="field">
        <label class="lab" [for]="'in-' + field.name">{{ field.name }} <span class="type">{{ field.words }}</span></label>
        @switch (field.control) {
          @case ('choice') {
            <select class="input" [id]="'in-' + field.name" [value]="texts().get(field.name) ?? ''" (change)="onText(field.name, $event)">
              @if (!field.required) {<option value="">not given</option>}
              @for (option of field.options; track option) {<option [value]="option" [selected]="option === texts().get(field.name)">{{ option }}</option>}
            </select>
          }
          @case ('json') {
            <textarea class="input mono" rows="4" spellcheck="false" [id]="'in-' + field.name" [attr.aria-invalid]="mistakes().has(field.name)" [value]="texts().get(field.name) ?? ''" (input)="onText(field.name, $event)"></textarea>
          }
          @default {
            <input class="input" [id]="'in-' + field.name" [attr.inputmode]="field.control === 'number' ? 'decimal' : null" [attr.aria-invalid]="mistakes().has(field.name)" [value]="texts().get(field.name) ?? ''" (input)="onText(field.name, $event)" />
          }
        }
        @if (mistakes().get(field.name); as mistake) {<span class="error" role="alert">{{ mistake }}</span>}
        @if (field.docs) {<span class="help">{{ field.docs }}</span>}
      </div>
    } @empty {
      <p class="small t2">It asks for nothing.</p>
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'fields-list' },
})
export class InputFields {
  readonly fields = input.required<readonly InputField[]>();
  /** What is wrong, by the name of the field. */
  readonly mistakes = input<ReadonlyMap<string, string>>(new Map());
  /** What stands in the fields. */
  readonly texts = model.required<ReadonlyMap<string, string>>();

  protected onText(name: string, event: Event): void {
    const { target } = event;
    if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) this.texts.update((texts) => new Map(texts).set(name, target.value));
  }
}
