import { ChangeDetectionStrategy, Component, computed, inject, input, signal } from '@angular/core';

import { isList, isObject, type Json } from '../domain/json';
import { jsonText } from '../domain/json-text';
import { schemaOf, search, sizeWords, soleTable, tableOf, TEXT_MAX } from '../domain/runs/data';
import { artefactsIn } from '../domain/runs/artefacts';
import { type DataPart, partOf } from '../domain/expression/use';
import { ArtefactView } from './artefact-view';
import { ExpressionTarget, PART_TYPE } from './expression-target';
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
  imports: [ArtefactView, Icon],
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
  /** The expression that gives the value; then its parts can be dragged into expressions, or put there by a key. */
  readonly root = input('');
  private readonly target = inject(ExpressionTarget);
  protected readonly taker = this.target.taker;
  protected readonly files = computed(() => artefactsIn(this.value()));
  protected readonly id = `value-${String(views++)}`;
  protected readonly word = signal('');
  private readonly chosen = signal<Face | null>(null);
  protected readonly large = computed(() => {
    const value = this.value();
    return isList(value) || isObject(value);
  });
  protected readonly list = computed(() => isList(this.value()) || this.sole() !== null);
  /** Whether it is more than one sees at once. */
  protected readonly searchable = computed(() => this.large() && (this.word() !== '' || this.whole().length > SEARCH_LEAST));
  private readonly whole = computed(() => {
    const value = this.value();
    return value === undefined ? '' : jsonText(value, 2);
  });
  protected readonly size = computed(() => sizeWords(new Blob([this.whole()]).size));
  /** The rows that the table is of: of the value, or of the only field that it has. */
  protected readonly sole = computed(() => soleTable(this.value()));
  protected readonly table = computed(() => tableOf(this.sole()?.value ?? this.value(), this.word()));
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

  /** The path of a column: of the elements, in a list. */
  protected columnPath(column: string): string {
    return this.list() ? `${this.sole()?.field ?? ''}[].${column}` : column;
  }

  private part(path: string): DataPart {
    return partOf(this.root(), path, this.value());
  }

  protected useTitle(path: string): string {
    const taker = this.taker();
    return taker ? `Put ${this.part(path).expression} into ${taker.label()}` : `${this.part(path).expression}: drag it into a field, or choose a field first`;
  }

  protected use(path: string): void {
    this.taker()?.take(this.part(path));
  }

  protected drag(event: DragEvent, path: string): void {
    const part = this.part(path);
    event.dataTransfer?.setData(PART_TYPE, jsonText(part));
    event.dataTransfer?.setData('text/plain', part.expression);
    if (event.dataTransfer) event.dataTransfer.effectAllowed = 'copy';
  }

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
