import { ChangeDetectionStrategy, Component, computed, input, output } from '@angular/core';

import { PortField } from '../../components/port-field';
import type { Scope } from '../../domain/expression/infer';
import { isObject, type Json } from '../../domain/json';
import { controlFor, typeWords } from '../../domain/ports/controls';
import type { Operation } from '../../domain/ports/interface';
import { EntriesBox, type EntryChange } from './entries-box';

/** The inputs of a call: a control for each port of the operation, and what the text has beside them. */
@Component({
  selector: 'ff-ports-box',
  template: `
    <div class="ports">
      @for (port of ports(); track port.name) {
        <ff-port-field [name]="port.name" [control]="port.control" [words]="port.words" [docs]="port.docs" [value]="port.value" [scope]="scope()" (changed)="set(port.name, $event)" />
      } @empty {
        <p class="small t2">It takes nothing.</p>
      }
      @if (others(); as rest) {
        <ff-entries-box [value]="rest" kind="values" word="input" label="inputs that it has no port for" [scope]="scope()" (changed)="changed.emit($event)" />
      }
    </div>
  `,
  imports: [EntriesBox, PortField],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PortsBox {
  readonly operation = input.required<Operation>();
  readonly value = input.required<Json | undefined>();
  readonly scope = input<Scope>(new Map());
  readonly changed = output<EntryChange>();
  private readonly given = computed(() => {
    const value = this.value();
    return isObject(value) ? value : {};
  });
  protected readonly ports = computed(() => this.operation().params.map((port) => ({ name: port.name, control: controlFor(port.ty), words: typeWords(port.ty), docs: port.docs ?? '', value: this.given()[port.name] })));
  protected readonly others = computed(() => {
    const known = new Set(this.operation().params.map((port) => port.name));
    const rest = Object.entries(this.given()).filter(([name]) => !known.has(name));
    return rest.length === 0 ? null : Object.fromEntries(rest);
  });

  protected set(key: string, value: Json | undefined): void {
    this.changed.emit(value === undefined ? { type: 'remove', key } : { type: 'set', key, value });
  }
}
