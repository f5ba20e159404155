import { ChangeDetectionStrategy, Component, computed, input, signal } from '@angular/core';

import { briefly, isList, isObject, type Json } from '../domain/json';

const ROWS_MAX = 100;
const TEXT_MAX = 20_000;

/** A value as a table, if it is a list of objects or an object, or as JSON. What is long is cut, and says so. */
@Component({
  selector: 'ff-value',
  template: `
    <div class="row value-head">
      <h3 class="grow">{{ heading() }}</h3>
      @if (table()) {
        <span class="segm" role="group" [attr.aria-label]="heading() + ' as'">
          <button type="button" [attr.aria-pressed]="!json()" (click)="json.set(false)">Table</button>
          <button type="button" [attr.aria-pressed]="json()" (click)="json.set(true)">JSON</button>
        </span>
      }
    </div>
    @if (value() === undefined) {
      <p class="small t2">{{ absent() }}</p>
    } @else if (table(); as shown) {
      @if (json()) {
        <pre class="value-json" tabindex="0" [attr.aria-label]="heading()">{{ text() }}</pre>
      } @else {
        <div class="scroll value-table" tabindex="0" role="region" [attr.aria-label]="heading()">
          <table>
            <thead><tr>@for (column of shown.columns; track column) {<th scope="col">{{ column }}</th>}</tr></thead>
            <tbody>@for (row of shown.rows; track $index) {<tr>@for (cell of row; track $index) {<td class="mono">{{ cell }}</td>}</tr>}</tbody>
          </table>
        </div>
        @if (shown.more > 0) {<p class="small t2">and {{ shown.more }} more</p>}
      }
    } @else {
      <pre class="value-json" tabindex="0" [attr.aria-label]="heading()">{{ text() }}</pre>
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'value-view' },
})
export class ValueView {
  readonly heading = input.required<string>();
  readonly value = input.required<Json | undefined>();
  /** What is said when there is no value. */
  readonly absent = input('There is no value.');
  protected readonly json = signal(false);
  protected readonly text = computed(() => {
    const text = JSON.stringify(this.value(), null, 2);
    return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}\n… cut: ${String(text.length)} characters` : text;
  });
  protected readonly table = computed(() => tableOf(this.value()));
}

function tableOf(value: Json | undefined): { columns: readonly string[]; rows: readonly (readonly string[])[]; more: number } | null {
  if (isList(value) && value.length > 0 && value.every((item) => isObject(item))) {
    const items = value;
    const columns = [...new Set(items.slice(0, ROWS_MAX).flatMap((item) => Object.keys(item)))].slice(0, 12);
    return { columns, rows: items.slice(0, ROWS_MAX).map((item) => columns.map((column) => cell(item[column]))), more: Math.max(0, value.length - ROWS_MAX) };
  }
  if (!isObject(value) || Object.keys(value).length === 0) return null;
  return { columns: ['name', 'value'], rows: Object.entries(value).map(([name, item]) => [name, cell(item)]), more: 0 };
}

function cell(value: Json | undefined): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? (value.length > 120 ? `${value.slice(0, 119)}…` : value) : briefly(value, 80);
}
