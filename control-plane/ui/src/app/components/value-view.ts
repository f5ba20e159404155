import { ChangeDetectionStrategy, Component, computed, input, signal } from '@angular/core';

import { isList, isObject, type Json } from '../domain/json';
import { jsonText } from '../domain/json-text';
import { schemaOf, search, sizeWords, tableOf, TEXT_MAX } from '../domain/runs/data';
import { saveText } from './save';
import { Icon } from './icon';

/** Characters from which on there is a box to search in it. */
const SEARCH_LEAST = 400;

type Face = 'table' | 'json' | 'schema';

let views = 0;

/** A value as a table, as JSON, or as the shape of its parts, with search. What is long is cut, says so, and can be saved whole. */
@Component({
  selector: 'ff-value',
  templateUrl: './value-view.html',
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'value-view' },
})
export class ValueView {
  readonly heading = input.required<string>();
  readonly value = input.required<Json | undefined>();
  /** What is said when there is no value. */
  readonly absent = input('There is no value.');
  /** The name of the file when it is saved. */
  readonly file = input('value');
  protected readonly id = `value-${String(views++)}`;
  protected readonly word = signal('');
  private readonly chosen = signal<Face | null>(null);
  protected readonly large = computed(() => {
    const value = this.value();
    return isList(value) || isObject(value);
  });
  /** Whether it is more than one sees at once. */
  protected readonly searchable = computed(() => this.large() && (this.word() !== '' || this.whole().length > SEARCH_LEAST));
  private readonly whole = computed(() => {
    const value = this.value();
    return value === undefined ? '' : jsonText(value, 2);
  });
  protected readonly size = computed(() => sizeWords(new Blob([this.whole()]).size));
  protected readonly table = computed(() => tableOf(this.value(), this.word()));
  protected readonly faces = computed(() => {
    const all: { readonly id: Face; readonly label: string }[] = [];
    if (this.table()) all.push({ id: 'table', label: 'Table' });
    return [...all, { id: 'json', label: 'JSON' }, { id: 'schema', label: 'Schema' }] as const;
  });
  protected readonly face = computed((): Face => {
    const chosen = this.chosen();
    return chosen !== null && this.faces().some(({ id }) => id === chosen) ? chosen : this.table() ? 'table' : 'json';
  });
  protected readonly schema = computed(() => {
    const value = this.value();
    return value === undefined || this.face() !== 'schema' ? [] : schemaOf(value);
  });
  protected readonly found = computed(() => {
    const value = this.value();
    return value === undefined || this.face() !== 'json' || this.word().trim() === '' ? null : search(value, this.word());
  });
  protected readonly text = computed(() => {
    const value = this.value();
    const text = typeof value === 'string' ? value : this.whole();
    return text.length > TEXT_MAX ? { shown: text.slice(0, TEXT_MAX), cut: true } : { shown: text, cut: false };
  });

  protected show(face: Face): void {
    this.chosen.set(face);
  }

  protected look(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.word.set(event.target.value);
  }

  protected save(): void {
    saveText(`${this.file().replaceAll(/[^\w.-]+/g, '_')}.json`, this.whole(), 'application/json');
  }
}
