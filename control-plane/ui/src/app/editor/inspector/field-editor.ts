import { NgTemplateOutlet } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';

import { ExpressionBox } from '../../components/expression-box';
import { Icon } from '../../components/icon';
import { NamesBox } from '../../components/names-box';
import { ValueBox } from '../../components/value-box';
import { Catalogue } from '../../data/catalogue';
import { PublishedNames } from '../../data/published-names';
import type { Scope } from '../../domain/expression/infer';
import { isList, type Json, pathText, valueAt } from '../../domain/json';
import { jsonText } from '../../domain/json-text';
import type { GraphNode } from '../../domain/workflow/graph';
import { bareText, type FieldSpec, shapeOf } from '../../domain/workflow/kinds';
import { renameProperty, setProperty } from '../../domain/workflow/operations';
import { EditorStore } from '../../state/editor-store';
import { EntriesBox, type EntryChange } from './entries-box';
import { PortsBox } from './ports-box';

const WORDS: Readonly<Record<string, string>> = { values: 'field', expressions: 'case', ports: 'input', slots: 'slot' };

/** One property of a node, with the control that the table of kinds names for it. */
@Component({
  selector: 'ff-field-editor',
  templateUrl: './field-editor.html',
  imports: [EntriesBox, ExpressionBox, Icon, NamesBox, NgTemplateOutlet, PortsBox, ValueBox],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class FieldEditor {
  private readonly store = inject(EditorStore);
  private readonly catalogue = inject(Catalogue);
  private readonly published = inject(PublishedNames);
  readonly node = input.required<GraphNode>();
  readonly spec = input.required<FieldSpec>();
  readonly scope = input.required<Scope>();

  protected readonly control = computed(() => this.spec().control);
  protected readonly id = computed(() => `field-${this.node().id}-${this.spec().path.join('-')}`);
  protected readonly value = computed(() => valueAt(this.node().value, this.spec().path));
  protected readonly text = computed(() => {
    const value = this.value();
    return value === undefined || value === null ? '' : typeof value === 'string' ? value : jsonText(value);
  });
  protected readonly bare = computed(() => bareText(this.value()));
  protected readonly names = computed(() => {
    const value = this.value();
    if (isList(value)) return value.map((item) => (typeof item === 'string' ? item : jsonText(item)));
    return typeof value === 'string' ? [value] : [];
  });
  protected readonly word = computed(() => WORDS[this.control().type] ?? 'field');
  /** The operation whose ports the inputs are for, if the catalogue knows it. */
  protected readonly operation = computed(() => {
    const target = valueAt(this.node().value, [...this.spec().path.slice(0, -1), 'call']);
    return this.control().type === 'ports' && typeof target === 'string' ? this.catalogue.operation(target) : null;
  });
  protected readonly entriesKind = computed(() => {
    const { type } = this.control();
    return type === 'expressions' ? 'expressions' : type === 'slots' ? 'slots' : 'values';
  });
  protected readonly placeholder = computed(() => this.spec().example ?? '');
  /** The way in which the value is written, of those that it can be. */
  protected readonly shape = computed(() => {
    const control = this.control();
    return control.type === 'shape' ? (shapeOf(control.shapes, this.value())?.label ?? '') : '';
  });
  /** What is wrong with this property, from the same list as text and canvas show. */
  protected readonly problem = computed(() => {
    const path = pathText(this.spec().path);
    return this.store.problems().find((problem) => problem.node === this.node().id && (problem.property === path || problem.property.startsWith(`${path}.`) || problem.property.startsWith(`${path}[`))) ?? null;
  });
  protected readonly suggestions = computed((): readonly string[] => {
    const graph = this.store.graph();
    const node = this.node();
    const { control, path } = this.spec();
    if (control.type === 'names' && control.options) return control.options;
    if (control.type === 'node') return graph.nodes.filter((other) => other.parent === node.parent && other.id !== node.id).map((other) => other.id);
    if (control.type === 'operation') return this.catalogue.entries().flatMap((entry) => entry.interface.operations.map((operation) => `${entry.name}/${operation.name}`));
    if (control.type === 'workflow') return this.published.names().filter((name) => name !== graph.name);
    switch (path.at(-1)) {
      case 'after':
        return graph.nodes.filter((other) => other.parent === node.parent && other.id !== node.id).flatMap((other) => [other.id, ...other.outcomes.filter((outcome) => outcome !== 'done').map((outcome) => `${other.id}.${outcome}`)]);
      case 'secrets':
        return graph.secrets;
      case 'allow':
        return Object.keys(graph.config).map((name) => `\${config.${name}}`);
      default:
        return [];
    }
  });

  protected set(value: Json | undefined): void {
    this.store.run((model) => setProperty(model, this.node().id, this.spec().path, value === '' && !this.spec().required ? undefined : value));
  }

  protected setInput(event: Event): void {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLSelectElement) this.set(event.target.value);
  }

  protected setShape(event: Event): void {
    const control = this.control();
    if (!(event.target instanceof HTMLSelectElement) || control.type !== 'shape') return;
    const { value: label } = event.target;
    const chosen = control.shapes.find((shape) => shape.label === label);
    if (chosen) this.store.run((model) => setProperty(model, this.node().id, this.spec().path, chosen.value));
  }

  protected setNumber(event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const { value } = event.target;
    this.set(value === '' ? undefined : Number.isFinite(Number(value)) ? Number(value) : value);
  }

  protected setNames(names: readonly string[]): void {
    const single = this.spec().path[0] === 'after' && names.length === 1 && !isList(this.value());
    this.set(names.length === 0 ? undefined : single ? (names[0] ?? '') : names);
  }

  protected setSwitch(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.set(event.target.checked ? true : undefined);
  }

  protected setEntry(change: EntryChange): void {
    const { id } = this.node();
    const path = [...this.spec().path, change.key];
    if (change.type === 'set') this.store.run((model) => setProperty(model, id, path, change.value));
    else if (change.type === 'remove') this.store.run((model) => setProperty(model, id, path, undefined));
    else this.store.run((model) => renameProperty(model, id, path, change.to));
  }
}
