import { ChangeDetectionStrategy, Component, computed, input, linkedSignal, output } from '@angular/core';

import type { Scope } from '../domain/expression/infer';
import { soleExpression } from '../domain/expression/template';
import type { Json } from '../domain/json';
import { jsonText } from '../domain/json-text';
import { scalarText } from '../domain/yaml/scalar';
import { readYaml, toJson } from '../domain/yaml/tree';
import { flowText } from '../domain/yaml/write';
import { ExpressionBox } from './expression-box';

/** A value of any kind, or an expression that gives it. What is typed is read as the file would read it. */
@Component({
  selector: 'ff-value-box',
  template: `
    <ff-expression-box
      [value]="shown()"
      [code]="code()"
      [label]="label()"
      [scope]="scope()"
      [placeholder]="placeholder()"
      [invalid]="invalid()"
      (changed)="onText($event)"
      (codeChanged)="onCode($event)"
    />
  `,
  imports: [ExpressionBox],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ValueBox {
  readonly value = input.required<Json | undefined>();
  readonly label = input.required<string>();
  readonly scope = input<Scope>(new Map());
  readonly placeholder = input('');
  readonly invalid = input(false);
  /** Whether only text is wanted, so that `12` is the text "12". */
  readonly textOnly = input(false);
  /** Whether an empty one is an expression from the first key on. */
  readonly begins = input(false);
  readonly changed = output<Json>();

  /** What this box gave last. */
  private given: Json | undefined;
  /** Whoever writes `${config.feed}/week` has an expression alone for a moment; it stays text until somebody says otherwise. */
  protected readonly code = linkedSignal<{ readonly value: Json | undefined; readonly begins: boolean }, boolean>({
    source: () => ({ value: this.value(), begins: this.begins() }),
    computation: ({ value, begins }, before) => (before?.source.begins === begins && value !== undefined && value === this.given ? before.value : begins || expressionOf(value) !== null),
  });
  protected readonly shown = computed(() => {
    const value = this.value();
    const expression = expressionOf(value);
    if (this.code()) return expression ?? (value === undefined || value === null || value === '' ? '' : typeof value === 'string' ? jsonText(value) : flowText(value));
    if (value === undefined || value === null || value === '') return '';
    if (typeof value !== 'string') return flowText(value);
    return this.textOnly() || value.includes('${') || readsAs(value, value) ? value : scalarText(value, false);
  });

  protected onText(text: string): void {
    this.given = this.code() ? `\${${text}}` : this.textOnly() || text.includes('${') ? text : readBack(text);
    this.changed.emit(this.given);
  }

  protected onCode(code: boolean): void {
    const shown = this.shown();
    this.code.set(code);
    if (code && shown !== '') this.onText(/^[\w.]+$/.test(shown) ? shown : jsonText(shown));
    else if (!code && shown !== '') this.onText(shown);
  }
}

function expressionOf(value: Json | undefined): string | null {
  return typeof value === 'string' ? soleExpression(value) : null;
}

/** What the file would read. Text that is not YAML is text. */
function readBack(text: string): Json {
  const source = readYaml(text);
  if (source.mistakes.length > 0 || text.includes('#')) return text;
  const value = toJson(source.root);
  // `a: b` on one line is meant as text.
  return source.root?.kind === 'map' && !source.root.flow ? text : value;
}

function readsAs(text: string, value: string): boolean {
  return readBack(text) === value;
}
