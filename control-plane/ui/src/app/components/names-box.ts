import { ChangeDetectionStrategy, Component, input, output } from '@angular/core';

import { Icon } from './icon';

let boxes = 0;

/** A list of names: each as a chip that can be taken away, and a box for one more. */
@Component({
  selector: 'ff-names-box',
  template: `
    <div class="input names">
      @for (name of names(); track $index) {
        <span class="chip"><span class="cut">{{ name }}</span><button type="button" [attr.aria-label]="'Remove ' + name" (click)="remove($index)"><ff-icon name="x" size="xs" /></button></span>
      }
      <input #box [attr.aria-label]="'Add to ' + label()" [attr.list]="suggestions().length > 0 ? id : null" [placeholder]="names().length === 0 ? placeholder() : ''" (keydown)="onKey($event, box)" (change)="add(box)" />
    </div>
    @if (suggestions().length > 0) {
      <datalist [id]="id">@for (name of suggestions(); track name) {<option [value]="name"></option>}</datalist>
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class NamesBox {
  readonly names = input.required<readonly string[]>();
  readonly label = input.required<string>();
  readonly placeholder = input('');
  readonly suggestions = input<readonly string[]>([]);
  readonly changed = output<readonly string[]>();
  protected readonly id = `names-${String(boxes++)}`;

  protected remove(index: number): void {
    this.changed.emit(this.names().filter((_, other) => other !== index));
  }

  protected add(box: HTMLInputElement): void {
    const name = box.value.trim();
    box.value = '';
    if (name !== '' && !this.names().includes(name)) this.changed.emit([...this.names(), name]);
  }

  protected onKey(event: KeyboardEvent, box: HTMLInputElement): void {
    if (event.key === 'Enter' || event.key === ',') {
      event.preventDefault();
      this.add(box);
    } else if (event.key === 'Backspace' && box.value === '' && this.names().length > 0) {
      this.remove(this.names().length - 1);
    }
  }
}
