import { afterNextRender, ChangeDetectionStrategy, Component, computed, ElementRef, forwardRef, inject, Injector, input, output, signal } from '@angular/core';

import type { Scope } from '../domain/expression/infer';
import { isList, isObject, type Json } from '../domain/json';
import { wholeNumber } from '../domain/json-text';
import { caseValue, initialValue, isExpression, type PortControl, portProblems } from '../domain/ports/controls';
import { flowText } from '../domain/yaml/write';
import { readYaml, toJson } from '../domain/yaml/tree';
import { Icon } from './icon';
import { ValueBox } from './value-box';

/** The control of a port: one for each WIT type. Any value can be an expression instead. */
@Component({
  selector: 'ff-port-field',
  templateUrl: './port-field.html',
  imports: [Icon, ValueBox, forwardRef(() => PortField)],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PortField {
  private readonly injector = inject(Injector);
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
  readonly name = input.required<string>();
  readonly control = input.required<PortControl>();
  readonly value = input.required<Json | undefined>();
  readonly scope = input<Scope>(new Map());
  /** Whether values only are wanted, and no expressions: outside of a workflow. */
  readonly plain = input(false);
  readonly docs = input('');
  readonly words = input('');
  readonly changed = output<Json | undefined>();
  protected readonly asExpression = signal(false);
  protected readonly expression = computed(() => !this.plain() && (isExpression(this.value()) || this.asExpression()));
  /** Whether its control has no place of its own for an expression. */
  protected readonly structured = computed(() => !['text', 'bytes', 'artefact', 'optional'].includes(this.control().type));
  /** What is wrong with this value itself; members say their own. */
  protected readonly problem = computed(() => portProblems(this.control(), this.value()).find((found) => found.path.length === 0)?.message ?? null);
  protected readonly items = computed(() => {
    const value = this.value();
    return isList(value) ? value : [];
  });
  protected readonly text = computed(() => {
    const value = this.value();
    return value === undefined || value === null ? '' : typeof value === 'string' ? value : flowText(value);
  });
  protected readonly chosen = computed(() => {
    const control = this.control();
    const value = this.value();
    return control.type === 'variant' && isObject(value) ? (control.cases.find((found) => found.name === value['kind']) ?? null) : null;
  });

  /** The button goes with this, so that the caret goes where the expression is written. */
  protected beginExpression(): void {
    this.asExpression.set(true);
    afterNextRender(() => { this.host.nativeElement.querySelector('textarea')?.focus(); }, { injector: this.injector });
  }

  /** What is no expression any more gets its own control back. */
  protected onBox(value: Json): void {
    this.asExpression.set(false);
    this.changed.emit(value);
  }

  protected member(name: string): Json | undefined {
    const value = this.value();
    return isObject(value) ? value[name] : undefined;
  }

  protected setMember(name: string, next: Json | undefined): void {
    const value = this.value();
    const fields: Record<string, Json> = isObject(value) ? { ...value } : {};
    if (next === undefined) Reflect.deleteProperty(fields, name);
    else fields[name] = next;
    this.changed.emit(fields);
  }

  protected setItem(index: number, next: Json | undefined): void {
    this.changed.emit(this.items().map((item, other) => (other === index ? (next ?? null) : item)));
  }

  protected removeItem(index: number): void {
    this.changed.emit(this.items().filter((_, other) => other !== index));
  }

  protected addItem(element: PortControl): void {
    this.changed.emit([...this.items(), initialValue(element)]);
  }

  protected setText(event: Event): void {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLSelectElement) this.changed.emit(event.target.value);
  }

  /** A number keeps its digits. What is none stays text, and is said to be wrong. */
  protected setNumber(event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const text = event.target.value.trim();
    const number = wholeNumber(text);
    this.changed.emit(text === '' ? undefined : typeof number === 'bigint' || Number.isFinite(number) ? number : text);
  }

  protected setJson(event: Event): void {
    if (!(event.target instanceof HTMLTextAreaElement)) return;
    const source = readYaml(event.target.value);
    this.changed.emit(source.mistakes.length > 0 ? event.target.value : toJson(source.root));
  }

  protected setToggle(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.changed.emit(event.target.checked);
  }

  protected setCase(event: Event): void {
    const control = this.control();
    if (!(event.target instanceof HTMLSelectElement) || control.type !== 'variant') return;
    const name = event.target.value;
    const found = control.cases.find((candidate) => candidate.name === name);
    if (found) this.changed.emit(caseValue(found.name, found.control));
  }

  protected setFlag(name: string, event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const known = this.items().filter((item) => item !== name);
    this.changed.emit(event.target.checked ? [...known, name] : known);
  }

  protected setOptional(inner: PortControl, nested: boolean, event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    // What begins as null would not be given.
    const first = initialValue(inner) ?? (inner.type === 'json' ? {} : '');
    this.changed.emit(event.target.checked ? (nested ? { some: first } : first) : undefined);
  }

  protected setExpression(value: Json): void {
    this.asExpression.set(true);
    this.changed.emit(value);
  }
}
