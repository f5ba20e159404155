import { ChangeDetectionStrategy, Component, computed, inject, input, linkedSignal, output, signal } from '@angular/core';

import { Needs } from '../components/needs';
import { PortField } from '../components/port-field';
import { Catalogue } from '../data/catalogue';
import type { ReviewAction } from '../data/api/operations';
import type { Json } from '../domain/json';
import { controlFor, initialValue, portProblems, typeWords } from '../domain/ports/controls';
import { nodeOf } from '../domain/runs/records';
import { readJson } from '../domain/typed-json';
import { EditorStore } from '../state/editor-store';

/** What somebody decided about a step whose outcome is unknown. */
export interface Verdict {
  readonly action: ReviewAction;
  readonly output?: Json;
}

/**
 * A step whose outcome is unknown, for somebody to say what became of it. The value to go on with has the form of what the
 * operation gives; where that is not known, it is typed as JSON.
 */
@Component({
  selector: 'ff-review',
  templateUrl: './review-form.html',
  imports: [Needs, PortField],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ReviewForm {
  private readonly graph = inject(EditorStore);
  private readonly catalogue = inject(Catalogue);
  readonly step = input.required<string>();
  readonly what = input<string | null>(null);
  readonly busy = input(false);
  readonly decided = output<Verdict>();
  protected readonly call = computed(() => {
    const call = this.graph.graph().byId.get(nodeOf(this.step()))?.value['call'];
    return typeof call === 'string' ? call : null;
  });
  private readonly type = computed(() => {
    const call = this.call();
    const operation = call === null ? null : this.catalogue.operation(call);
    return operation === null ? undefined : (operation.result ?? null);
  });
  /** The control of the value; null: the operation gives nothing; undefined: it is not known what it gives. */
  protected readonly control = computed(() => {
    const type = this.type();
    return type ? controlFor(type) : type;
  });
  protected readonly words = computed(() => {
    const type = this.type();
    return type ? typeWords(type) : '';
  });
  protected readonly value = linkedSignal((): Json | undefined => {
    const control = this.control();
    return control ? initialValue(control) : null;
  });
  protected readonly text = signal('');
  protected readonly mistake = signal<string | null>(null);

  constructor() {
    if (this.catalogue.entries().length === 0) void this.catalogue.load();
  }

  protected onText(event: Event): void {
    if (event.target instanceof HTMLTextAreaElement) this.text.set(event.target.value);
  }

  protected skip(): void {
    const control = this.control();
    this.mistake.set(null);
    if (control) {
      const wrong = portProblems(control, this.value())[0];
      if (wrong) this.mistake.set(`${wrong.path.length === 0 ? 'The value' : wrong.path.join('.')}: ${wrong.message}`);
      else this.decided.emit({ action: 'SKIP', output: this.value() ?? null });
      return;
    }
    const { value, mistake } = this.text().trim() === '' ? { value: null, mistake: undefined } : readJson(this.text());
    if (value === undefined) this.mistake.set(mistake ?? null);
    else this.decided.emit({ action: 'SKIP', output: value });
  }
}
