import { afterNextRender, ChangeDetectionStrategy, Component, computed, ElementRef, inject, Injector, input, output } from '@angular/core';

import { ExpressionBox } from '../../components/expression-box';
import { Icon } from '../../components/icon';
import { ValueBox } from '../../components/value-box';
import type { Scope } from '../../domain/expression/infer';
import { isObject, type Json } from '../../domain/json';
import { bareText } from '../../domain/workflow/kinds';

/** A change of one entry. */
export type EntryChange =
  | { readonly type: 'set'; readonly key: string; readonly value: Json }
  | { readonly type: 'rename'; readonly key: string; readonly to: string }
  | { readonly type: 'remove'; readonly key: string };

/** The entries of a mapping whose keys are the author's: fields of a set, cases of a switch, inputs, secrets. */
@Component({
  selector: 'ff-entries-box',
  templateUrl: './entries-box.html',
  imports: [ExpressionBox, Icon, ValueBox],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class EntriesBox {
  private readonly injector = inject(Injector);
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
  readonly value = input.required<Json | undefined>();
  readonly kind = input.required<'values' | 'expressions' | 'slots'>();
  readonly label = input.required<string>();
  /** What one of them is called: field, case, input, slot. */
  readonly word = input('field');
  readonly scope = input<Scope>(new Map());
  readonly suggestions = input<readonly string[]>([]);
  readonly changed = output<EntryChange>();
  protected readonly entries = computed(() => {
    const value = this.value();
    return isObject(value) ? Object.entries(value).map(([key, field]) => ({ key, field, text: bareText(field) })) : [];
  });

  protected readonly article = computed(() => (/^[aeiou]/.test(this.word()) ? 'an' : 'a'));

  protected rename(key: string, event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const to = event.target.value.trim();
    if (to === '' || to === key) event.target.value = key;
    else this.changed.emit({ type: 'rename', key, to });
  }

  protected slot(key: string, event: Event): void {
    if (event.target instanceof HTMLInputElement) this.changed.emit({ type: 'set', key, value: event.target.value });
  }

  protected add(): void {
    const keys = new Set(this.entries().map((entry) => entry.key));
    let key = this.word();
    for (let number = 2; keys.has(key); number += 1) key = `${this.word()}_${String(number)}`;
    this.changed.emit({ type: 'set', key, value: this.kind() === 'expressions' ? true : '' });
    // What was added is named next.
    afterNextRender(() => {
      const name = [...this.host.nativeElement.querySelectorAll<HTMLInputElement>('.entry-key')].find((box) => box.value === key);
      name?.focus();
      name?.select();
    }, { injector: this.injector });
  }
}
